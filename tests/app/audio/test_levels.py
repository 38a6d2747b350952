"""Meters read what they should and move as an eye expects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.levels import FLOOR_DB, amplitude, level_db, meter_db


def test_known_levels() -> None:
    assert level_db(np.zeros(480, np.float32)) == FLOOR_DB
    assert level_db(np.zeros(0, np.float32)) == FLOOR_DB
    assert level_db(np.ones(480, np.float32)) == pytest.approx(0.0)
    assert level_db(np.full(480, 0.1, np.float32)) == pytest.approx(-20.0, abs=1e-4)
    assert level_db(np.full(480, 5.0, np.float32)) == 0.0
    assert level_db(np.full(480, np.nan, np.float32)) == FLOOR_DB
    assert amplitude(-20.0) == pytest.approx(0.1)


@given(st.floats(-90, 0), st.floats(-90, 0), st.floats(0, 10))
def test_a_meter_stays_between_what_it_showed_and_what_is(
    shown: float, now: float, elapsed: float
) -> None:
    later = meter_db(shown, now, elapsed)
    assert min(shown, now) - 1e-9 <= later <= max(shown, now) + 1e-9


def test_a_meter_rises_at_once_and_falls_slowly() -> None:
    assert meter_db(-60.0, -10.0, 0.05) > -11.0
    assert meter_db(-10.0, -60.0, 0.5) == pytest.approx(-22.0)
    assert meter_db(-10.0, -60.0, 60.0) == -60.0
