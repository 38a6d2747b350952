"""Sound against a key's mark, at every shift of it.

The sound is turned into what a key's mark would have to look like in it: every bin of its
short-time spectrum is weighted by the level that the mark would have there over the power that is
in its way. Added up at the mark's period, that is compared with the mark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.types import FloatArray
from engine.watermark.code import PERIOD, STEP, Payload, mark_of, sequences
from engine.watermark.masking import RATE_HZ, masking

FINE: Final = 2
"""Shifts per sample that are compared."""
TESTS: Final = 2 * FINE * PERIOD
"""Comparisons of one sound at one speed: every shift, upright and inverted."""
_SPECTRUM: Final = 1024
_BAND_HZ: Final = (100.0, 11_500.0)
_CAUTION: Final = 10.0
"""Times the mark's own power that are taken to be in its way: tames bins that are near zero."""

Spectrum = npt.NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class Match:
    """The likeliest shift of a mark in a sound."""

    score: float
    """How many times the norm their product is; about 4.5 by chance alone."""
    shift: int
    """Of the sound against the mark, in ``FINE`` parts of a sample."""
    inverted: bool


def spectrum_of(key: bytes) -> Spectrum:
    """The mark as ``compare`` wants it (PERIOD // 2 + 1,). Raises ``WatermarkKeyError``."""
    return _conjugate(mark_of(key))


def folded(sound: FloatArray) -> FloatArray:
    """A weighted sound (N,) added up at the mark's period (PERIOD,)."""
    padded = np.pad(sound, (0, -len(sound) % PERIOD))
    total: FloatArray = padded.reshape(-1, PERIOD).sum(axis=0)
    return total


def compare(period: FloatArray, mark: Spectrum) -> Match:
    """The best shift of a folded sound (PERIOD,); the mark comes from ``spectrum_of``."""
    norm = float(np.linalg.norm(period))
    if norm == 0.0:
        return Match(0.0, 0, False)
    products = _products(period, mark)
    shift = int(np.argmax(np.abs(products)))
    return Match(abs(float(products[shift])) / norm, shift, bool(products[shift] < 0))


def read(period: FloatArray, key: bytes, match: Match) -> Payload | None:
    """What the mark says at its shift; None when its check says that it was misread."""
    sign = -1.0 if match.inverted else 1.0
    data = bytearray()
    for carrier in sequences(key)[1:]:
        products = _products(period, _conjugate(carrier))
        places = (match.shift + FINE * STEP * np.arange(256)) % len(products)
        data.append(int(np.argmax(sign * products[places])))
    return Payload.from_bytes(bytes(data))


def _products(period: FloatArray, mark: Spectrum) -> FloatArray:
    """Of every shift (FINE PERIOD,), the product with the mark, by band-limited interpolation."""
    products = np.fft.irfft(np.fft.rfft(period) * mark, FINE * PERIOD)
    return np.asarray(products * FINE, np.float32)


def _conjugate(sequence: FloatArray) -> Spectrum:
    return np.conj(np.fft.rfft(sequence)).astype(np.complex64)


def weighted(samples: FloatArray) -> FloatArray:
    """A sound (N,) at 24 kHz as a mark in it would show best; the same for every key."""
    hop = _SPECTRUM // 2
    window = np.sin(np.pi * (np.arange(_SPECTRUM) + 0.5) / _SPECTRUM).astype(np.float32)
    padded = np.pad(samples, (_SPECTRUM, _SPECTRUM + -len(samples) % hop)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(padded, _SPECTRUM)[::hop]
    spectra = np.fft.rfft(windows * window, axis=1)
    power = spectra.real**2 + spectra.imag**2
    loud = power[power.max(axis=1) > 1e-8]
    if not len(loud):
        return np.zeros(len(samples), np.float32)
    # In steady noise a tenth of all powers is below 0.105 times their mean.
    steady = np.quantile(loud, 0.1, axis=0).astype(np.float32) / np.float32(0.105)
    level = masking(_SPECTRUM).level(np.maximum(power - steady, 0))
    weight = level / (power + _CAUTION * level**2 + 1e-9 * power.max() + 1e-12)
    hz = np.fft.rfftfreq(_SPECTRUM, 1 / RATE_HZ)
    weight[:, (hz < _BAND_HZ[0]) | (hz > _BAND_HZ[1])] = 0
    pieces = np.fft.irfft(spectra * weight, axis=1) * window
    result = np.zeros(len(padded) + hop, np.float32)
    for first in (0, 1):
        row = pieces[first::2].reshape(-1)
        result[first * hop : first * hop + len(row)] += row
    return result[_SPECTRUM : _SPECTRUM + len(samples)]
