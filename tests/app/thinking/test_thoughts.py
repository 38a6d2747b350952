"""Thoughts are left out however the text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.thinking.thoughts import without_thoughts

PARTS = st.sampled_from(["<think>", "</think>", "<", "think", ">", "</", "a", " b ", "<thin", "k>"])


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello.", "Hello."),
        ("<think>hm, well</think>\n\nHello.", "\n\nHello."),
        ("<think></think>Hello.", "Hello."),
        ("One <think>two</think> three.", "One  three."),
        ("2 < 3 and a <thing>", "2 < 3 and a <thing>"),
        ("<think>never ends", ""),
        ("ends with <", "ends with <"),
        ("", ""),
    ],
)
def test_only_the_answer_is_left(text: str, spoken: str) -> None:
    assert "".join(without_thoughts([text])) == spoken
    assert "".join(without_thoughts(text)) == spoken


@given(st.lists(PARTS, max_size=20), st.integers(1, 7))
def test_cuts_do_not_matter(parts: list[str], size: int) -> None:
    text = "".join(parts)
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert "".join(without_thoughts(pieces)) == "".join(without_thoughts(text))


def test_what_is_certain_comes_at_once() -> None:
    pieces = without_thoughts(iter(["Hel", "lo <", "b"]))
    assert [next(pieces), next(pieces)] == ["Hel", "lo "]
