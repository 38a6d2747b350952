"""A mark in a sound that runs faster or slower than it was marked, as from another sound card.

Pieces of one period are compared at every speed, coarsely, because a short piece bears a wrong
speed; around the best, and near the sound's own, the whole sound is then compared finely. Only that
choice depends on the key, and every speed that could have been chosen is counted as a comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import soxr

from engine.types import FloatArray
from engine.watermark.code import PERIOD
from engine.watermark.correlate import Spectrum, compare, folded

WIDEST: Final = 0.012
"""How far from its own speed a sound may run, as a share."""
_COARSE: Final = 1e-4
_FINE: Final = 2e-5
_CLOCKS: Final = 3e-4
"""As far as the clocks of two sound cards are apart, every speed is compared finely."""
_PIECES: Final = 4
_CANDIDATES: Final = 3
_FINE_STEPS: Final = round(2 * WIDEST / _FINE) + 1
SPEEDS: Final = 2 * _FINE_STEPS
"""Speeds that are counted as looked at: all fine ones, and ``_PIECES`` times all coarse ones."""


def likely_speeds(sound: FloatArray, mark: Spectrum) -> Iterator[float]:
    """Speeds worth a comparison of the whole weighted sound (N,)."""
    pieces = [doubled(piece) for piece in _loudest_pieces(sound)]
    steps = round(WIDEST / _COARSE)
    tried: list[tuple[float, float]] = []
    for speed in 1 + _COARSE * np.arange(-steps, steps + 1):
        scores = [compare(folded(at_speed(piece, speed)), mark).score for piece in pieces]
        tried.append((max(scores, default=0.0), float(speed)))
    near = np.arange(-_CLOCKS, _CLOCKS + _FINE / 2, _FINE)
    yield from (1 + near).tolist()
    around = np.arange(-_COARSE, _COARSE + _FINE / 2, _FINE)
    for _, speed in sorted(tried, reverse=True)[:_CANDIDATES]:
        yield from (speed + around).tolist()


def doubled(sound: FloatArray) -> FloatArray:
    """A weighted sound (N,) at twice the rate (2N,), for ``at_speed``."""
    return np.asarray(soxr.resample(sound, 1, 2, quality="LQ"), np.float32)


def at_speed(double: FloatArray, speed: float) -> FloatArray:
    """A doubled sound as it would be, at its own rate again, had it not run ``speed`` times as fast.

    By linear interpolation, which costs the highest bands some strength and nothing else.
    """
    places = np.arange(int(len(double) / 2 * speed)) * (2 / speed)
    before = places.astype(np.int64)
    share = (places - before).astype(np.float32)
    after = np.minimum(before + 1, len(double) - 1)
    between = double[before] * (1 - share) + double[after] * share
    return np.asarray(between, np.float32)


def _loudest_pieces(sound: FloatArray) -> list[FloatArray]:
    """The pieces of one period with the most in them; shorter ones are filled with silence."""
    padded = np.pad(sound, (0, -len(sound) % PERIOD))
    pieces = padded.reshape(-1, PERIOD)
    order = np.argsort(-np.sum(np.square(pieces), axis=1))
    return [pieces[index] for index in order[:_PIECES]]
