"""How loud it is, as a meter shows it. Pure functions."""

from __future__ import annotations

import math

import numpy as np

from app.core.types import FloatArray

FLOOR_DB = -90.0
_ATTACK_S = 0.010
_RELEASE_DB_PER_S = 24.0


def level_db(samples: FloatArray) -> float:
    """Root mean square in dBFS (a full square wave is 0), between ``FLOOR_DB`` and 0."""
    if not len(samples):
        return FLOOR_DB
    square = float(np.dot(samples, samples)) / len(samples)
    if not square > 10.0 ** (FLOOR_DB / 10.0):  # also for what is not a number
        return FLOOR_DB
    return min(10.0 * math.log10(square), 0.0)


def meter_db(shown_db: float, now_db: float, elapsed_s: float) -> float:
    """What a meter that showed ``shown_db`` shows ``elapsed_s`` later when it is ``now_db`` loud.

    It rises almost at once, so that a word is seen while it is said, and falls at a steady pace
    that the eye can follow.
    """
    if now_db >= shown_db:
        rest = math.exp(-elapsed_s / _ATTACK_S)
        return now_db + (shown_db - now_db) * rest
    return max(now_db, shown_db - _RELEASE_DB_PER_S * elapsed_s, FLOOR_DB)


def amplitude(db: float) -> float:
    """The factor of a change in level."""
    return 10.0 ** (db / 20.0)
