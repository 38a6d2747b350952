"""What a live conversation is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from app.conversation.ears import Ears
from app.conversation.policy import Policy
from app.core.live_ports import Worker
from app.core.ports import ChatModel, Recogniser, SpeechConversation


class Agreement(Protocol):
    """Finds what successive hypotheses of one turn agree on."""

    def feed(self, hypothesis: str) -> str:
        """The next hypothesis; the part at the front that will not change any more."""
        ...

    def reset(self) -> None:
        """Begin another turn."""
        ...


@dataclass(frozen=True, slots=True)
class LiveParts:
    """What a live conversation is made of. All loaded."""

    ears: Ears
    recogniser: Recogniser
    agreement: Agreement
    chat: ChatModel
    speech: SpeechConversation
    system: Callable[[], str]
    """The system prompt, now."""
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True)
class Workers:
    """Who computes, beside the conversation."""

    transcriber: Worker
    thinker: Worker
    speaker: Worker
