from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.room import LEVELS_DB, ROOMS, EchoPath, Room, room
from tests.fakes.voices48 import assistant_24k, db


def _through(path: EchoPath, samples: np.ndarray) -> np.ndarray:
    blocks = samples.astype(np.float32).reshape(-1, 480)
    return np.concatenate([path.push(block).copy() for block in blocks])


def _rt60_s(response: np.ndarray) -> float:
    """From the backward integral between -10 and -30 dB (M. R. Schroeder, 1965)."""
    left = np.cumsum((response.astype(np.float64) ** 2)[::-1])[::-1]
    decay_db = 10 * np.log10(left / left[0] + 1e-30)
    first, last = np.argmax(decay_db < -10), np.argmax(decay_db < -30)
    return 3 * (last - first) / 48_000


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_rings_as_long_as_it_says(name: str) -> None:
    made = room(name)
    assert _rt60_s(made.response) == pytest.approx(made.rt60_s, rel=0.2)


def test_sound_arrives_after_the_way_it_goes() -> None:
    # Loudspeaker and microphone of "desk" are 0.59 m apart, give or take 2 cm: 1.6 to 1.9 ms.
    peak = int(np.abs(room("desk").response).argmax())
    assert 75 <= peak <= 92


@pytest.mark.parametrize("name", ROOMS)
@pytest.mark.parametrize("level_db", LEVELS_DB)
def test_speech_comes_back_at_its_level(name: str, level_db: float) -> None:
    import soxr

    speech = soxr.resample(assistant_24k(5.6), 24_000, 48_000)[: 480 * 500]
    made = room(name, level_db)
    linear = Room("", 0.0, made.response)
    assert db(_through(EchoPath(linear, 480), speech)) - db(speech) == pytest.approx(
        level_db, abs=2.5
    )


def test_the_same_seed_is_the_same_room_and_another_is_not() -> None:
    one, same, other = room("kitchen", seed=3), room("kitchen", seed=3), room("kitchen", seed=4)
    assert (one.response == same.response).all()
    shared = min(len(one.response), len(other.response))
    assert np.abs(one.response[:shared] - other.response[:shared]).max() > 0.001


@given(
    delay=st.integers(480, 5_000),
    length=st.integers(1, 9_000),
    seed=st.integers(0, 100),
)
def test_an_echo_is_the_convolution_with_the_response(delay: int, length: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    played = random.standard_normal(480 * 30).astype(np.float32)
    played[480 * 8 : 480 * 20] *= random.integers(0, 2)  # also with a pause
    response = (random.standard_normal(length) / 50).astype(np.float32)
    wanted = np.convolve(played.astype(np.float64), response)
    wanted = np.concatenate([np.zeros(delay), wanted])[: len(played)]
    got = _through(EchoPath(Room("", 0.0, response), delay), played)
    assert np.abs(got - wanted).max() < 1e-4


def test_silence_long_enough_ends_the_echo_and_the_next_sound_has_its_own() -> None:
    path = EchoPath(room("kitchen", -10), 2_400)
    burst = np.ones(480, np.float32)
    first = _through(path, np.concatenate([burst, np.zeros(480 * 200)]))
    assert np.abs(first[-480 * 100 :]).max() == 0
    again = _through(path, np.concatenate([burst, np.zeros(480 * 200)]))
    assert np.abs(first).max() > 0.01
    # Blocks of the convolution need not begin at the same place.
    assert np.abs(first - again).max() < 1e-6


@pytest.mark.parametrize("ppm", [200.0, -200.0])
def test_drifting_clocks_stretch_the_echo_and_slip_by_a_block(ppm: float) -> None:
    path = EchoPath(Room("", 0.0, np.ones(1, np.float32), 0.0, ppm), 2_400)
    at = np.arange(480 * 3_000)
    heard = _through(path, np.sin(2 * np.pi * 70 * at / 48_000))
    late = 2_400 + at * ppm * 1e-6
    wanted = np.sin(2 * np.pi * 70 * (at - late) / 48_000)
    # 24 s at 200 ppm make 5 ms: all the slack there is.
    before = slice(4_800, 480 * 2_300)
    assert np.abs(heard[before] - wanted[before]).max() < 2e-3
    late -= np.sign(ppm) * 476
    wanted = np.sin(2 * np.pi * 70 * (at - late) / 48_000)
    assert np.abs(heard[480 * 2_600 :] - wanted[480 * 2_600 :]).max() < 2e-3


def test_a_soft_clipping_loudspeaker_distorts_what_is_loud() -> None:
    at = np.arange(480 * 100) / 48_000
    tone = np.sin(2 * np.pi * 1_000 * at)

    def third_harmonic(level: float) -> float:
        path = EchoPath(Room("", 0.0, np.ones(1, np.float32), 0.3), 480)
        spectrum = np.abs(np.fft.rfft(_through(path, level * tone)[-4_800 * 8 :]))
        return float(spectrum[2_400] / spectrum[800])

    assert third_harmonic(0.9) > 0.1
    assert third_harmonic(0.03) < 0.005


def test_an_echo_cannot_come_before_the_sound() -> None:
    with pytest.raises(ValueError, match="at least 480"):
        EchoPath(room("desk"), 479)
