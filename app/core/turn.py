"""Which turn something belongs to, and the flag that ends it early."""

from __future__ import annotations

import threading
from typing import NewType

TurnId = NewType("TurnId", int)


class CancelToken:
    """A flag of one turn that can be set once, from any thread.

    Stages look at it at their natural grain: per token when thinking, per frame when speaking.
    """

    def __init__(self, turn: TurnId) -> None:
        self.turn = turn
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask every stage of the turn to stop; calling it again changes nothing."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether the turn was asked to stop."""
        return self._event.is_set()
