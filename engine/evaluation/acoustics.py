"""Simple facts about a voice in a sound: its pitch, its colour, how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.evaluation.dtw import log_mel_frames
from engine.types import FloatArray

LOWEST_HZ: Final = 60.0
HIGHEST_HZ: Final = 400.0
_WINDOW_S: Final = 0.04
_HOP_S: Final = 0.01
_VOICED: Final = 0.5
"""Least normalised autocorrelation of a voiced frame."""
_QUIET: Final = 0.1
"""Frames below this share of the loudest one's level are not looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """A voice as heard in one sound: median pitch (0 when never voiced) and mean spectrum (80,)."""

    pitch_hz: float
    colour: FloatArray


def duration_ratio(made: FloatArray, reference: FloatArray) -> float:
    """Length of ``made`` over that of ``reference`` (1 is right; 0 without a reference)."""
    return len(made) / len(reference) if len(reference) else 0.0


def median_pitch_hz(samples: FloatArray, rate_hz: int = 24_000) -> float:
    """Median fundamental frequency of the voiced frames, 0 when there are none.

    The strongest peak of each frame's autocorrelation, normalised by the energy of both parts; of
    peaks nearly as strong the shortest lag wins, so that octaves below are not taken.
    """
    window, hop = round(_WINDOW_S * rate_hz), round(_HOP_S * rate_hz)
    if len(samples) < window:
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop].astype(np.float64)
    frames = frames - frames.mean(axis=1, keepdims=True)
    levels = np.sqrt(np.square(frames).mean(axis=1))
    frames = frames[levels > max(_QUIET * float(levels.max()), 1e-5)]
    if not len(frames):
        return 0.0
    spectrum = np.fft.rfft(frames, 2 * window, axis=1)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :window]
    energy = np.cumsum(np.square(frames), axis=1)
    lags = np.arange(round(rate_hz / HIGHEST_HZ), round(rate_hz / LOWEST_HZ) + 1)
    early = energy[:, window - 1 - lags]
    late = energy[:, -1:] - energy[:, lags - 1]
    similar = correlation[:, lags] / np.sqrt(early * late + 1e-12)
    best = similar.max(axis=1)
    peak = (similar[:, 1:-1] >= similar[:, :-2]) & (similar[:, 1:-1] >= similar[:, 2:])
    good = peak & (similar[:, 1:-1] >= 0.9 * best[:, None])
    voiced = (best >= _VOICED) & good.any(axis=1)
    if not voiced.any():
        return 0.0
    lag = lags[1:-1][good[voiced].argmax(axis=1)]
    return float(np.median(rate_hz / lag))


def profile(samples: FloatArray) -> Profile:
    """The voice in 24 kHz sound; its colour is the mean log-mel of the louder half, level removed."""
    frames = log_mel_frames(samples)
    level = frames.mean(axis=1)
    mean = frames[level >= np.median(level)].mean(axis=0)
    return Profile(median_pitch_hz(samples), np.asarray(mean - mean.mean(), np.float32))


def colour_distance(one: Profile, two: Profile) -> float:
    """Mean absolute difference of two voices' colours, in natural-log units."""
    return float(np.abs(one.colour - two.colour).mean())


def semitones(one_hz: float, two_hz: float) -> float:
    """How far apart two pitches are, signed; NaN when one is unknown."""
    if one_hz <= 0 or two_hz <= 0:
        return float("nan")
    return float(12 * np.log2(one_hz / two_hz))
