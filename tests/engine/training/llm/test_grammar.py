"""The grammar of wordings."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.training.llm.grammar import GrammarError, count, expand, fill, parse, sample, slots


def test_expands_choices_options_and_nesting() -> None:
    pattern = parse("(hi|hello [there|you]) {name}")

    assert sorted(expand(pattern)) == [
        "hello there {name}",
        "hello you {name}",
        "hello {name}",
        "hi {name}",
    ]
    assert count(pattern) == 4


@pytest.mark.parametrize("pattern", ["(a|b", "a)b", "[a|b", "a|b", "(a]"])
def test_refuses_unbalanced_brackets(pattern: str) -> None:
    with pytest.raises(GrammarError):
        parse(pattern)


_WORDS = st.sampled_from(["a", "b c", "d"])
_PATTERNS = st.recursive(
    _WORDS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda o: "(" + "|".join(o) + ")"),
        st.lists(inner, min_size=1, max_size=2).map(lambda o: "[" + "|".join(o) + "]"),
        st.lists(inner, min_size=1, max_size=3).map(" ".join),
    ),
    max_leaves=8,
)


@given(_PATTERNS, st.integers(0, 1000))
def test_samples_are_among_the_expansions(pattern: str, seed: int) -> None:
    parsed = parse(pattern)
    expansions = list(expand(parsed))

    assert len(expansions) == count(parsed)
    assert sample(parsed, random.Random(seed)) in expansions


def test_fills_slots_and_misses_none() -> None:
    assert slots("my {petkind} is {petname}") == {"petkind", "petname"}
    assert fill("I am {name}", {"name": "Tom"}) == "I am Tom"
    with pytest.raises(KeyError):
        fill("I am {name}", {})
