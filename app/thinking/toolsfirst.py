"""Try the tools before the model: sums, spelling, time and date are right by code, not by chance.

So is what the user has told about himself in this conversation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from app.core.ports import ChatModel, Clock
from app.core.turn import CancelToken
from app.core.types import Message, Role
from app.thinking.recall import recall
from app.thinking.thoughts import without_thoughts

Answer = Callable[[str, datetime], str | None]
Recall = Callable[[Sequence[str], str], str | None]


class ToolsFirst:
    """A ``ChatModel`` that asks ``answer`` and ``recall`` about the last user message first.

    ``recall`` is given the user's earlier messages as well. The model answers the rest.
    """

    def __init__(
        self, model: ChatModel, answer: Answer, clock: Clock, recall: Recall = recall
    ) -> None:
        self._model = model
        self._recall = recall
        self._answer = answer
        self._clock = clock

    def stream(self, messages: Sequence[Message], cancel: CancelToken) -> Iterator[str]:
        """The tool's answer whole, or the model's piece by piece."""
        last = messages[-1]
        if last.role is Role.USER:
            told = [message.content for message in messages[:-1] if message.role is Role.USER]
            answer = self._answer(last.content, self._clock.now())
            answer = answer or self._recall(told, last.content)
            if answer:
                yield answer
                return
        yield from without_thoughts(self._model.stream(messages, cancel))
