"""Sums of word errors."""

from __future__ import annotations

import pytest

from engine.evaluation.scores import Heard, error_rate_of, share, worst

ITEMS = [
    Heard("one two three four", "one two three four", "a"),
    Heard("five six", "five sick", "b"),
    Heard("seven eight nine", "", "b"),
]


def test_errors_are_summed_before_dividing() -> None:
    total = error_rate_of(ITEMS)
    assert (total.errors, total.words, total.utterances) == (4, 9, 3)
    assert total.rate == pytest.approx(4 / 9)
    assert 0.1 < total.standard_error < 0.5


def test_no_errors_no_spread() -> None:
    total = error_rate_of(ITEMS[:1] * 5)
    assert (total.rate, total.standard_error) == (0.0, 0.0)


def test_empty_test() -> None:
    assert error_rate_of([]).rate == 0.0
    assert share([]) == 0.0


def test_share() -> None:
    assert share([True, False, True, True]) == 0.75


def test_worst_first_and_only_wrong_ones() -> None:
    assert worst(ITEMS) == [ITEMS[2], ITEMS[1]]
    assert worst(ITEMS, 1) == [ITEMS[2]]
