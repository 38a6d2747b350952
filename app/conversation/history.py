"""What was said so far, as the language model is told it."""

from __future__ import annotations

from app.core.types import Message, Role


class History:
    """The finished exchanges of one conversation."""

    def __init__(self) -> None:
        self._exchanges: list[tuple[str, str]] = []

    def add(self, user: str, reply: str, *, cut: bool = False) -> None:
        """Remember an exchange; one without an answer is left out, so that roles alternate.

        ``cut``: the user interrupted; ``reply`` is what was heard, and the model is told so by a dash.
        """
        told = f"{reply.strip()} \N{EM DASH}".strip() if cut else reply.strip()
        if told:
            self._exchanges.append((user, told))

    def messages(self, system: str, user: str) -> list[Message]:
        """Everything the model is told to answer ``user`` now."""
        told = [Message(Role.SYSTEM, system)] if system else []
        for said, answered in self._exchanges:
            told += [Message(Role.USER, said), Message(Role.ASSISTANT, answered)]
        return [*told, Message(Role.USER, user)]
