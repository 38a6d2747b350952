"""The damage is what its name says: a table of it means nothing otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evaluation.damage import at_speed, compressed, fates, noisy, stretched, telephone
from engine.types import FloatArray
from tests.engine.watermark.conftest import RATE_HZ, speechlike


def tone(hz: float, seconds: float = 1.0) -> FloatArray:
    count = round(RATE_HZ * seconds)
    return np.asarray(0.5 * np.sin(2 * np.pi * hz * np.arange(count) / RATE_HZ), np.float32)


def pitch_hz(sound: FloatArray) -> float:
    middle = sound[4800:-4800]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18))
    return float(np.argmax(spectrum) * RATE_HZ / (1 << 18))


def chance() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("fate", fates(), ids=lambda fate: fate.name)
def test_all_damage_leaves_speech_of_about_the_same_length(fate: object) -> None:
    sound = speechlike(2.0)
    left = fate.damage(sound, chance())  # type: ignore[attr-defined]
    assert left.dtype == np.float32
    assert abs(len(left) - len(sound)) < 0.06 * len(sound)
    assert np.isfinite(left).all()
    assert np.std(left) > 0.1 * np.std(sound)


def test_every_fate_has_a_name_of_its_own() -> None:
    assert len({fate.name for fate in fates()}) == len(fates())


def test_noise_is_as_far_below_as_it_says() -> None:
    sound = speechlike(2.0)
    added = noisy(sound, 20, chance()) - sound
    ratio_db = 10 * np.log10(np.mean(np.square(sound)) / np.mean(np.square(added)))
    assert ratio_db == pytest.approx(20, abs=0.2)


def test_a_telephone_passes_speech_and_nothing_above_four_kilohertz() -> None:
    assert np.std(telephone(tone(1000), chance())) > 0.8 * np.std(tone(1000))
    assert np.std(telephone(tone(5000), chance())) < 0.05 * np.std(tone(5000))


def test_faster_playing_raises_the_pitch_and_stretching_does_not() -> None:
    faster = at_speed(tone(1000), 1.01)
    assert pitch_hz(faster) == pytest.approx(1010, abs=1)
    assert len(faster) == pytest.approx(RATE_HZ / 1.01, abs=2)
    shorter = stretched(tone(1000), 0.97)
    assert pitch_hz(shorter) == pytest.approx(1000, abs=2)
    assert len(shorter) == pytest.approx(RATE_HZ * 0.97, abs=2)


@pytest.mark.parametrize(
    ("codec", "rate_hz", "bits_per_s"),
    [("libmp3lame", 24_000, 64_000), ("libopus", 48_000, 24_000)],
)
def test_compression_keeps_the_sound_but_not_its_samples(
    codec: str, rate_hz: int, bits_per_s: int
) -> None:
    sound = speechlike(2.0)
    back = compressed(sound, codec, rate_hz, bits_per_s)
    products = np.fft.irfft(np.fft.rfft(sound, 1 << 17) * np.conj(np.fft.rfft(back, 1 << 17)))
    likeness = np.max(products) / np.linalg.norm(sound) / np.linalg.norm(back)
    assert 0.8 < likeness < 0.99999
