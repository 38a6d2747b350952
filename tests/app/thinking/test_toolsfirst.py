"""The tools answer what they can, the model the rest."""

from __future__ import annotations

from datetime import datetime

from app.core.turn import CancelToken, TurnId
from app.core.types import Message, Role
from app.thinking.toolsfirst import ToolsFirst
from tests.fakes.parts import FakeChat, VirtualClock


def answer(text: str, now: datetime) -> str | None:
    return f"It is {now:%H:%M}." if text == "what time is it" else None


def ask(*messages: Message) -> tuple[str, int]:
    model = FakeChat(["from the ", "model"])
    stream = ToolsFirst(model, answer, VirtualClock()).stream(messages, CancelToken(TurnId(1)))
    return "".join(stream), len(model.told)


def test_a_tool_that_knows_answers_alone() -> None:
    assert ask(Message(Role.USER, "what time is it")) == ("It is 15:09.", 0)


def test_the_model_answers_the_rest() -> None:
    assert ask(Message(Role.USER, "who are you")) == ("from the model", 1)


def test_only_the_last_user_message_counts() -> None:
    old = Message(Role.USER, "what time is it")
    assert ask(old, Message(Role.ASSISTANT, "no idea"), Message(Role.USER, "why"))[1] == 1
    assert ask(Message(Role.USER, "why"), Message(Role.ASSISTANT, "what time is it"))[1] == 1


def test_what_the_user_told_is_told_back_without_the_model() -> None:
    told = Message(Role.USER, "Hello, my name is Clara.")
    said = Message(Role.ASSISTANT, "Nice to meet you, my name is Parley.")

    reply, asked = ask(told, said, Message(Role.USER, "What is my name?"))

    assert (reply, asked) == ("You told me that your name is Clara.", 0)
    assert ask(said, Message(Role.USER, "What is my name?"))[1] == 1
