"""What the greeting must be: short, soft, without clicks, and full enough to learn a room by."""

from __future__ import annotations

import numpy as np

from app.audio.chime import CHIME_S, chime
from app.audio.linear_echo import LinearEcho
from app.audio.room import room
from app.audio.virtual import VirtualDevice
from tests.fakes.voices48 import Feeder, assistant_24k, db, joined


def test_it_is_short_and_soft_and_ends_without_a_click() -> None:
    sound = chime()
    assert sound.dtype == np.float32
    assert len(sound) == round(CHIME_S * 24_000) <= 0.7 * 24_000
    assert -26 < db(sound) < -22
    assert np.abs(sound).max() < 0.5
    assert abs(sound[0]) < 1e-3 and np.abs(sound[-24:]).max() < 2e-3
    assert np.array_equal(sound, chime())


def test_every_band_of_speech_is_in_it() -> None:
    sound = chime().astype(np.float64)
    power = np.abs(np.fft.rfft(sound)) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / 24_000)
    octaves = [power[(hz >= low) & (hz < 2 * low)].sum() for low in (125, 250, 500, 1000, 2000)]
    assert 10 * np.log10(min(octaves) / max(octaves)) > -25


def _first_second_db(greeted: bool) -> float:
    """How much of the first second of an answer a linear canceller takes away."""
    device = VirtualDevice(room=room("living room", -10.0), seed=3)
    device.noise("room", -75.0)
    if greeted:
        device.player.write(chime())
    blocks = [device.step() for _ in range(90)]
    blocks += Feeder(device, assistant_24k(2.0)).steps(1.1)
    near, far = joined(blocks)
    echo = LinearEcho()
    pairs = zip(near.reshape(-1, 480), far.reshape(-1, 480), strict=True)
    left = np.concatenate([echo.process(one, other) for one, other in pairs])
    first = slice(96 * 480, 196 * 480)
    return db(near[first]) - db(left[first])


def test_a_room_that_was_greeted_is_known_when_the_first_answer_begins() -> None:
    assert _first_second_db(True) > 10
    assert _first_second_db(True) > _first_second_db(False) + 5
