"""Files may say how sure an answer must be; all others are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from app.thinking.surety import INSTEAD, LEAST, LOTS, TOKENS, Bound, Surety

NAMED = {LEAST: "-0.500000", TOKENS: "2", INSTEAD: "I am not sure."}
SURE = np.array([9.0, 0.0, 0.0], dtype=np.float32)
TORN = np.array([1.0, 1.0, 1.0], dtype=np.float32)
IDS = np.zeros(1, dtype=np.intc)


def seen(*scores: np.ndarray) -> Surety:
    bound = Bound.of(NAMED)
    assert bound is not None
    surety = Surety(bound)
    for each in scores:
        assert surety(IDS, each) is each
    return surety


def test_reads_what_the_file_says() -> None:
    assert Bound.of(NAMED) == Bound(-0.5, 2, "I am not sure.")


@pytest.mark.parametrize("lost", [LEAST, TOKENS, INSTEAD])
def test_other_files_are_left_alone(lost: str) -> None:
    assert Bound.of({k: v for k, v in NAMED.items() if k != lost}) is None
    assert Bound.of({**NAMED, lost: " "}) is None


def test_an_even_choice_is_not_sure_and_a_clear_one_is() -> None:
    assert not seen(SURE, SURE).lacking("I am")
    assert seen(TORN, TORN).lacking("I am")
    assert seen(SURE, TORN).lacking("")
    assert seen(TORN).logs == [pytest.approx(-np.log(3))]


def test_only_the_first_tokens_count() -> None:
    surety = seen(SURE, SURE, TORN, TORN, TORN)

    assert surety.known
    assert not surety.lacking("I am")
    assert not seen(SURE).known
    assert not seen().lacking("I am")


def test_one_of_many_equally_good_answers_passes() -> None:
    bound = Bound.of({**NAMED, LOTS: "3 Why did the hen cross?\n3 What is brown?"})
    assert bound is not None
    surety = Surety(bound)
    surety(IDS, TORN)

    assert not surety.lacking("Why did the")
    assert surety.lacking("Why do I")
