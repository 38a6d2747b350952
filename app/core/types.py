"""The plain data that passes between the parts: sound, what was heard, messages.

Sound is float32 mono in [-1, 1], shape (N,), at the rate its name says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

LISTEN_RATE_HZ = 16_000
SPEECH_RATE_HZ = 24_000


@dataclass(frozen=True, slots=True, eq=False)
class SoundBlock:
    """The same stretch of sound for the recogniser (16 kHz) and for the engine (24 kHz).

    The two resamplers answer with different delays, so blocks pair up only as a whole stream.
    """

    at_16k: FloatArray
    at_24k: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """The speech found in one user turn, with a little quiet on each side."""

    at_16k: FloatArray
    at_24k: FloatArray
    start_s: float
    end_s: float
    vad_s: float
    """Time spent in finding it."""
    cut: bool = False
    """Whether the user was still speaking when the longest turn was reached."""

    @property
    def seconds(self) -> float:
        """Length of the kept sound."""
        return self.end_s - self.start_s


class Role(StrEnum):
    """Who says a message, in the words of every chat format."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One line of the conversation as the language model sees it."""

    role: Role
    content: str


_ENDS = ("eos", "guard", "limit", "cancelled")


def worse_end(one: str, other: str) -> str:
    """The graver of two ways in which lines ended; '' is no line yet, an unknown way is gravest."""
    ends = [end for end in (one, other) if end]
    return max(ends, key=lambda end: _ENDS.index(end) if end in _ENDS else len(_ENDS), default="")


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """What became of one spoken line. ``ended``: ``eos``, ``guard``, ``limit``, ``cancelled``."""

    text: str
    frames: int
    ended: str
    audio_s: float
    elapsed_s: float
    first_audio_s: float
