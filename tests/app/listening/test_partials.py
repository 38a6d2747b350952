"""Partials: what is once shown as certain stays, and it is what two hypotheses agreed on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.core.words import plain_words
from app.listening.partials import Agreement

hypotheses = st.lists(
    st.lists(st.sampled_from("we go to the a sea see now".split()), max_size=7).map(" ".join),
    max_size=8,
)


def fed(*texts: str) -> list[str]:
    agreement = Agreement()
    return [agreement.feed(text) for text in texts]


def test_two_must_agree_and_the_newest_word_waits() -> None:
    assert fed("What", "What is", "What is the", "What is the time") == [
        "",
        "What",
        "What is",
        "What is the",
    ]
    assert fed("What is the", "What is the") == ["", "What is"]


def test_case_and_marks_do_not_count() -> None:
    assert fed("What is.", "what, is the") == ["", "what, is"]


def test_what_flickers_waits() -> None:
    assert fed("I sea", "I see the", "I see the ship") == ["", "I", "I see the"]


def test_a_change_of_mind_about_stable_words_changes_nothing_shown() -> None:
    agreement = Agreement()
    for text in (
        "we go to sea",
        "we go to sea now",
        "he goes to sea now and",
        "he goes to sea now and",
    ):
        agreement.feed(text)
    assert agreement.stable == "we go to sea now"
    assert agreement.text == "we go to sea now and"


def test_reset_begins_anew() -> None:
    agreement = Agreement()
    agreement.feed("one two three")
    agreement.feed("one two three")
    agreement.reset()
    assert agreement.text == agreement.stable == ""
    assert agreement.feed("one two three") == ""


@given(hypotheses)
def test_it_never_shrinks_and_is_in_front_of_the_text(texts: list[str]) -> None:
    agreement, before = Agreement(), ""
    for text in texts:
        stable = agreement.feed(text)
        assert stable.startswith(before)
        assert agreement.text.startswith(stable)
        before = stable


@given(hypotheses)
def test_each_new_stable_word_was_said_twice_and_not_last(texts: list[str]) -> None:
    agreement, previous, count = Agreement(), "", 0
    for text in texts:
        stable = agreement.feed(text).split()
        words = text.split()
        for place in range(count, len(stable)):
            assert plain_words(stable[place]) == plain_words(words[place])
            assert plain_words(words[place]) == plain_words(previous.split()[place])
            assert place < len(words) - 1
        previous, count = text, len(stable)


@given(st.lists(st.sampled_from("we go to the sea".split()), min_size=2, max_size=9))
def test_a_steady_recogniser_is_followed_one_word_behind(words: list[str]) -> None:
    texts = [" ".join(words[:count]) for count in range(1, len(words) + 1)]
    assert fed(*texts)[-1] == " ".join(words[:-1])
