"""What goes into the engine and what comes out. Plain data; knows no torch.

Letters in shape comments, everywhere in the engine: B batch, T time (frames or positions),
K codebooks, V audio vocabulary, D width, H heads, d head size, N samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
CodeArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """One line of the conversation as CSM sees it: who, what, and how it sounded.

    Attributes:
        speaker: small integer that marks the speaker in the text template.
        text: what was said, speakable (see ``engine.normalise``).
        audio: float32 mono in [-1, 1] at the codec's rate (24 kHz), shape (N,).
        codes: the same sound as codec frames, shape (T, K); takes the place of ``audio``.
    """

    speaker: int
    text: str
    audio: FloatArray | None = None
    codes: CodeArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """A voice: a short recording and its transcript, pinned in front of every conversation."""

    name: str
    prompt: Segment
    consent: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How codes are drawn. Temperature 0 takes the likeliest code.

    ``depth_temperature`` is for codebooks 1 and up; None takes ``temperature`` there too.
    """

    temperature: float = 0.9
    top_k: int = 50
    depth_temperature: float | None = None

    @property
    def varies(self) -> bool:
        """Whether chance has a part in it: at temperature 0 every reading of a line is the same."""
        return self.temperature > 0 or (self.depth_temperature or 0.0) > 0


class Ended(StrEnum):
    """Why a line stopped."""

    EOS = "eos"
    GUARD = "guard"
    LIMIT = "limit"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, eq=False)
class PcmFrame:
    """One codec frame of sound.

    Attributes:
        samples: float32 mono (1920,) at 24 kHz.
        index: counts the frames of the text being spoken.
        codes: the same sound for the model (K,).
        line: which of the lines that the text was cut into it belongs to.
        text: that line, as the model was told it.
    """

    samples: FloatArray
    index: int
    codes: CodeArray = field(default_factory=lambda: np.zeros(0, np.int64))
    line: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """How far a text was spoken before: the line that is not finished and its codes (T, K) so far."""

    line: int
    codes: CodeArray


@dataclass(frozen=True, slots=True)
class SpeechReport:
    """What became of one spoken line."""

    text: str
    frames: int
    ended: Ended
    first_audio_s: float
    elapsed_s: float
    audio_s: float

    @property
    def rtf(self) -> float:
        """Real-time factor: time spent over audio made (lower is faster); 0 without audio."""
        return self.elapsed_s / self.audio_s if self.audio_s else 0.0


@dataclass(slots=True)
class PromptPlan:
    """Which segments of the history are in the window (indices into it), and their positions."""

    kept: list[int] = field(default_factory=list)
    positions: int = 0
