"""What the turn-taking machine knows: plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.commands import Command
from app.core.shown import Phase
from app.core.turn import TurnId


@dataclass(frozen=True, slots=True)
class Speech:
    """The user's open turn: from its first voice until its answer can no longer be taken back."""

    turn: TurnId
    start_s: float
    last_s: float
    """End of the last voice in it."""
    voiced_s: float = 0.0
    revision: int = 0
    """Of the answer in work, or of the next one."""
    text: str = ""
    text_to_s: float = 0.0
    """End of the sound that the text was made from."""
    asked_s: float = 0.0
    """When a partial was last asked for."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: held back, then played; perhaps being interrupted."""

    turn: TurnId
    revision: int
    released: bool = False
    text: str = ""
    made_s: float = 0.0
    made: bool = False
    heard_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Barge:
    """Sound of the user during an answer, not yet judged."""

    start_s: float
    last_s: float
    voiced_s: float
    """Voice in it; 0 while it is only a sudden sound."""
    sudden: bool = False
    """Whether it was heard to begin before it was known for a voice."""
    echo_s: float = 0.0
    """Voice of it that the loudspeaker may explain."""
    paused: bool = False
    paused_s: float = 0.0
    """When."""
    asked_s: float = 0.0
    asked_to_s: float = 0.0
    """End of the sound that was last sent to be written down."""
    text: str | None = None
    stable: str = ""
    """The front of the text that two hypotheses agreed on."""
    text_before: str = ""
    """The hypothesis before ``text``."""
    text_to_s: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the machine knows."""

    speech: Speech | None = None
    reply: Reply | None = None
    barge: Barge | None = None
    before: Barge | None = None
    """The last sound of the user during an answer that was let pass."""
    turns: int = 0
    """Turns so far; the next one is this plus 1."""
    run_s: float = 0.0
    """Voice without a break up to now."""
    pause_s: float = 0.0
    """The user's usual pause within a turn, a running mean."""
    asked: bool = False
    """Whether the last answer ended with a question."""
    muted: bool = False
    hands_free: bool = True
    key: bool = False
    """Whether the talk key is down."""
    shown: Phase = Phase.LISTENING

    @property
    def phase(self) -> Phase:
        """What a person would say Parley is doing."""
        if self.barge is not None and self.barge.paused:
            return Phase.PAUSED
        if self.reply is not None and self.reply.released:
            return Phase.SPEAKING if self.reply.heard_s > 0 else Phase.THINKING
        if self.speech is not None:
            return Phase.HEARING
        return Phase.MUTED if self.muted else Phase.LISTENING


Step = tuple[State, list[Command]]
