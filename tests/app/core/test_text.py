"""The chunker: nothing lost, nothing split that belongs together, early first piece."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.text import WHOLE_SENTENCES, ChunkRules, SentenceChunker, chunks

WORDS = st.sampled_from(
    [
        "Hello", "there,", "yes.", "No.", "Dr.", "Smith", "3.5", "e.g.", "i.e.", "wait...", "...",
        "https://example.org/a.b?c=d,e", "U.S.", "1.", "5", "p.m.", "“Really?”", "she", "I.", "so;",
        "one:", "—", "10,", "20.", "中文。好吗？", "!", "?!", "\n", "a\n\nb", "(yes.)", "x" * 60, "😀",
    ]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=400),
    st.lists(WORDS, max_size=80).map(" ".join),
    st.lists(WORDS, max_size=80).map("".join),
)


def fed(text: str, cuts: list[int], rules: ChunkRules | None = None) -> list[str]:
    """The pieces when the text arrives cut at ``cuts``."""
    chunker = SentenceChunker(rules)
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    done: list[str] = []
    for start, end in itertools.pairwise(places):
        done += chunker.feed(text[start:end])
    return done + chunker.finish()


@given(TEXTS)
@example("   ")
@example(" . . . " * 60)
@example("Dr. " * 60)
@example("1 " * 200)
def test_joined_pieces_are_the_text_and_none_is_empty(text: str) -> None:
    pieces = chunks(text)
    assert "".join(pieces) == (text if text.strip() else "")
    assert all(piece.strip() for piece in pieces)


@given(TEXTS, st.lists(st.integers(0, 400), max_size=40))
def test_pieces_do_not_depend_on_how_the_text_arrived(text: str, cuts: list[int]) -> None:
    assert fed(text, cuts) == chunks(text)


@given(TEXTS)
def test_no_piece_is_longer_than_the_hard_limit_and_a_space(text: str) -> None:
    rules = ChunkRules()
    assert all(len(piece.strip()) <= rules.hard_chars for piece in chunks(text, rules))


@given(st.lists(st.from_regex(r"[a-z]{1,12}", fullmatch=True), min_size=40, max_size=120))
def test_text_without_marks_still_flows(words: list[str]) -> None:
    chunker = SentenceChunker()
    rules = ChunkRules()
    waiting = 0
    for word in words:
        waiting += len(word) + 1
        for piece in chunker.feed(word + " "):
            waiting -= len(piece)
        assert waiting <= rules.chars + 14


@given(st.lists(WORDS.filter(lambda word: not re.search(r"\s|。|？|！", word)), max_size=60))
def test_words_stay_whole(words: list[str]) -> None:
    text = " ".join(words)
    assert "".join(chunks(text)).split() == [
        word for piece in chunks(text) for word in piece.split()
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It costs 3.5 dollars a day. That is cheap enough.",
         ["It costs 3.5 dollars a day. ", "That is cheap enough."]),
        ("I will ask Dr. Smith about it. He knows these things.",
         ["I will ask Dr. Smith about it. ", "He knows these things."]),
        ("You can see more at https://a.org/b.c and there. Have a look at it.",
         ["You can see more at https://a.org/b.c and there. ", "Have a look at it."]),
        ("Well... I am not sure about that. Let me think it over.",
         ["Well... I am not sure about that. ", "Let me think it over."]),
        ("The answer to it is no. I am quite sure of it.",
         ["The answer to it is no. ", "I am quite sure of it."]),
        ("Look at No. 5 on the list of songs. It is the best one.",
         ["Look at No. 5 on the list of songs. ", "It is the best one."]),
        ("As far as I know, that is right. Ask me again tomorrow, please.",
         ["As far as I know, ", "that is right. Ask me again tomorrow, please."]),
        ("Yes. I can do that for you. What is it about then?",
         ["Yes. I can do that for you. ", "What is it about then?"]),
        ("There are 1, 2, 3, 4 and 5 of them. Which one do you want?",
         ["There are 1, 2, 3, 4 and 5 of them. ", "Which one do you want?"]),
        ("He asked “Are you ready for it?” and left. Nobody said a word then.",
         ["He asked “Are you ready for it?” and left. ", "Nobody said a word then."]),
        ("今天天气很好。我们去公园吧！好吗？", ["今天天气很好。", "我们去公园吧！", "好吗？"]),
        ("First line here\nsecond line here", ["First line here\n", "second line here"]),
    ],
)  # fmt: skip
def test_cuts(text: str, expected: list[str]) -> None:
    assert chunks(text) == expected


def test_first_piece_comes_before_the_sentence_ends() -> None:
    chunker = SentenceChunker()
    assert chunker.feed("I think that you are right, but") == ["I think that you are right, "]


def test_whole_sentences_do_not_end_at_a_clause() -> None:
    text = "I think that you are right, but let me check it. It will take a moment."
    assert chunks(text, WHOLE_SENTENCES)[0] == "I think that you are right, but let me check it. "


def test_finish_starts_afresh() -> None:
    chunker = SentenceChunker()
    chunker.feed("One two three four five, six")
    chunker.finish()
    assert chunker.feed("One two three four five, six") == ["One two three four five, "]
