"""How far one sound is from another that says the same at another pace.

Dynamic time warping over log-mel frames (Sakoe and Chiba, 1978, symmetric form): steps right and up
cost one local distance, diagonal steps two, and the sum is divided by both lengths, so the result is
a mean local distance, 0 for equal sounds and independent of length. The path stays in a band around
the diagonal. Anti-diagonals are computed as whole vectors.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.types import FloatArray

HOP_S: Final = 0.01
"""Log-mel frames are 10 ms apart."""

_LEAST_BAND: Final = 50
_BAND_SHARE: Final = 0.3


def log_mel_frames(samples: FloatArray) -> FloatArray:
    """Natural-log mel magnitudes (T, 80) of 24 kHz sound (N,), every ``HOP_S``."""
    import torch

    from engine.training.spectra import log_mel

    wave = torch.from_numpy(np.ascontiguousarray(samples, np.float32))
    return log_mel(wave[None])[0].numpy()


def warped_distance(one: FloatArray, two: FloatArray, band: int | None = None) -> float:
    """Mean absolute difference of the frames (T, D) of two sounds along their best alignment.

    Args:
        one: frames of one sound.
        two: frames of the other, as wide.
        band: how many frames the alignment may stray from the straight line between the ends; by
            default 30 % of the longer sound, and at least half a second.

    Raises:
        ValueError: for a sound without frames, or frames of different width.
    """
    if not len(one) or not len(two) or one.shape[1:] != two.shape[1:]:
        raise ValueError(f"cannot align frames {one.shape} with {two.shape}")
    if len(one) > len(two):
        one, two = two, one
    rows, columns = len(one), len(two)
    width = max(_LEAST_BAND, round(_BAND_SHARE * columns)) if band is None else band
    width = max(width, -(-columns // rows))  # narrower than the slope would have holes
    slope = (columns - 1) / max(rows - 1, 1)
    last = np.full(rows + 1, np.inf)  # costs on the anti-diagonal before, by row, shifted by one
    before_last = np.full(rows + 1, np.inf)
    for diagonal in range(rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        i = i[np.abs(diagonal - i - i * slope) <= width]
        local = np.abs(one[i] - two[diagonal - i]).mean(axis=1, dtype=np.float64)
        current = np.full(rows + 1, np.inf)
        if diagonal == 0:
            current[1] = 2 * local[0]
        else:
            straight = np.minimum(last[i], last[i + 1]) + local
            current[i + 1] = np.minimum(straight, before_last[i] + 2 * local)
        before_last, last = last, current
    return float(last[rows]) / (rows + columns)
