from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.echo_text import matches_playback

SKY = (
    "The sky is blue because air scatters short waves of light more than long ones. "
    "At sunset the light comes a longer way, so the red is left."
)
TEA = "I can order that for you. Would you like green tea or black coffee?"
CAPITAL = "The capital of France is Paris, and it has been for a very long time."


@pytest.mark.parametrize(
    "heard",
    [
        "The sky is blue because",
        "air scatters short waves of light",
        "because air scatter short wave of light",  # endings misheard
        "at sun set the light comes a longer way",  # a word in two
        "scatters short waves light more than",  # a word left out
        "more than long ones at sunset",  # across sentences
        "so the red is left.",
        "sunset the lite comes a longer",
        "blue because",
        "scatters",
        "AIR SCATTERS, SHORT WAVES!",
    ],
)
def test_echo_of_the_answer_is_recognised(heard: str) -> None:
    assert matches_playback(heard, SKY)


@pytest.mark.parametrize(
    "heard",
    [
        "",
        "...",
        "yes",
        "No.",
        "stop",
        "Wait, wait.",
        "okay",
        "what?",
        "go on",
        "thank you",
        "Why is the sky blue on Mars?",
        "What do you mean by waves?",
        "And what about the light of the moon?",
        "Is it more red in winter?",
        "air scatters short waves stop",  # an echo, and a user who has enough of it
        "the sky is blue because no",
        "tell me something else",
        "how long is the way",
        "red",
        "light is what I asked for last time",
        "I like the blue one",
    ],
)
def test_what_a_user_says_is_not_taken_for_echo(heard: str) -> None:
    assert not matches_playback(heard, SKY)


@pytest.mark.parametrize("heard", ["black coffee", "green tea", "coffee", "black coffee please"])
def test_an_answer_in_the_words_of_the_question_is_an_answer(heard: str) -> None:
    assert not matches_playback(heard, TEA)


def test_a_whole_question_coming_back_is_an_echo() -> None:
    assert matches_playback("would you like green tea or black", TEA)
    assert matches_playback("I can order that", TEA)


def test_answers_are_spared_also_when_the_assistant_says_the_same_word() -> None:
    text = "Yes, no, stop, wait and okay are short answers."
    for word in ("yes", "no", "stop", "wait", "okay"):
        assert not matches_playback(word, text)
    assert matches_playback("stop wait and okay are short answers", text)


def test_one_long_word_of_a_statement_is_an_echo_and_a_strange_one_is_not() -> None:
    assert matches_playback("capital", CAPITAL)
    assert matches_playback("Paris", CAPITAL)
    assert not matches_playback("London", CAPITAL)
    assert not matches_playback("time", CAPITAL)


def test_accents_apostrophes_and_hyphens_do_not_matter() -> None:
    assert matches_playback("isnt the cafe twenty one", "Isn’t the café twenty-one steps away.")


def test_nothing_playing_explains_nothing() -> None:
    assert not matches_playback("the sky is blue because", "")


WORDS = st.lists(
    st.sampled_from(["table", "window", "garden", "river", "yellow", "seven", "to", "of", "the"]),
    min_size=4,
    max_size=30,
)


@given(WORDS, st.data())
def test_any_four_words_in_a_row_are_an_echo(playing: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(playing) - 4))
    end = data.draw(st.integers(start + 4, len(playing)))
    assert matches_playback(" ".join(playing[start:end]), " ".join(playing) + ".")


@given(WORDS, st.lists(st.sampled_from(["purple", "kitchen", "yesterday", "lamp"]), min_size=1))
def test_words_that_are_not_there_are_no_echo(playing: list[str], heard: list[str]) -> None:
    assert not matches_playback(" ".join(heard), " ".join(playing))


@given(st.text(), st.text())
def test_any_text_can_be_judged(words: str, playing: str) -> None:
    assert matches_playback(words, playing) in (True, False)
