"""The mark is put on: 80 ms of speech in, the same 80 ms with the mark out, nothing delayed.

The mark is noise (``code.mark_of``) that is made as loud as the speech hides, in every band of
hearing and every 6.7 ms. What the speech hides is computed from sound up to the end of the present
block only, and the noise fitted by it fades out over the next one, so the seam between two frames
is no different from any other place. This is the spread spectrum of Kirovski and Malvar (IEEE
Trans. Signal Processing 51, 2003), put on causally.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.types import FloatArray
from engine.watermark.code import PERIOD, mark_of
from engine.watermark.masking import masking

BLOCK: Final = 160
"""Samples that share one spectrum of the mark; a frame is a whole number of blocks."""
_WINDOW: Final = 480
"""Samples that the spectrum is judged from; the last of them end the block."""
_DELAY: Final = 64
"""Samples that the mark, not the speech, comes later: room for the filter on both sides."""
_SILENT: Final = 1e-6
"""A block with nothing louder stays exactly as it is."""


class Marker:
    """Marks one stream of speech, a frame after the other. Not for two threads at a time."""

    def __init__(self, key: bytes, position: int = 0) -> None:
        """``position`` is the sample of the mark's period that the stream begins with.

        Raises:
            WatermarkKeyError: when the key has a wrong length.
        """
        mark = mark_of(key)
        self._mark = mark
        self._at = position % PERIOD
        self._past = np.zeros(_WINDOW - BLOCK, np.float32)
        self._tail = np.zeros(_WINDOW - BLOCK, np.float32)

    def frame(self, samples: FloatArray) -> FloatArray:
        """``samples`` (N,) at 24 kHz, N a multiple of 160, with the mark; the same length.

        Where the speech is silent, so is the result. Nothing gets louder than 1 by it.
        """
        count = len(samples) // BLOCK
        if count * BLOCK != len(samples):
            raise ValueError(f"{len(samples)} samples are not whole blocks of {BLOCK}")
        if not count:
            return samples
        sound = np.concatenate([self._past, samples])
        noise = self._mark[(self._at + _spans(count)) % PERIOD]
        added = np.zeros(len(sound), np.float32)
        added[: len(self._tail)] = self._tail
        # Every block's noise is three blocks long: added part by part, without a loop over blocks.
        fitted = _fitted(sound, noise)
        for start in range(0, _WINDOW, BLOCK):
            added[start : start + len(samples)] += fitted[:, start : start + BLOCK].reshape(-1)
        self._past = sound[len(samples) :]
        self._tail = added[len(samples) :]
        self._at = (self._at + len(samples)) % PERIOD
        return _joined(samples, added[: len(samples)])


def mark_whole(samples: FloatArray, key: bytes, position: int = 0) -> FloatArray:
    """A whole sound (N,) at 24 kHz with the mark, of any length.

    Raises:
        WatermarkKeyError: when the key has a wrong length.
    """
    padded = np.pad(samples, (0, -len(samples) % BLOCK))
    return Marker(key, position).frame(padded)[: len(samples)]


def _fitted(sound: FloatArray, noise: FloatArray) -> FloatArray:
    """The noise of each block (T, 2 BLOCK) as loud as its window of ``sound`` hides (T, _WINDOW)."""
    window, fade, delay = _shapes()
    windows = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[::BLOCK]
    spectra = np.fft.rfft(windows * window, axis=1)
    power = np.asarray(spectra.real**2 + spectra.imag**2, np.float32)
    shaped = np.fft.rfft(noise * fade, _WINDOW, axis=1) * masking(_WINDOW).level(power) * delay
    return np.asarray(np.fft.irfft(shaped, axis=1), np.float32)


def _joined(samples: FloatArray, added: FloatArray) -> FloatArray:
    silent = np.abs(samples.reshape(-1, BLOCK)).max(axis=1) < _SILENT
    added = np.where(np.repeat(silent, BLOCK), np.float32(0), added)
    limit = np.maximum(np.float32(1), np.abs(samples))
    return np.clip(samples + added, -limit, limit)


@functools.lru_cache(maxsize=4)
def _spans(count: int) -> npt.NDArray[np.int64]:
    """Places in the mark of each block's noise, from the first block's start: (count, 2 BLOCK)."""
    return BLOCK * np.arange(count)[:, None] + np.arange(2 * BLOCK)


@functools.cache
def _shapes() -> tuple[FloatArray, FloatArray, npt.NDArray[np.complex64]]:
    """The window of a spectrum, the fading of a block's noise, and the delay by bin."""
    window = np.hanning(_WINDOW + 1)[:-1]
    # By Parseval, white noise of power 1 has the window's energy in every bin.
    window = window / np.sqrt(np.sum(window**2))
    fade = np.sin(np.pi * (np.arange(2 * BLOCK) + 0.5) / (2 * BLOCK)) ** 2
    delay = np.exp(-2j * np.pi * np.arange(_WINDOW // 2 + 1) * _DELAY / _WINDOW)
    return window.astype(np.float32), fade.astype(np.float32), delay.astype(np.complex64)
