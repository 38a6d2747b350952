"""How a meter moves: up at once, down slowly. No Qt."""

from __future__ import annotations

FLOOR_DB = -60.0
"""What a meter shows as empty."""
FALL_DB_PER_S = 45.0


def eased_db(shown_db: float, now_db: float, passed_s: float) -> float:
    """What the meter shows ``passed_s`` after ``shown_db`` when the level is now ``now_db``."""
    return max(FLOOR_DB, now_db, shown_db - FALL_DB_PER_S * max(0.0, passed_s))


def share(db: float) -> float:
    """How full the meter is, 0 to 1."""
    return min(1.0, max(0.0, 1.0 - db / FLOOR_DB))
