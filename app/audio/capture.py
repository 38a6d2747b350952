"""From two devices on two clocks to blocks of microphone and loudspeaker side by side.

Each side counts its samples and notes when its callback ran. From these notes follows when each
sample came or went, so that the loudspeaker's sound can be laid beside the microphone's: never
later than its echo, and not drifting away from it while the two clocks do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.audio.ring import Ring
from app.audio.stream import SeamlessResampler
from app.core.live_ports import BLOCK_S, BLOCK_SAMPLES, SESSION_RATE_HZ
from app.core.types import FloatArray

_KEPT_S = 4.0
_CHUNK = 4096
_WINDOW_S = 1.0
# Samples at 48 kHz by which the loudspeaker's sound may be off before it is moved, and at which it
# is left alone again; beyond the last one it is laid anew.
_OFF = 48.0
_GOOD = 12.0
_LOST = 2400.0
# While the times are new the place is corrected at once: nothing has adapted to it yet.
_NEW_BLOCKS = 300
# The microphone waits as long for a loudspeaker whose callback is late.
_PATIENCE = 10 * BLOCK_SAMPLES
# A microphone that falls back by more than this within a second has lost sound.
_HOLE_S = 0.15


class Capture:
    """The microphone's side of the callback: averages the channels into a ring and counts."""

    def __init__(self, rate_hz: int, clock: Callable[[], float]) -> None:
        self.rate_hz = rate_hz
        self.ring = Ring(round(_KEPT_S * rate_hz))
        self.xruns = 0
        self.stamp = (0, clock())
        """Samples so far and when the newest of them came."""
        self.loud_at = 0
        """Samples so far when one was last other than zero."""
        self._clock = clock
        self._mono: FloatArray = np.zeros(_CHUNK, np.float32)

    def called(self, sound: FloatArray, _age_s: float, lost: bool) -> None:
        """The device's callback: (N, C)."""
        channels = sound.shape[1]
        for first in range(0, len(sound), _CHUNK):
            part = sound[first : first + _CHUNK]
            mono = self._mono[: len(part)]
            np.add.reduce(part, axis=1, out=mono)
            if channels > 1:
                np.multiply(mono, 1.0 / channels, out=mono)
            self.ring.put(mono)
            if mono.any():
                self.loud_at = self.ring.end
        self.xruns += lost
        self.stamp = (self.ring.end, self._clock())


class Track:
    """A device's ring as a 48 kHz stream that begins when the track is made."""

    def __init__(self, source: Ring, rate_hz: int) -> None:
        self._source = source
        self._rate_hz = rate_hz
        self._resampler = SeamlessResampler(rate_hz, SESSION_RATE_HZ)
        self._origin = self._read = source.end
        self.ring = Ring(round((_KEPT_S + 1.0) * SESSION_RATE_HZ))

    def pull(self) -> bool:
        """Take what is new; False when the source has overwritten what was not taken yet."""
        end = self._source.end
        if self._source.oldest > self._read:
            return False
        self.ring.put(self._resampler.stream(self._source.between(self._read, end)))
        self._read = end
        return True

    def second(self, position: float) -> float:
        """The 48 kHz ``position`` in seconds of the source's own count."""
        return self._origin / self._rate_hz + position / SESSION_RATE_HZ

    def position(self, second: float) -> float:
        """The 48 kHz position of a second of the source's own count."""
        return (second - self._origin / self._rate_hz) * SESSION_RATE_HZ


class Earliest:
    """When a side's count began, by the clock: the earliest that any callback of late says.

    A callback can run late and never early, so the earliest is the truest. Looking back one to two
    seconds lets the answer follow a device whose clock runs a little fast or slow.
    """

    def __init__(self) -> None:
        self._before = self._now = float("inf")
        self._since_s = float("-inf")

    def note(self, count_s: float, at_s: float) -> None:
        """At ``at_s`` the side had counted ``count_s`` seconds of sound."""
        if at_s - self._since_s >= _WINDOW_S:
            self._before, self._now = self._now, float("inf")
            self._since_s = at_s
        self._now = min(self._now, at_s - count_s)

    @property
    def start_s(self) -> float:
        """The clock's time of the count's second 0; infinite before the first note."""
        return min(self._before, self._now)


