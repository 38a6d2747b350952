"""Light damage to log-mel features: gain, tilt, room, noise, warped formants, smeared detail,
small holes.

All of it works on raw log10 power (T, MEL_BANDS) and returns the same shape. Kept light on
purpose: heavy damage from the start cost training time in a trial. Numpy only; every draw comes
from the given generator.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from engine.training.whisper.config import FRAMES_PER_S, MEL_BANDS
from engine.training.whisper.mel import FLOOR, mel_filters

Floats = NDArray[np.float32]
_NOISE_FRAMES = 4096
_WARPS = np.linspace(0.93, 1.07, 15)


def augment(raw: Floats, rng: np.random.Generator) -> Floats:
    """One random, light mixture of everything below."""
    out = raw
    if rng.random() < 0.35:
        out = out @ _warp_matrix(int(rng.integers(len(_WARPS))))
    if rng.random() < 0.25:
        out = add_room(out, rt60_s=rng.uniform(0.1, 0.45), wet_db=rng.uniform(-14.0, -3.0))
    if rng.random() < 0.25:
        out = smear(out, rng)
    if rng.random() < 0.5:
        out = out + _tilt(rng)
    out = out + np.float32(rng.uniform(-2.5, 0.5))  # gain: −25 to +5 dB
    if rng.random() < 0.06:
        out = out.copy()
        out[:, int(rng.integers(52, MEL_BANDS)) :] = FLOOR  # a low-pass somewhere on the way
    if rng.random() < 0.6:
        snr_db = rng.uniform(18.0, 55.0)
        level = float(np.quantile(out.max(axis=1), 0.9)) - snr_db / 10.0
        out = np.logaddexp2(out * _LOG2_10, (noise(len(out), rng) + level) * _LOG2_10) / _LOG2_10
    if rng.random() < 0.3:
        out = _holes(out, rng)
    return np.maximum(out, FLOOR).astype(np.float32)


_LOG2_10 = np.float32(np.log2(10.0))


def noise(frames: int, rng: np.random.Generator) -> Floats:
    """Steady noise (frames, MEL_BANDS) with its loudest band near 0: white, pink or darker, as
    log10 power.
    """
    table = _noise_table()
    start = int(rng.integers(0, _NOISE_FRAMES))
    rows = np.arange(start, start + frames) % _NOISE_FRAMES
    hz_tilt = rng.choice([0.0, 1.0, 1.6])  # power falls with frequency to this power
    shape = -hz_tilt * np.log10(np.maximum(np.arange(MEL_BANDS), 4.0) / 4.0)
    return np.asarray(table[rows] + shape, np.float32)


def silence(frames: int, rng: np.random.Generator) -> Floats:
    """Nothing said: digital silence or noise of any loudness (frames, MEL_BANDS)."""
    if rng.random() < 0.25:
        return np.full((frames, MEL_BANDS), FLOOR, np.float32)
    level = rng.uniform(-8.0, 0.0)
    return np.maximum(noise(frames, rng) + np.float32(level), FLOOR)


def add_room(raw: Floats, rt60_s: float, wet_db: float) -> Floats:
    """An exponentially decaying tail in each band; `wet_db` is its power against the direct
    sound's.
    """
    decay = 10.0 ** (-6.0 / (rt60_s * FRAMES_PER_S))
    power = 10.0 ** raw.astype(np.float64)
    tail = np.asarray(lfilter([0.0, 1.0 - decay], [1.0, -decay], power, axis=0))
    return np.log10(power + 10.0 ** (wet_db / 10.0) * tail).astype(np.float32)


def smear(raw: Floats, rng: np.random.Generator) -> Floats:
    """Blur over neighbouring frames or bands and add grain: what a small codec does to speech."""
    weight = np.float32(rng.uniform(0.0, 0.3))
    axis = int(rng.integers(2))
    blurred = (1.0 - 2.0 * weight) * raw
    blurred += weight * (np.roll(raw, 1, axis) + np.roll(raw, -1, axis))
    grain = rng.standard_normal(raw.shape, dtype=np.float32) * np.float32(rng.uniform(0.0, 0.2))
    return np.asarray(blurred + grain, np.float32)


def _holes(raw: Floats, rng: np.random.Generator) -> Floats:
    out = raw.copy()
    fill = float(raw.mean())
    width = int(rng.integers(1, 9))
    band = int(rng.integers(0, MEL_BANDS - width))
    out[:, band : band + width] = fill
    if len(out) > 30:
        frame = int(rng.integers(0, len(out) - 5))
        out[frame : frame + int(rng.integers(1, 5))] = fill
    return out


def _tilt(rng: np.random.Generator) -> Floats:
    """A smooth colouring of the spectrum: a slope of up to ±6 dB and a gentle wave."""
    x = np.linspace(-1.0, 1.0, MEL_BANDS)
    wave = rng.uniform(0.0, 0.3) * np.cos(np.pi * rng.uniform(0.5, 3.0) * x + rng.uniform(0.0, 6.3))
    return (rng.uniform(-0.6, 0.6) * x + wave).astype(np.float32)


@lru_cache(maxsize=1)
def _noise_table() -> Floats:
    """White noise as the recogniser would see it: each band a Gamma draw of as many bins as it
    spans.
    """
    rng = np.random.default_rng(0)
    filters = mel_filters()
    bins = np.maximum(filters.sum(axis=1) ** 2 / (filters**2).sum(axis=1), 1.0)
    draws = rng.gamma(bins, 1.0 / bins, size=(_NOISE_FRAMES, MEL_BANDS))
    return np.log10(np.maximum(draws, 1e-6)).astype(np.float32)


@lru_cache(maxsize=len(_WARPS))
def _warp_matrix(index: int) -> Floats:
    """Linear interpolation that stretches the bands by _WARPS[index] (MEL_BANDS, MEL_BANDS)."""
    source = np.clip(np.arange(MEL_BANDS) * _WARPS[index], 0, MEL_BANDS - 1.001)
    low = source.astype(int)
    matrix = np.zeros((MEL_BANDS, MEL_BANDS), np.float32)
    matrix[low, np.arange(MEL_BANDS)] = 1.0 - (source - low)
    matrix[low + 1, np.arange(MEL_BANDS)] = source - low
    return matrix
