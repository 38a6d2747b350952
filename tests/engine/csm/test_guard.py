"""The late-end guard ends silence and stuck frames, but never before the words can be over."""

from __future__ import annotations

import numpy as np

from engine.csm.guard import QUIET_FRAMES, SAME_FRAMES, LateEndGuard
from engine.csm.prompt import FrameBudget

BUDGET = FrameBudget(least=2, expected=20, most=60)
LOUD = np.full(1920, 0.3, np.float32)
QUIET = np.full(1920, 0.0005, np.float32)


def _stop(frames: list[tuple[int, np.ndarray]]) -> int | None:
    guard = LateEndGuard(BUDGET)
    for index, (code, samples) in enumerate(frames):
        if guard.stuck(np.array([code, 1]), samples):
            return index
    return None


def test_changing_loud_speech_is_left_alone() -> None:
    assert _stop([(code, LOUD) for code in range(60)]) is None


def test_silence_after_the_expected_end_stops_the_line() -> None:
    frames = [(c, LOUD) for c in range(20)] + [(c, QUIET) for c in range(100, 140)]
    assert _stop(frames) == 20 + QUIET_FRAMES - 1


def test_a_pause_inside_the_line_does_not() -> None:
    frames = [(c, LOUD) for c in range(5)] + [(c, QUIET) for c in range(100, 112)]
    frames += [(c, LOUD) for c in range(200, 240)]
    assert _stop(frames) is None


def test_a_repeated_frame_stops_the_line_once_it_is_due() -> None:
    frames = [(c, LOUD) for c in range(20)] + [(7, LOUD)] * 30
    assert _stop(frames) == 20 + SAME_FRAMES - 1


def test_repetition_before_the_expected_end_waits_for_it() -> None:
    assert _stop([(7, LOUD)] * 40) == BUDGET.expected
