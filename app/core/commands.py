"""What the state machine of a live conversation asks for. The conductor carries it out, in order."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.shown import Phase
from app.core.turn import TurnId


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Write down the user's sound so far, as a partial of ``turn``."""

    turn: TurnId
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """Begin an answer to the sound from ``start_s`` to ``end_s``, or to ``text``; hold its sound.

    Answered by ``Final`` (spoken turns only), ``ReplyText``, ``ReplySound`` and ``ReplyMade``.
    """

    turn: TurnId
    revision: int
    start_s: float
    end_s: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """Let the sound of this answer play, now and as it is made."""

    turn: TurnId
    revision: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget this answer entirely, as if it had never been begun; nothing of it counts as heard."""

    turn: TurnId
    revision: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Stop this answer and keep, everywhere, exactly what was heard of it."""

    turn: TurnId
    revision: int


@dataclass(frozen=True, slots=True)
class Finish:
    """This answer was heard to its end."""

    turn: TurnId
    revision: int


@dataclass(frozen=True, slots=True)
class Gain:
    """Turn the loudspeaker to ``db`` relative to its level, over ``ramp_s``."""

    db: float
    ramp_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop the sound where it is and keep what is left."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on where ``Pause`` stopped, ``back_s`` earlier."""

    back_s: float


@dataclass(frozen=True, slots=True)
class Show:
    """Tell whoever watches in which phase the conversation is."""

    phase: Phase


Command = Transcribe | Answer | Release | Drop | Cut | Finish | Gain | Pause | Resume | Show
