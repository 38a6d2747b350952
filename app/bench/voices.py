"""The users of the bench: speech of which it is known to the sample when it begins and ends."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from app.core.live_ports import SESSION_RATE_HZ
from app.core.types import FloatArray

_FRAME_S = 0.005
_AUDIBLE_DB = -40.0
"""Below the loudest 5 ms by this much, speech is over: a breath or the synthesiser's dither."""


class UserVoices(Protocol):
    """Speaks as somebody else than the assistant."""

    def speak(self, text: str, voice: int) -> tuple[FloatArray, int]:
        """``text`` in the manner of speaking number ``voice``: mono samples (N,) and their rate.

        Raises:
            ParleyError: when there is no synthesiser; the message says what to install.
        """
        ...


class Users:
    """The voices at the session's rate, with nothing before the first sound and after the last."""

    def __init__(self, voices: UserVoices) -> None:
        self._voices = voices
        self._spoken: dict[tuple[str, int], FloatArray] = {}

    def say(self, text: str, voice: int) -> FloatArray:
        """The words at 48 kHz (N,), audible from the first sample to the last."""
        key = (text, voice)
        if key not in self._spoken:
            import soxr

            samples, rate = self._voices.speak(text, voice)
            at_48k = soxr.resample(np.asarray(samples, np.float32), rate, SESSION_RATE_HZ)
            self._spoken[key] = trimmed(at_48k)
        return self._spoken[key]


def trimmed(samples: FloatArray, rate_hz: int = SESSION_RATE_HZ) -> FloatArray:
    """``samples`` without what is inaudible at both ends, to 5 ms; empty when all is."""
    frame = round(_FRAME_S * rate_hz)
    padded = np.pad(samples, (0, -len(samples) % frame)).reshape(-1, frame)
    level = np.sqrt((padded.astype(np.float64) ** 2).mean(axis=1))
    if not len(level) or level.max() <= 0:
        return samples[:0]
    loud = np.flatnonzero(level > level.max() * 10 ** (_AUDIBLE_DB / 20))
    return samples[loud[0] * frame : (loud[-1] + 1) * frame].astype(np.float32)
