"""What a live conversation shows to whoever watches it: the window, the console, the recorder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.core.turn import TurnId


class Phase(StrEnum):
    """What Parley is doing, as a person would say it."""

    LOADING = "loading"
    LISTENING = "listening"
    """Waiting for the user."""
    HEARING = "hearing"
    """The user is speaking."""
    THINKING = "thinking"
    SPEAKING = "speaking"
    PAUSED = "paused"
    """Interrupted; it is not yet clear whether for good."""
    MUTED = "muted"
    NO_MICROPHONE = "no microphone"
    """Text works, listening does not."""
    FAILED = "failed"
    """Nothing works until something is put right; a notice says what."""


class Side(StrEnum):
    """Who speaks a caption."""

    USER = "user"
    ASSISTANT = "assistant"


class Level(StrEnum):
    """How much a notice matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The conversation is now in ``phase``; ``detail`` is a sentence about how that goes."""

    phase: Phase
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Caption:
    """One side of a turn, whole; a later caption of the same turn and side replaces it.

    ``sure`` characters at the front will not change any more (the rest of a partial is grey).
    ``heard`` characters at the front were heard; what follows was not and is struck out once
    ``final``. For the user's side both are the length of the text in the end.
    """

    turn: TurnId
    side: Side
    text: str
    sure: int
    heard: int
    final: bool
    typed: bool = False


@dataclass(frozen=True, slots=True)
class CaptionRemoved:
    """A turn was dropped (no words in it, or the user went on): take its captions of ``side`` away."""

    turn: TurnId
    side: Side


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """Where the time of a finished turn went, in milliseconds.

    Keys: ``release`` (end of the user's speech to the release of the sound), ``asr``, ``llm_first``,
    ``speech_first``, ``reply`` (end of the user's speech to the first sound heard).
    """

    turn: TurnId
    timings_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence for the user: what is wrong and what to do, or what was put right."""

    level: Level
    message: str


@dataclass(frozen=True, slots=True)
class NoticeOver:
    """What a notice of these words told of is over: take it away."""

    message: str


@dataclass(frozen=True, slots=True)
class RecordingChanged:
    """Whether the session is being recorded, and where."""

    on: bool
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class DevicesChanged:
    """The sound devices in use and to choose from, by name."""

    microphone: str
    loudspeaker: str
    microphones: tuple[str, ...] = ()
    loudspeakers: tuple[str, ...] = ()


Shown = (
    PhaseChanged
    | Caption
    | CaptionRemoved
    | TurnTimes
    | Notice
    | NoticeOver
    | RecordingChanged
    | DevicesChanged
)

Watcher = Callable[[Shown], None]
"""Called on any thread; must return at once."""


@dataclass(frozen=True, slots=True)
class Levels:
    """A look at the meters, polled by whoever draws them. Levels in dBFS, at least -90."""

    microphone_db: float = -90.0
    loudspeaker_db: float = -90.0
    speech: float = 0.0
    """Probability that the user is speaking."""
    erle_db: float | None = None
    """How much the echo canceller takes away; None while it cannot be told."""
    xruns: int = 0
    recorded_s: float = 0.0
