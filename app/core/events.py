"""What happens in a live conversation: everything that its state machine is told.

Times ``at_s`` are seconds on the session's one clock. What belongs to an answer carries its
``TurnId`` and the revision of it (a turn that the user reopens is answered anew); what carries
another one than the current is stale and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core.turn import TurnId


@dataclass(frozen=True, slots=True)
class Window:
    """32 ms of cleaned microphone were judged.

    ``echo`` is how much of it is explained by what the loudspeaker played: 0 nothing, 1 all.
    """

    at_s: float
    """When the window ended."""
    speech: float
    """Probability of speech, 0 to 1."""
    echo: float = 0.0


@dataclass(frozen=True, slots=True)
class Onset:
    """While the loudspeaker played, something began at the microphone: a voice, or any other sound."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Partial:
    """Words of a user who may still be speaking; ``stable`` is what two hypotheses agreed on."""

    at_s: float
    turn: TurnId
    text: str
    stable: str
    until_s: float
    """End of the sound that it was made from."""


@dataclass(frozen=True, slots=True)
class Final:
    """The user's whole turn as the answer in work takes it; '' when no words could be made out."""

    at_s: float
    turn: TurnId
    revision: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplyText:
    """A speakable piece of the answer was written."""

    at_s: float
    turn: TurnId
    revision: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplySound:
    """Sound of the answer was made; ``seconds`` in all so far."""

    at_s: float
    turn: TurnId
    revision: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ReplyMade:
    """The answer is complete: no more text and no more sound will come."""

    at_s: float
    turn: TurnId
    revision: int


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """A part failed. What was made before stays; ``message`` is one sentence for the user."""

    at_s: float
    turn: TurnId
    revision: int
    message: str


@dataclass(frozen=True, slots=True)
class Played:
    """How far the loudspeaker is: seconds of the current answer that were heard."""

    at_s: float
    heard_s: float
    drained: bool
    """Whether everything made so far was heard."""


@dataclass(frozen=True, slots=True)
class Typed:
    """The user wrote instead of speaking."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The user asked for silence (Esc)."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Muted:
    """The microphone was muted or opened again."""

    at_s: float
    on: bool


@dataclass(frozen=True, slots=True)
class TalkKey:
    """Push-to-talk was pressed or let go."""

    at_s: float
    down: bool


@dataclass(frozen=True, slots=True)
class HandsFree:
    """Whether speech alone opens a turn, or only the talk key does."""

    at_s: float
    on: bool


@dataclass(frozen=True, slots=True)
class SoundLost:
    """The sound device went away, or the clock jumped: nothing was heard for ``gap_s``."""

    at_s: float
    gap_s: float


Event = (
    Window
    | Onset
    | Partial
    | Final
    | ReplyText
    | ReplySound
    | ReplyMade
    | ReplyFailed
    | Played
    | Typed
    | StopAsked
    | Muted
    | TalkKey
    | HandsFree
    | SoundLost
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A part failed in the middle of an answer; what was made stays and what can be made goes on."""

    at_s: float
    turn: TurnId
    revision: int
    message: str


@dataclass(frozen=True, slots=True)
class Written:
    """The language model has written its whole answer; its sound may still be in the making."""

    at_s: float
    turn: TurnId
    revision: int


WorkEvent = Event | Trouble | Written
"""What a worker may report: an event of the machine, or something that the conductor sees to."""
