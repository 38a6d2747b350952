"""Small sounds for tests, made and not recorded."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

FloatArray = npt.NDArray[np.float32]


def tone(
    seconds: float, rate_hz: int = 24_000, hz: float = 220.0, level: float = 0.3
) -> FloatArray:
    """A sine."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def question(rate_hz: int = 24_000, speech_s: float = 1.0, quiet_s: float = 0.5) -> FloatArray:
    """Quiet, a tone that the fake VAD takes for speech, quiet."""
    quiet = np.zeros(round(quiet_s * rate_hz), np.float32)
    return np.concatenate([quiet, tone(speech_s, rate_hz), quiet])


def write_question(
    path: Path, rate_hz: int = 24_000, channels: int = 1, subtype: str | None = None
) -> Path:
    """``question`` as a file of any kind."""
    sound = np.repeat(question(rate_hz)[:, None], channels, axis=1)
    soundfile.write(path, sound, rate_hz, subtype=subtype)
    return path


def long_wav(path: Path, seconds: int, rate_hz: int, speech_at_s: float) -> Path:
    """A sparse 16-bit WAV of hours, quiet but for one second of tone; takes no room on disk."""
    data = 2 * rate_hz * seconds
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", data + 36, b"WAVE", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16, b"data", data,
    )  # fmt: skip
    with path.open("wb") as file:
        file.write(head)
        file.truncate(44 + data)
        file.seek(44 + 2 * round(speech_at_s * rate_hz))
        file.write((tone(1.0, rate_hz) * 32767).astype("<i2").tobytes())
    return path
