"""From the device's blocks to judged windows: echo out, two rates, voice activity, and a memory of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from app.conversation.onset import OnsetFinder
from app.core.events import Onset, SoundLost, Window
from app.core.live_ports import BLOCK_S, DuplexBlock, EchoCanceller
from app.core.ports import VoiceActivity
from app.core.types import LISTEN_RATE_HZ, SPEECH_RATE_HZ, FloatArray

_WINDOW = 512
_MEMORY_S = 75.0
_FLOOR_DB = -90.0
_HICCUP_S = 0.1
"""A gap so short changes neither the voice nor the room."""


class Resampler(Protocol):
    """Changes the rate of a stream of sound, keeping state from one piece to the next."""

    def __call__(self, samples: FloatArray) -> FloatArray:
        """The next samples (N,) at the new rate; their number varies from call to call."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class HeardBlock:
    """What 10 ms of the room became."""

    at_s: float
    """When the block ended, on the session's clock."""
    index: int
    near: FloatArray
    clean: FloatArray
    far: FloatArray
    windows: tuple[Window, ...] = ()
    onset: Onset | None = None
    lost: SoundLost | None = None


class SoundMemory:
    """The last 75 s of a stream, by the session's clock. One thread writes, others read."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._ring = np.zeros(round(_MEMORY_S * rate_hz), np.float32)
        self._end = 0
        self._lock = threading.Lock()

    def append(self, samples: FloatArray) -> None:
        """Add the next samples (N,)."""
        with self._lock:
            places = np.arange(self._end, self._end + len(samples)) % len(self._ring)
            self._ring[places] = samples
            self._end += len(samples)

    def silence(self, seconds: float) -> None:
        """Add nothing for a while, so that positions stay times."""
        count = min(round(seconds * self._rate_hz), len(self._ring))
        skipped = round(seconds * self._rate_hz) - count
        with self._lock:
            self._end += skipped
        self.append(np.zeros(count, np.float32))

    def between(self, start_s: float, end_s: float) -> FloatArray:
        """A copy of what was heard from ``start_s`` to ``end_s``, as far as it is remembered."""
        with self._lock:
            last = min(round(end_s * self._rate_hz), self._end)
            first = max(round(start_s * self._rate_hz), last - len(self._ring), 0)
            places = np.arange(min(first, last), last) % len(self._ring)
            return self._ring[places]


@dataclass(slots=True)
class _Meters:
    near_db: float = _FLOOR_DB
    far_db: float = _FLOOR_DB
    speech: float = 0.0


@dataclass(slots=True)
class Ears:
    """Takes block after block, on one thread."""

    vad: VoiceActivity
    echo: EchoCanceller
    to_listen: Resampler
    """48 to 16 kHz."""
    to_speech: Resampler
    """48 to 24 kHz."""
    at_16k: SoundMemory = field(default_factory=lambda: SoundMemory(LISTEN_RATE_HZ))
    at_24k: SoundMemory = field(default_factory=lambda: SoundMemory(SPEECH_RATE_HZ))
    meters: _Meters = field(default_factory=_Meters)
    _onsets: OnsetFinder = field(default_factory=OnsetFinder)
    _waiting: list[FloatArray] = field(default_factory=list[FloatArray])
    _count: int = 0

    def hear(self, block: DuplexBlock) -> HeardBlock:
        """Clean one block and judge the windows that it completes."""
        at_s = (block.index + 1) * BLOCK_S
        lost = None
        if block.gap:
            lost = SoundLost(at_s, block.gap * BLOCK_S)
            self._forget(block.gap * BLOCK_S)
        clean = self.echo.process(block.near, block.far)
        listened = self.to_listen(clean)
        self.at_16k.append(listened)
        self.at_24k.append(self.to_speech(clean))
        windows = tuple(
            Window(at_s, speech, self.echo.explained()) for speech in self._judged(listened)
        )
        clean_db, far_db = level_db(clean), level_db(block.far)
        sudden = self._onsets.block(
            level_db(block.near), clean_db, far_db, self.echo.unexplained_db
        )
        onset = Onset(at_s) if sudden else None
        self.meters.near_db = decay(self.meters.near_db, clean_db)
        self.meters.far_db = decay(self.meters.far_db, far_db)
        if windows:
            self.meters.speech = windows[-1].speech
        return HeardBlock(at_s, block.index, block.near, clean, block.far, windows, onset, lost)

    def begin_again(self) -> None:
        """Another device: another room and another echo."""
        self._forget(0.0)

    def _judged(self, listened: FloatArray) -> list[float]:
        self._waiting.append(listened)
        self._count += len(listened)
        if self._count < _WINDOW:
            return []
        joined = np.concatenate(self._waiting)
        whole = len(joined) // _WINDOW * _WINDOW
        self._waiting, self._count = [joined[whole:]], len(joined) - whole
        judged = self.vad.probabilities(joined[:whole].reshape(-1, _WINDOW))
        return [float(value) for value in judged]

    def _forget(self, gap_s: float) -> None:
        self.at_16k.silence(gap_s)
        self.at_24k.silence(gap_s)
        if 0 < gap_s < _HICCUP_S:
            return
        self.vad.reset()
        self.echo.reset()
        self._onsets.reset()
        self._waiting, self._count = [], 0


def level_db(samples: FloatArray) -> float:
    """Level of some samples in dBFS, at least -90."""
    power = float(np.dot(samples, samples)) / max(1, len(samples))
    return max(_FLOOR_DB, 10.0 * float(np.log10(power + 1e-12)))


def decay(shown_db: float, now_db: float, fall_db: float = 24.0 * BLOCK_S) -> float:
    """A meter that rises at once and falls by 24 dB a second."""
    return max(now_db, shown_db - fall_db)
