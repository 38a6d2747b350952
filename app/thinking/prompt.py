"""What the language model is told before the conversation, and how much of it fits its window."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime

from app.core.types import Message, Role

_SPOKEN = """You are Parley, a voice assistant that runs on this person's own computer. \
Your answers are spoken aloud. Answer in one to three short sentences of plain everyday words. \
Write no lists, headings, markup, emoji, code or web addresses, and write numbers as one says them. \
The person's words come from speech recognition: read over small mistakes, and ask when you \
cannot tell what was meant. When you do not know something, say so."""


def system_prompt(now: datetime, extra: str = "") -> str:
    """The system message: how to answer for the ear, and what day it is."""
    # The day but not the minute: a prompt that stays the same stays in the model's cache.
    today = f"Today is {now:%A}, {now.day} {now:%B %Y}."
    return " ".join(part for part in (_SPOKEN, today, extra.strip()) if part)


# A small model is trained on short conversations; what it is asked again is mostly the name.
_NAME_GIVEN = re.compile(r"\b(?:my name is|my name's|call me|i am called|i'm called)\b", re.I)


def recent(messages: Sequence[Message], exchanges: int) -> list[Message]:
    """The system message, the last ``exchanges`` exchanges and the new question.

    Before them stays the last exchange in which the user gave a name.
    """
    system = [message for message in messages if message.role is Role.SYSTEM]
    talk = [message for message in messages if message.role is not Role.SYSTEM]
    start = max(0, len(talk) - 1 - 2 * exchanges)
    names = [
        place
        for place in range(start)
        if talk[place].role is Role.USER and _NAME_GIVEN.search(talk[place].content)
    ]
    named = talk[names[-1] : names[-1] + 2] if names else []
    return system + named + talk[start:]


def fit(messages: Sequence[Message], budget: int, cost: Callable[[Message], int]) -> list[Message]:
    """The messages that fit in ``budget`` tokens: oldest exchanges go, system and the last stay.

    What is left begins with a user message, because chat templates demand that order.
    """
    system = [message for message in messages if message.role is Role.SYSTEM]
    talk = [message for message in messages if message.role is not Role.SYSTEM]
    room = budget - sum(cost(message) for message in system)
    costs = [cost(message) for message in talk]
    start = 0
    while start < len(talk) - 1 and sum(costs[start:]) > room:
        start += 1
        while start < len(talk) - 1 and talk[start].role is not Role.USER:
            start += 1
    return system + talk[start:]
