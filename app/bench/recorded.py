"""Whether a recording lies on the sample clock where it should: compared with what the device knows."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from app.core.live_ports import SESSION_RATE_HZ
from app.core.types import FloatArray

COMPARED_S = 60.0
_RAW, _PLAYED = 0, 2
_FURTHEST = SESSION_RATE_HZ
_QUIET = 1e-4
"""Three steps of 16 bits: below that there is nothing to compare."""


class Witness(Protocol):
    """A device that remembers what it delivered and what left its loudspeaker, at 48 kHz."""

    def delivered(self, start_s: float = 0.0, end_s: float | None = None) -> FloatArray:
        """What the microphone delivered, by the time of the blocks."""
        ...

    def played(self, start_s: float = 0.0, end_s: float | None = None) -> FloatArray:
        """What left the loudspeaker."""
        ...


def off_samples(wav: Path, device: Witness, end_s: float, output_latency_s: float) -> int | None:
    """By how many samples microphone or loudspeaker are displaced at the end of a recording.

    The last seconds tell: what was lost or doubled on the way adds up. None when nothing sounded in them
    or there is no recording.
    """
    import soundfile

    start_s = max(0.0, end_s - COMPARED_S)
    first, last = round(start_s * SESSION_RATE_HZ), round(end_s * SESSION_RATE_HZ)
    try:
        with soundfile.SoundFile(str(wav)) as file:
            file.seek(min(first, file.frames))
            read = file.read(last - first, dtype="float32", always_2d=True)
    except (OSError, RuntimeError):
        return None
    recorded = np.asarray(read, np.float32)
    if len(recorded) < SESSION_RATE_HZ:
        return None
    truths = (
        (_RAW, device.delivered(start_s, end_s)),
        (_PLAYED, device.played(start_s + output_latency_s, end_s + output_latency_s)),
    )
    lags = [lag_of(recorded[:, channel], truth) for channel, truth in truths]
    known = [abs(lag) for lag in lags if lag is not None]
    return max(known) if known else None


def lag_of(sound: FloatArray, truth: FloatArray) -> int | None:
    """How many samples ``sound`` comes after ``truth`` (at most a second); None when one is silent."""
    count = min(len(sound), len(truth))
    one, other = sound[:count].astype(np.float64), truth[:count].astype(np.float64)
    if count == 0 or np.abs(one).max() < _QUIET or np.abs(other).max() < _QUIET:
        return None
    size = 1 << (2 * count).bit_length()
    products = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)), size)
    lags = np.concatenate([products[-_FURTHEST:], products[: _FURTHEST + 1]])
    return int(lags.argmax()) - _FURTHEST
