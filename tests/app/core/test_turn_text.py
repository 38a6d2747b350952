"""What words say about turn taking, case by case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.turn_end import (
    NOT_YET,
    UNKNOWN,
    TextCue,
    asks_for_time,
    finished,
    is_question,
    longest_wait_s,
)
from app.core.turn_text import is_backchannel, is_command, is_only_command
from app.core.words import plain_words

WHOLE = (
    "What is the capital of France?",
    "what is the capital of france",
    "Tell me a story about a dragon.",
    "How are you?",
    "Can you help me with my homework?",
    "Turn the light off.",
    "I am thirty.",
    "Let us meet at two thirty.",
    "It costs two hundred five.",
    "I think so.",
    "Yes, please.",
    "Not really.",
    "Very well.",
    "He swims quite well",
    "They have closed it, didn't they?",
    "The shop is closed, I think.",
    "We go there now and then.",
    "Well, in the end, they stayed.",
    "My bus leaves at seven forty five.",
    "What time is it?",
    "Can you tell me what the weather is like?",
    "I will see you then.",
)
UNFINISHED = (
    "I want to go to the shop and",
    "I was late because",
    "Tell me about the",
    "What is the",
    "I would like to",
    "I would like too.",
    "If it rains tomorrow, then",
    "Please explain to me how",
    "I think that, umb.",
    "The code is for to seven.",
    "Is it true that",
    "I used to live in",
    "I need um",
    "The thing is",
    "Well, I...",
    "I thought that maybe …",
    "My number is five five five",
    "Please set a timer for ten",
    "It is for",
    "Yesterday we",
    "Do you know",
    "Can you tell me",
    "I went home, but.",
    "I bought some milk, eggs, butter",
    "She gave it to my",
    "Could you give",
    "How do I make?",
    "I meant to go but, well",
    "I am not sure weather.",
    "The nicest part of it is",
    "My favourite one among them was",
)
ASKED_FOR = (
    "Can you tell me where the station is?",
    "How much sugar do we need?",
    "I know what it is",
)
OPENERS = ("Good morning.", "Thank you very much.", "Okay")


@pytest.mark.parametrize("text", WHOLE)
def test_a_whole_turn_is_released_soon(text: str) -> None:
    assert finished(text) >= 0.7


@pytest.mark.parametrize("text", UNFINISHED)
def test_an_unfinished_turn_is_waited_for(text: str) -> None:
    assert finished(text) < 0.4


@pytest.mark.parametrize("text", ASKED_FOR)
def test_a_clause_whose_object_stands_in_front_wants_no_more(text: str) -> None:
    assert finished(text) >= 0.6


@pytest.mark.parametrize(
    "text",
    [
        "What is bread made of?",
        "Where does chocolate come from?",
        "Tell me what it is made of",
        "Who are you looking for?",
        "What do you think of?",
    ],
)
def test_a_question_may_end_with_its_preposition(text: str) -> None:
    assert finished(text) == 0.5


@pytest.mark.parametrize(
    "text",
    ["What is the price of", "What kind of", "Did you look at", "How many of", "I am afraid of"],
)
def test_other_prepositions_want_their_noun(text: str) -> None:
    assert finished(text) < 0.3


@pytest.mark.parametrize("text", OPENERS)
def test_what_may_open_a_turn_is_given_some_time_unless_it_answers(text: str) -> None:
    assert 0.6 < finished(text) < 0.75
    assert finished(text, asked=True) > 0.9


@pytest.mark.parametrize("whole", WHOLE[:5])
@pytest.mark.parametrize("unfinished", UNFINISHED[:5])
def test_the_order_is_right_whatever_case_and_marks(whole: str, unfinished: str) -> None:
    assert finished(whole.lower()) > finished(unfinished.upper() + ".")


@pytest.mark.parametrize("answer", ["Paris.", "A cat", "The blue one.", "Yes", "Seventeen"])
def test_a_few_words_answer_a_question(answer: str) -> None:
    assert finished(answer, asked=True) >= 0.85
    assert finished(answer, asked=True) >= finished(answer)


def test_a_long_answer_may_go_on() -> None:
    story = "We went to the sea with my brother."
    assert finished(story, asked=True) < finished(story)


def test_an_answer_that_breaks_off_is_no_answer() -> None:
    assert finished("It was the", asked=True) < 0.2


@pytest.mark.parametrize(
    "text", ["Let me think.", "Um, let me see", "Hold on.", "What's the word?", "Just a second um"]
)
def test_who_asks_for_time_gets_it(text: str) -> None:
    cue = TextCue()
    assert asks_for_time(text)
    assert cue.score(4.9, text, False) == NOT_YET
    assert cue.score(5.0, text, True) == 1.0
    assert longest_wait_s(text) == 5.0


@pytest.mark.parametrize(
    "text", ["Let me think about the best way to do it.", "How do I hold on to a rope?", "I see."]
)
def test_who_only_speaks_of_thinking_does_not(text: str) -> None:
    assert not asks_for_time(text)
    assert longest_wait_s(text) == 2.0


def test_no_words_tell_nothing() -> None:
    for text in ("", "   ", "...", "?!"):
        assert finished(text) == UNKNOWN
        assert not is_backchannel(text)
        assert not is_command(text)


@pytest.mark.parametrize(
    "text",
    [
        *("Mhm.", "mm-hmm", "Uh-huh!", "Yeah.", "yeah, yeah", "Right", "Okay.", "Oh, I see."),
        *("Go on.", "Sure, sure.", "Really?", "That's right.", "Oh wow, okay", "no way"),
        *("A hour.", "A hat!", "Year.", "Go one."),
    ],
)
def test_listening_aloud(text: str) -> None:
    assert is_backchannel(text)
    assert not is_command(text)


@pytest.mark.parametrize(
    "text",
    [
        *("Stop.", "Stop it please", "Wait!", "No.", "No, I meant the other one", "Hold on"),
        *(
            "Okay, stop.",
            "Yeah no, wait",
            "Please be quiet",
            "Hey, stop",
            "That's enough",
            "Never mind",
        ),
    ],
)
def test_asking_for_silence(text: str) -> None:
    assert is_command(text)
    assert not is_backchannel(text)


@pytest.mark.parametrize(
    "text",
    ["Stop.", "Stop it, please!", "Okay, be quiet.", "Hey Parley, stop", "Never mind, thanks."],
)
def test_a_mere_order_wants_no_answer(text: str) -> None:
    assert is_only_command(text)
    assert is_command(text)


@pytest.mark.parametrize(
    "text", ["", "No.", "Stop the music", "Wait, what time is it?", "Thanks.", "Okay", "Please"]
)
def test_more_than_an_order_wants_one(text: str) -> None:
    assert not is_only_command(text)


@pytest.mark.parametrize(
    "text",
    [
        *("What about tomorrow?", "Yeah but I want tea", "The right one", "I know a better way"),
        *(
            "okay okay okay okay okay okay",
            "Stopping by the woods",
            "Nobody knows",
            "sure thing boss",
        ),
    ],
)
def test_neither(text: str) -> None:
    assert not is_backchannel(text)
    assert not is_command(text)


def test_a_question_is_told_by_its_mark() -> None:
    assert is_question('And you said "why?"')
    assert is_question("Do you like it? ")
    assert not is_question("Why? Because.")
    assert not is_question("")


@given(st.text(max_size=60), st.booleans())
def test_any_text_has_a_score(text: str, asked: bool) -> None:
    assert 0.0 <= finished(text, asked) <= 1.0
    assert not (is_backchannel(text) and is_command(text))


@given(st.lists(st.sampled_from("a The don't um, 5 ok. — É".split()), max_size=6))
def test_marks_and_case_do_not_change_the_words(words: list[str]) -> None:
    text = " ".join(words)
    assert plain_words(text.upper()) == plain_words(text) == plain_words(f"«{text}»!")
