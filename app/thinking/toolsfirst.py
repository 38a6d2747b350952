"""Try the tools before the model: sums, spelling, time and date are right by code, not by chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from app.core.ports import ChatModel, Clock
from app.core.turn import CancelToken
from app.core.types import Message, Role
from app.thinking.thoughts import without_thoughts

Answer = Callable[[str, datetime], str | None]


class ToolsFirst:
    """A ``ChatModel`` that asks ``answer`` for the last user message and then the model."""

    def __init__(self, model: ChatModel, answer: Answer, clock: Clock) -> None:
        self._model = model
        self._answer = answer
        self._clock = clock

    def stream(self, messages: Sequence[Message], cancel: CancelToken) -> Iterator[str]:
        """The tool's answer whole, or the model's piece by piece."""
        last = messages[-1]
        if last.role is Role.USER:
            answer = self._answer(last.content, self._clock.now())
            if answer:
                yield answer
                return
        yield from without_thoughts(self._model.stream(messages, cancel))
