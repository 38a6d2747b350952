"""A worker in this process: messages in, messages out, on an engine of random weights."""

from __future__ import annotations

import pickle
from typing import Any

from engine import protocol
from engine.generator import SpeechEngine
from engine.protocol import Answer, Request
from engine.worker import Worker
from tests.engine.tiny import tiny_engine

LOAD = protocol.Load("model", "", "cpu", "fp32", 1)
TEXT = "Yes. So."


class Number:
    """A shared number that nobody else sets; ``after`` looks at it, it says that all is cancelled."""

    def __init__(self, after: int = 10**9) -> None:
        self.after, self.looks = after, 0

    @property
    def value(self) -> int:
        self.looks += 1
        return 10**9 if self.looks > self.after else 0


class Wire:
    """Hands out requests and keeps the answers; then it is cut."""

    def __init__(self, *requests: Request) -> None:
        self.left = list(requests)
        self.answers: list[Any] = []

    def recv(self) -> Request:
        if not self.left:
            raise EOFError
        return pickle.loads(pickle.dumps(self.left.pop(0)))

    def poll(self, timeout: float) -> bool:
        return True  # or its end

    def send(self, answer: Answer) -> None:
        self.answers.append(pickle.loads(pickle.dumps(answer)))


def serve(
    *requests: Request, engine: SpeechEngine | None = None, number: Number | None = None
) -> tuple[list[Answer], int]:
    """What a worker answers to a loaded conversation 1 and then ``requests``, and its exit code."""
    made = engine or tiny_engine()
    wire: Any = Wire(LOAD, protocol.Open(1, "", 0), *requests)
    code = Worker(wire, number or Number(), lambda _: made).run()
    return wire.answers[2:], code


def sounds(answers: list[Answer]) -> list[protocol.Sound]:
    return [answer for answer in answers if isinstance(answer, protocol.Sound)]


def expected(engine: SpeechEngine, text: str = TEXT, user: Any = None) -> list[Any]:
    conversation = engine.conversation(None)
    if user is not None:
        conversation.add(user)
    return list(conversation.speak(text))
