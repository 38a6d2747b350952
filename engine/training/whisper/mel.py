"""Log-mel features, equal to faster-whisper's for whisper-nano's hop and window.

The corpus keeps the raw log10 power (before the clamp to the loudest value), because gain, noise
and room are cheap to add there; `normalise` is the last step, exactly as the recogniser does it.
Numpy only.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.training.whisper.config import (
    FFT_SAMPLES,
    HOP_SAMPLES,
    MEL_BANDS,
    SAMPLE_RATE_HZ,
)

FLOOR = -10.0  # log10 of the smallest power that faster-whisper keeps
TAIL_SAMPLES = 160  # zeros that faster-whisper appends before its transform

Floats = NDArray[np.float32]


def log_mel(samples: Floats) -> Floats:
    """Raw log10 mel power (T, MEL_BANDS) of 16 kHz samples; T = ceil-like (n + 160) //
    HOP_SAMPLES.
    """
    half = FFT_SAMPLES // 2
    padded = np.pad(samples.astype(np.float32), (0, TAIL_SAMPLES))
    if len(padded) <= half:
        padded = np.pad(padded, (0, half + 1 - len(padded)))
    padded = np.pad(padded, (half, half), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES][:-1]
    spectrum = np.fft.rfft(frames * _window(), axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    return np.log10(np.maximum(power @ mel_filters().T, 10.0**FLOOR), dtype=np.float32)


def normalise(raw: Floats) -> Floats:
    """Whisper's scaling of raw log10 power: clamp to 8 below the loudest value, then (x + 4) /
    4.
    """
    return np.asarray((np.maximum(raw, raw.max() - 8.0) + 4.0) / 4.0, np.float32)


@lru_cache(maxsize=1)
def _window() -> Floats:
    return np.hanning(FFT_SAMPLES + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=1)
def mel_filters() -> Floats:
    """Triangular filters (MEL_BANDS, FFT bins) on Slaney's mel scale, each of unit area.

    Linear below 1 kHz (3 mel per 200 Hz), logarithmic above (27 mel per factor 6.4), 0 to 8 kHz.
    """
    edges_hz = _mel_to_hz(np.linspace(0.0, _hz_to_mel(SAMPLE_RATE_HZ / 2), MEL_BANDS + 2))
    bins_hz = np.fft.rfftfreq(FFT_SAMPLES, 1.0 / SAMPLE_RATE_HZ)
    low, centre, high = (edges_hz[i : MEL_BANDS + i, None] for i in range(3))
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    triangles = np.clip(np.minimum(rising, falling), 0.0, None)
    return (triangles * 2.0 / (high - low)).astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    return (
        hz * 3.0 / 200.0 if hz < 1000.0 else 15.0 + 27.0 * float(np.log(hz / 1000.0) / np.log(6.4))
    )


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * 6.4 ** ((mel - 15.0) / 27.0))
