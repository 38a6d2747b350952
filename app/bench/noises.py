"""Noises that are no speech, made up from seeds: a cough, a keyboard, a door, music.

All at 48 kHz, mono, peak 1. Knows no device.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from app.core.live_ports import SESSION_RATE_HZ
from app.core.types import FloatArray

_Samples = npt.NDArray[np.float64]


def _time_s(seconds: float) -> _Samples:
    return np.arange(round(seconds * SESSION_RATE_HZ)) / SESSION_RATE_HZ


def _coloured(
    random: np.random.Generator, count: int, bands: list[tuple[float, float, float]]
) -> _Samples:
    """Noise with bumps of (middle in Hz, width in Hz, height) in its spectrum."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / SESSION_RATE_HZ)
    shape = sum(height * np.exp(-(((hz - middle) / width) ** 2)) for middle, width, height in bands)
    return np.fft.irfft(spectrum * shape, count)


def _cough(random: np.random.Generator) -> _Samples:
    """One to three bursts of throat-coloured noise, the first the strongest, each with a hoarse end."""
    sound = np.zeros(round(2.0 * SESSION_RATE_HZ))
    at_s = 0.0
    for number in range(random.integers(1, 4)):
        seconds = random.uniform(0.18, 0.35)
        time_s = _time_s(seconds)
        burst = _coloured(
            random,
            len(time_s),
            [
                (random.uniform(400, 800), 350, 1.0),
                (random.uniform(1300, 2100), 600, 0.6),
                (4000, 2000, 0.15),
            ],
        )
        attack = np.minimum(time_s / 0.008, 1.0)
        burst *= attack * np.exp(-time_s / random.uniform(0.05, 0.1)) * 0.8**number
        start = round(at_s * SESSION_RATE_HZ)
        sound[start : start + len(burst)] += burst
        at_s += seconds + random.uniform(0.05, 0.25)
    return sound


def _keyboard(random: np.random.Generator) -> _Samples:
    """Two seconds of typing, six to ten keys a second, each a press and a release."""
    sound = np.zeros(round(2.2 * SESSION_RATE_HZ))
    time_s = _time_s(0.03)
    at_s = 0.0
    while at_s < 2.0:
        for offset_s, level in ((0.0, 1.0), (random.uniform(0.05, 0.09), 0.4)):
            click = _coloured(
                random, len(time_s), [(random.uniform(1500, 3500), 1500, 1.0), (250, 150, 0.5)]
            )
            click *= np.exp(-time_s / 0.004) * level * random.uniform(0.5, 1.0)
            start = round((at_s + offset_s) * SESSION_RATE_HZ)
            sound[start : start + len(click)] += click
        at_s += random.uniform(0.1, 0.17)
    return sound


def _door(random: np.random.Generator) -> _Samples:
    """A creak of a quarter of a second at most, then the slam with its boom."""
    sound = np.zeros(round(1.6 * SESSION_RATE_HZ))
    creak_s = _time_s(random.uniform(0.05, 0.25))
    pitch = random.uniform(300, 600) * (1 + 0.2 * np.sin(2 * np.pi * 7 * creak_s))
    creak = np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / SESSION_RATE_HZ)) * 0.04
    sound[: len(creak)] += creak * np.hanning(len(creak))
    slam_s = _time_s(1.0)
    boom = np.sin(2 * np.pi * random.uniform(55, 95) * slam_s) * np.exp(-slam_s / 0.12)
    crack = _coloured(random, len(slam_s), [(500, 500, 1.0), (2500, 1500, 0.3)]) * np.exp(
        -slam_s / 0.04
    )
    crack /= np.abs(crack).max()
    start = len(creak) + round(0.05 * SESSION_RATE_HZ)
    sound[start : start + len(slam_s)] += 0.7 * boom + crack
    return sound


def _music(random: np.random.Generator) -> _Samples:
    """Two and a half seconds of a plucked tune over a bass, from another room."""
    sound = np.zeros(round(3.0 * SESSION_RATE_HZ))
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12])
    root_hz = random.uniform(180, 260)
    step_s = random.uniform(0.16, 0.28)
    time_s = _time_s(0.6)
    for number in range(int(2.4 / step_s)):
        notes = [(root_hz * 2 ** (random.choice(scale) / 12), 0.6)]
        if number % 4 == 0:
            notes.append((root_hz / 2 * 2 ** (random.choice(scale[:5]) / 12), 0.8))
        for hz, level in notes:
            note = sum(np.sin(2 * np.pi * hz * part * time_s) / part**1.5 for part in range(1, 7))
            note = note * np.exp(-time_s / 0.18) * level * np.minimum(time_s / 0.004, 1)
            start = round(number * step_s * SESSION_RATE_HZ)
            sound[start : start + len(note)] += note[: len(sound) - start]
    return sound


_MAKERS: dict[str, Callable[[np.random.Generator], _Samples]] = {
    "cough": _cough,
    "keyboard": _keyboard,
    "door": _door,
    "music": _music,
}
NOISES = tuple(_MAKERS)


def noise(kind: str, seed: int) -> FloatArray:
    """One of ``NOISES`` at 48 kHz (N,), its peak at 1, without silence at its end."""
    sound = _MAKERS[kind](np.random.default_rng([seed, NOISES.index(kind)]))
    sound /= np.abs(sound).max()
    last = int(np.flatnonzero(np.abs(sound) > 1e-3)[-1])
    return sound[: last + 1].astype(np.float32)
