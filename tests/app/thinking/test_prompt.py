"""What the model is told: the system prompt and the part of the history that fits."""

from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from app.core.types import Message, Role
from app.thinking.prompt import fit, recent, system_prompt


def test_the_prompt_names_the_day_and_stays_the_same_through_it() -> None:
    morning = system_prompt(datetime(2026, 3, 4, 8, 0))
    assert "Wednesday, 4 March 2026" in morning
    assert morning == system_prompt(datetime(2026, 3, 4, 22, 15))


def exchange(number: int) -> list[Message]:
    return [Message(Role.USER, f"question {number}"), Message(Role.ASSISTANT, f"answer {number}")]


def test_oldest_exchanges_go_first_and_the_system_message_stays() -> None:
    told = [Message(Role.SYSTEM, "s")]
    for number in range(4):
        told += exchange(number)
    told.append(Message(Role.USER, "last"))
    kept = fit(told, budget=50, cost=lambda message: 10)
    assert kept == [told[0], *exchange(3), told[-1]][: len(kept)]
    assert [message.content for message in kept] == ["s", "question 3", "answer 3", "last"]


@given(st.integers(0, 12), st.integers(0, 8))
def test_the_last_exchanges(exchanges: int, wanted: int) -> None:
    told = [Message(Role.SYSTEM, "s")]
    for number in range(exchanges):
        told += exchange(number)
    told.append(Message(Role.USER, "last"))
    kept = recent(told, wanted)
    assert kept[0] == told[0]
    assert kept[1:] == told[1:][-(2 * min(exchanges, wanted) + 1) :]


def test_the_name_is_kept() -> None:
    named = [Message(Role.USER, "By the way, my name is Ada."), Message(Role.ASSISTANT, "Hello.")]
    told = [*exchange(0), *named, *exchange(1), *exchange(2), Message(Role.USER, "last")]
    assert recent(told, 1) == [*named, *exchange(2), Message(Role.USER, "last")]
    assert recent(told, 3) == told[2:]


@given(st.integers(0, 12), st.integers(0, 200), st.booleans())
def test_what_fits(exchanges: int, budget: int, system: bool) -> None:
    told = [Message(Role.SYSTEM, "system")] if system else []
    for number in range(exchanges):
        told += exchange(number)
    told.append(Message(Role.USER, "last"))
    kept = fit(told, budget, cost=lambda message: len(message.content))
    talk = [message for message in kept if message.role is not Role.SYSTEM]
    assert talk == told[len(told) - len(talk) :]
    assert talk[0].role is Role.USER
    assert kept[: int(system)] == told[: int(system)]
    cost = sum(len(message.content) for message in kept)
    assert cost <= budget or len(talk) == 1
