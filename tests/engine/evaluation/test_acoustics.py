"""Pitch, colour and length of sounds that we know."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.evaluation.acoustics import (
    colour_distance,
    duration_ratio,
    median_pitch_hz,
    profile,
    semitones,
)
from engine.types import FloatArray

RATE_HZ = 24_000


def buzz(pitch_hz: float, seconds: float = 0.8, tilt: float = 1.0) -> FloatArray:
    """A voice-like sound: harmonics up to 4 kHz that fall with their number to the power ``tilt``."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    harmonics = np.arange(1, int(4000 / pitch_hz))[:, None]
    waves = np.sin(2 * np.pi * pitch_hz * harmonics * time_s + harmonics**2) / harmonics**tilt
    sound = waves.sum(axis=0)
    return np.asarray(0.3 * sound / np.abs(sound).max(), np.float32)


@pytest.mark.parametrize("pitch_hz", [85.0, 120.0, 210.0, 330.0])
def test_pitch_of_a_buzz(pitch_hz: float) -> None:
    assert median_pitch_hz(buzz(pitch_hz)) == pytest.approx(pitch_hz, rel=0.02)


def test_silence_between_does_not_count() -> None:
    quiet = np.zeros(RATE_HZ, np.float32)
    assert median_pitch_hz(np.concatenate([quiet, buzz(150.0), quiet])) == pytest.approx(
        150, rel=0.02
    )


@pytest.mark.parametrize("samples", [0, 100, RATE_HZ])
def test_no_voice_no_pitch(samples: int) -> None:
    assert median_pitch_hz(np.zeros(samples, np.float32)) == 0.0


def test_noise_has_no_pitch() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32)
    assert median_pitch_hz(0.1 * noise) == 0.0


def test_colour_tells_voices_apart_and_not_loudness() -> None:
    dark, bright = profile(buzz(120, tilt=2.0)), profile(buzz(120, tilt=0.3))
    quieter = profile(0.5 * buzz(120, tilt=2.0))
    assert colour_distance(dark, dark) == 0.0
    assert colour_distance(dark, quieter) < 0.3 * colour_distance(dark, bright)


def test_semitones() -> None:
    assert semitones(220, 110) == pytest.approx(12)
    assert semitones(110, 220) == pytest.approx(-12)
    assert math.isnan(semitones(0, 110))


def test_duration_ratio() -> None:
    made, reference = np.zeros(300, np.float32), np.zeros(400, np.float32)
    assert duration_ratio(made, reference) == 0.75
    assert duration_ratio(made, reference[:0]) == 0.0