class Pairing:
    """Which of the loudspeaker's samples lie beside the microphone's next ones."""

    def __init__(self) -> None:
        self.at: int | None = None
        self.slips = 0
        """Samples dropped or repeated so far to follow the clocks."""
        self.jumps = 0
        self._moving = False
        self._laid = 0

    def relay(self) -> None:
        """Lay the next block anew: the loudspeaker stood still meanwhile."""
        self.at = None

    def next(self, wanted: float) -> int:
        """Where the next block of the loudspeaker begins when it should be at ``wanted``.

        It goes on where the last one ended. When the clocks have drifted apart, one sample per
        block is left out or given twice until it fits, which no ear and no canceller minds.
        """
        off = 0.0 if self.at is None else wanted - self.at
        new = self._laid < _NEW_BLOCKS and abs(off) > _OFF
        if self.at is None or new or abs(off) > _LOST:
            self.jumps += self.at is not None and not new
            self.at = round(wanted)
            self._moving = False
            off = 0.0
        self._laid += 1
        if abs(off) > (_GOOD if self._moving else _OFF):
            self._moving = True
            self.at += 1 if off > 0 else -1
            self.slips += 1
        else:
            self._moving = False
        start = self.at
        self.at += BLOCK_SAMPLES
        return start


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A block of both sides; ``at_s`` is when its last sample came, by the clock."""

    near: FloatArray
    far: FloatArray
    at_s: float


class Assembler:
    """Lays the loudspeaker's reference beside the microphone, 10 ms at a time.

    ``lead_s`` is how long before it was heard in the microphone's stream the loudspeaker's sound is
    put: half of what the devices say that they delay, so that a device which exaggerates up to
    twofold still has its echo after the sound that made it.
    """

    def __init__(self, capture: Capture, reference: Ring, reference_hz: int, lead_s: float) -> None:
        self.capture = capture
        self.pairing = Pairing()
        self._near = Track(capture.ring, capture.rate_hz)
        self._came = Earliest()
        self._at = 0
        self._steady_s: float | None = None
        self._checked_s = float("-inf")
        self.play(reference, reference_hz, lead_s)

    def play(self, reference: Ring, reference_hz: int, lead_s: float) -> None:
        """The loudspeaker was opened anew; the microphone goes on."""
        self._far = Track(reference, reference_hz)
        self._reference_hz = reference_hz
        self._lead_s = lead_s
        self._put_out_before = reference.end
        self._played = (0.0, 0.0)
        self._went = Earliest()
        self.pairing.relay()

    def pairs(self, played: tuple[int, float]) -> list[Pair]:
        """What is complete. ``played``: the loudspeaker's sample count and when it was asked last.

        Raises:
            LookupError: when the reader was away for so long that sound was overwritten.
        """
        count, at_s = self.capture.stamp
        if count:
            self._came.note(count / self.capture.rate_hz, at_s)
        if played[0] > self._put_out_before:
            self._played = (played[0] / self._reference_hz, played[1])
            self._went.note(*self._played)
        if not (self._near.pull() and self._far.pull()):
            raise LookupError
        found: list[Pair] = []
        while self._near.ring.end - self._at >= BLOCK_SAMPLES:
            begin_s = self._came.start_s + self._near.second(self._at)
            far = self._beside(begin_s, waited=self._near.ring.end - self._at > _PATIENCE)
            if far is None:
                break
            near = self._near.ring.between(self._at, self._at + BLOCK_SAMPLES)
            found.append(Pair(near, far, begin_s + BLOCK_S))
            self._at += BLOCK_SAMPLES
        return found

    def hole_s(self, now_s: float) -> float:
        """How much sound the microphone has lost lately without saying so; looked at each second."""
        if now_s - self._checked_s < _WINDOW_S:
            return 0.0
        self._checked_s = now_s
        start_s = self._came.start_s
        if start_s == float("inf"):
            return 0.0
        before_s, self._steady_s = self._steady_s, start_s
        if before_s is None or start_s - before_s < _HOLE_S:
            return 0.0
        return start_s - before_s

    def _beside(self, begin_s: float, waited: bool) -> FloatArray | None:
        """The loudspeaker's (480,) for the microphone's block that began to come at ``begin_s``.

        None while it is not there yet and can be waited for.
        """
        out = np.zeros(BLOCK_SAMPLES, np.float32)
        if self._went.start_s == float("inf"):
            return out
        wanted = self._wanted(begin_s)
        ring = self._far.ring
        if wanted + BLOCK_SAMPLES + _OFF > ring.end:
            if not waited:
                return None
            # It stood still and goes on later than its count says.
            self._went = Earliest()
            self._went.note(*self._played)
            self.pairing.relay()
            wanted = self._wanted(begin_s)
        start = self.pairing.next(wanted)
        first, end = max(start, ring.oldest), min(start + BLOCK_SAMPLES, ring.end)
        if end > first:
            ring.read_at(first, out[first - start : end - start])
        return out

    def _wanted(self, begin_s: float) -> float:
        return self._far.position(begin_s - self._went.start_s - self._lead_s)
