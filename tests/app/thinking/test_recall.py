"""What was told is told back, and nothing else is."""

from __future__ import annotations

import pytest

from app.thinking.recall import recall


@pytest.mark.parametrize(
    ("told", "asked", "answer"),
    [
        ("My name is Clara.", "What is my name?", "your name is Clara."),
        ("hello parley, my name is tom", "do you remember my name", "your name is Tom."),
        ("you can call me Ada", "who am I", "your name is Ada."),
        ("My name is Tom and I live in Leeds.", "So what am I called?", "your name is Tom."),
        ("My name is Mary Ann Jones", "what's my name", None),
        ("My name is Mary Jones.", "tell me my name please", "your name is Mary Jones."),
        ("my name is Ruth", "would you mind repeating what I am called", "your name is Ruth."),
        ("my name is Ruth", "which name did I give you", "your name is Ruth."),
        ("my hen is called Dot", "what did I say my hen was called", "your hen is called Dot."),
        ("I live in New York now.", "Where do I live again?", "you live in New York."),
        ("I'm from Dublin", "where am I from", "you are from Dublin."),
        ("I am from Dublin", "which city do I live in", "you are from Dublin."),
        ("I live in Oslo", "in which town do I live", "you live in Oslo."),
        ("my cat is called Felix", "what is my cat called", "your cat is called Felix."),
        ("I have a dog named Rex.", "What's the name of my dog?", "your dog is called Rex."),
        ("My dog's name is Rex", "remind me of my dog's name", "your dog is called Rex."),
        ("the name of my wife is Eve", "what is my wife's name", "your wife is called Eve."),
        ("my favorite color is dark red", "what is my favourite colour", "colour is dark red."),
        ("I work as a nurse", "what do I do for a living", "you work as a nurse."),
        ("I'm 42 years old", "how old am I", "you are 42 years old."),
        ("my hobby is rock climbing", "do you know my hobby", "your hobby is rock climbing."),
    ],
)
def test_tells_back_what_was_told(told: str, asked: str, answer: str | None) -> None:
    said = recall([told, "tell me a joke"], asked)

    assert (said is None) if answer is None else bool(said and said.endswith(answer)), said


@pytest.mark.parametrize(
    "told",
    [
        "call me later",
        "call me a taxi",
        "call me back tomorrow",
        "my name is hard to spell",
        "my name is not Tom",
        "is my name Tom?",
        "what if my name is Tom",
        "my brother's name is Tom",
        "she said my name is Anna",
        "my name is Tom because of my uncle",
        "I am tired",
        "I am German",
        "your name is Parley",
        "my name",
        "",
    ],
)
def test_takes_nothing_else_for_a_name(told: str) -> None:
    assert recall([told], "what is my name") is None


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ("I live in fear", "where do I live"),
        ("I live in a small flat", "where do I live"),
        ("I live alone", "where do I live"),
        ("my meeting is called off", "what is my meeting called"),
        ("my cat is called Felix", "what is my dog called"),
        ("my cat is called Felix", "what is my name"),
        ("my favourite colour is blue", "what is my favourite food"),
        ("my name is Tom", "what is your name"),
        ("my name is Tom", "what is my last name"),
        ("my name is Tom", "what does my name mean"),
        ("my name is Tom", "how do you spell my name"),
        ("my name is Tom", "is my name nice"),
        ("my name is Tom", "who are you"),
        ("I am 42 years old", "how old is my cat"),
        ("I work as a nurse", "what do I do now"),
        ("I live in Oslo", "where should I live"),
        ("I live in Oslo", "what is my"),
    ],
)
def test_leaves_everything_else_to_the_model(told: str, asked: str) -> None:
    assert recall([told], asked) is None


def test_the_latest_statement_counts() -> None:
    told = ["my name is Tom", "no my name is Tim", "how are you"]

    assert recall(told, "what is my name") == "You told me that your name is Tim."


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("My name is Clara.", "Nice to meet you, Clara."),
        ("hello parley, my name is tom, nice to meet you", "Nice to meet you, Tom."),
        ("Please call me Ada!", "Nice to meet you, Ada."),
        ("my name is Tom and I live in Leeds", None),
        ("my name is Tom. What is yours?", None),
        ("my name is Tom, do you like it", None),
        ("call me later", None),
        ("I live in Leeds", None),
        ("hello", None),
        ("", None),
    ],
)
def test_who_only_says_his_name_is_greeted(line: str, answer: str | None) -> None:
    assert recall([], line) == answer


def test_very_long_lines_are_left_alone() -> None:
    assert recall(["my name is Tom. " * 100], "what is my name") is None
    assert recall(["my name is Tom"], "what is my name " * 100) is None
