"""What passes between the assistant and the engine's own process. Knows no torch.

Every message is frozen data of str, int, float, bool and bytes. Each request but ``Quit`` is answered
by any number of ``Sound`` and then exactly one other answer; the next request waits for it.
Cancelling is no message: it would wait behind the line that it is to stop. It is a number in shared
memory: every line up to it is cancelled.

Sound is float32 mono at 24 kHz, codes are int16 (T, K); both little-endian.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from engine.types import CodeArray, FloatArray


@dataclass(frozen=True, slots=True)
class Load:
    """Load a model and a voice ('' is none) and warm both up. ``threads`` 0 is as the engine likes.

    ``voices`` is a folder where voices made ready are kept ('' is none); up to so many ``candidates``
    will be asked for.
    """

    model: str
    voice: str
    device: str
    precision: str
    threads: int
    voices: str = ""
    candidates: int = 1


@dataclass(frozen=True, slots=True)
class Open:
    """Begin a conversation under a number, in a voice ('' is none)."""

    conversation: int
    voice: str
    seed: int


@dataclass(frozen=True, slots=True)
class ChangeVoice:
    """Go on in another voice ('' is none). Answered by ``Done``."""

    conversation: int
    voice: str


@dataclass(frozen=True, slots=True)
class Listen:
    """The user's sound from its ``start``-th sample on, ahead of ``Hear``. Answered by ``Done``."""

    conversation: int
    start: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Hear:
    """Add a line with its sound, spoken by ``speaker``. Answered by ``Remembered``."""

    conversation: int
    speaker: int
    text: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Remember:
    """Add a line again, to a conversation that was lost. Answered by ``Done``.

    ``own`` lines are those that the conversation spoke, part by part; others begin a new turn.
    """

    conversation: int
    speaker: int
    text: str
    codes: bytes
    own: bool


@dataclass(frozen=True, slots=True)
class Speak:
    """Say ``text``; ``line`` counts what was ever asked. Answered by ``Sound`` … ``Spoken``.

    ``part`` and ``said`` go on in the middle: the part of the text that was reached, and the codes
    of its frames so far. Of several ``candidates`` the best reading is spoken.
    """

    conversation: int
    line: int
    text: str
    part: int = 0
    said: bytes = b""
    candidates: int = 1


@dataclass(frozen=True, slots=True)
class Mark:
    """Mark the place. Answered by ``Marked``."""

    conversation: int


@dataclass(frozen=True, slots=True)
class BackTo:
    """Go back to a mark. Answered by ``Done``."""

    conversation: int
    mark: int


@dataclass(frozen=True, slots=True)
class Unhear:
    """Cut the last ``frames`` frames of this turn's speech. Answered by ``Done``."""

    conversation: int
    frames: int


@dataclass(frozen=True, slots=True)
class Close:
    """Forget a conversation. Answered by ``Done``."""

    conversation: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there? Answered by ``Pong``."""

    number: int


@dataclass(frozen=True, slots=True)
class Quit:
    """End. Not answered."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The engine is ready: what it runs on and the sizes that matter outside."""

    device: str
    precision: str
    load_s: float
    codebooks: int
    window: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """A line as the model took it, and the places of the window that it needs."""

    codes: bytes
    positions: int


@dataclass(frozen=True, slots=True)
class Sound:
    """80 ms of a line: the sound, its codes, and the part of the text that it belongs to."""

    line: int
    index: int
    pcm: bytes
    codes: bytes
    part: int
    words: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """A line is over (see ``SpeechReport``); ``frames`` counts those of this request."""

    line: int
    frames: int
    ended: str
    first_audio_s: float
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Marked:
    """The number of a mark."""

    mark: int


@dataclass(frozen=True, slots=True)
class Done:
    """It is done."""


@dataclass(frozen=True, slots=True)
class Pong:
    """Here, and ``number`` comes back."""

    number: int


class Failure(StrEnum):
    """What failed. After ``MEMORY`` and ``CRASH`` the process ends; the others changed nothing."""

    MODEL = "model"
    TEXT = "text"
    ENGINE = "engine"
    MEMORY = "memory"
    CRASH = "crash"


@dataclass(frozen=True, slots=True)
class Failed:
    """The request failed; ``kind`` is a ``Failure`` and ``sentence`` is for a person."""

    kind: str
    sentence: str


Request = (
    Load
    | Open
    | ChangeVoice
    | Listen
    | Hear
    | Remember
    | Speak
    | Mark
    | BackTo
    | Unhear
    | Close
    | Ping
    | Quit
)
Answer = Loaded | Remembered | Sound | Spoken | Marked | Done | Pong | Failed


def sound_bytes(samples: FloatArray) -> bytes:
    """Sound for a message."""
    return np.ascontiguousarray(samples, "<f4").tobytes()


def sound_of(data: bytes) -> FloatArray:
    """Sound from a message, writable."""
    return np.frombuffer(data, "<f4").astype(np.float32)


def code_bytes(codes: CodeArray) -> bytes:
    """Codes for a message."""
    return np.ascontiguousarray(codes, "<i2").tobytes()


def codes_of(data: bytes, codebooks: int) -> CodeArray:
    """Codes (T, K) from a message."""
    return np.frombuffer(data, "<i2").astype(np.int64).reshape(-1, codebooks)
