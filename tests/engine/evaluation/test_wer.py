"""Word errors: normalisation, known cases, and what any edit distance must obey."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.wer import error_rate, normalise_words, word_errors

WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat"]), max_size=7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What's the time, please?", ["what's", "the", "time", "please"]),
        ("It’s twenty-one degrees.", ["it's", "twenty", "one", "degrees"]),
        ("'Quoted' words — and dashes", ["quoted", "words", "and", "dashes"]),
        ("  ...  ", []),
        ("snake_case", ["snake", "case"]),
    ],
)
def test_normalisation(text: str, words: list[str]) -> None:
    assert normalise_words(text) == words


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        ("Turn on the light.", "turn on the light", 0),
        ("turn on the light", "turn off the light", 1),
        ("turn on the light", "turn the light", 1),
        ("turn on the light", "please turn on the light", 1),
        ("turn on the light", "", 4),
        ("one two three", "two three one", 2),
    ],
)
def test_known_cases(reference: str, hypothesis: str, errors: int) -> None:
    assert word_errors(reference, hypothesis) == (errors, len(reference.split()))


@given(WORDS, WORDS)
def test_symmetric_and_bounded(first: list[str], second: list[str]) -> None:
    errors, words = word_errors(" ".join(first), " ".join(second))
    assert words == len(first)
    assert errors == word_errors(" ".join(second), " ".join(first))[0]
    assert abs(len(first) - len(second)) <= errors <= max(len(first), len(second))
    assert (errors == 0) == (first == second)


@given(WORDS, WORDS, WORDS)
def test_triangle(first: list[str], second: list[str], third: list[str]) -> None:
    a, b, c = (" ".join(words) for words in (first, second, third))
    assert word_errors(a, c)[0] <= word_errors(a, b)[0] + word_errors(b, c)[0]


def test_rate_weighs_words_not_sentences() -> None:
    assert error_rate([("a", "b"), ("c d e", "c d e")]) == pytest.approx(0.25)
    assert error_rate([]) == 0.0
