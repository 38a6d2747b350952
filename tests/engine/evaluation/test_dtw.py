"""Time warping: a distance that does not mind the pace, checked against the plain dynamic programme."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.evaluation.dtw import warped_distance
from engine.types import FloatArray

FRAMES = st.integers(1, 9).flatmap(
    lambda count: arrays(np.float32, (count, 3), elements=st.floats(-4, 4, width=16))
)


def plain_distance(one: FloatArray, two: FloatArray) -> float:
    """The textbook programme over the full table."""
    cost = np.full((len(one) + 1, len(two) + 1), np.inf)
    cost[0, 0] = 0.0
    for i in range(1, len(one) + 1):
        for j in range(1, len(two) + 1):
            local = float(np.abs(one[i - 1] - two[j - 1]).mean(dtype=np.float64))
            cost[i, j] = min(
                cost[i - 1, j] + local, cost[i, j - 1] + local, cost[i - 1, j - 1] + 2 * local
            )
    return float(cost[-1, -1]) / (len(one) + len(two))


@settings(max_examples=60, deadline=None)
@given(one=FRAMES, two=FRAMES)
def test_equals_the_plain_programme(one: FloatArray, two: FloatArray) -> None:
    assert warped_distance(one, two) == pytest.approx(plain_distance(one, two), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(one=FRAMES, two=FRAMES)
def test_symmetric_and_never_negative(one: FloatArray, two: FloatArray) -> None:
    there, back = warped_distance(one, two), warped_distance(two, one)
    assert there == pytest.approx(back, abs=1e-9)
    assert there >= 0.0


def some_frames(count: int, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.standard_normal((count, 8)), axis=0).astype(np.float32)


def test_itself_is_at_no_distance() -> None:
    frames = some_frames(200)
    assert warped_distance(frames, frames) == 0.0


def test_slower_speech_is_still_the_same() -> None:
    frames = some_frames(120)
    slower = np.repeat(frames, 2, axis=0)
    assert warped_distance(frames, slower) == pytest.approx(0.0, abs=1e-9)


def test_other_words_are_far() -> None:
    frames = some_frames(120)
    near = warped_distance(frames, frames + np.float32(0.1))
    assert near == pytest.approx(0.1, abs=0.02)
    assert warped_distance(frames, some_frames(120, seed=1)) > 10 * near


def test_band_keeps_the_path_near_the_diagonal() -> None:
    frames = np.zeros((100, 1), np.float32)
    frames[10] = 1.0
    shifted = np.roll(frames, 60, axis=0)
    assert warped_distance(frames, shifted, band=80) == 0.0
    assert warped_distance(frames, shifted, band=20) == pytest.approx(2 / 200)


@pytest.mark.parametrize(
    ("one", "two"),
    [((0, 3), (4, 3)), ((4, 3), (0, 3)), ((4, 3), (4, 2))],
)
def test_what_cannot_be_aligned(one: tuple[int, int], two: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot align"):
        warped_distance(np.zeros(one, np.float32), np.zeros(two, np.float32))
