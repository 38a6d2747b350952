"""The loudspeaker's side: speech in at 24 kHz, sound out at the device's rate, heard exactly.

``render`` runs in the device's callback and only copies, multiplies and counts; everything else
runs on the side of the conversation. Between the two there are a ring, a queue of orders and plain
numbers that one side writes and the other reads, no lock. ``render`` also keeps what it put out as
the reference for echo cancelling.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto

import numpy as np

from app.audio.ledger import Ledger, PlayLog
from app.audio.levels import amplitude
from app.audio.ramp import Edge, Ramp
from app.audio.ring import Ring
from app.audio.stream import SeamlessResampler
from app.core.types import SPEECH_RATE_HZ, FloatArray

AHEAD_S = 3.0
BACK_S = 1.0
# Room for what is played, what was flushed but still fades, what is new, and the second to go back.
_RING_S = 8.0
_REFERENCE_S = 4.0
_CHUNK = 4096
_UNDERRUN_WITHIN_S = 0.3
_AGAIN_FADE_S = 0.01


class _Order(Enum):
    GAIN = auto()
    PAUSE = auto()
    RESUME = auto()
    FLUSH = auto()


class _Ending(Enum):
    """What a fade-out in progress leads to."""

    NONE = auto()
    HOLD = auto()
    DROP = auto()


class RingPlayer:
    """The ``Player`` of every sound device that asks for its samples.

    The device calls ``render`` for each of its blocks, with ``latency_s`` set to the time from then
    until the block's first sample leaves the loudspeaker. All other methods are for the
    conversation. ``clock`` must be the same for both.
    """

    def __init__(
        self, rate_hz: int, clock: Callable[[], float] = time.perf_counter, edge_s: float = 0.002
    ) -> None:
        self.latency_s = 0.0
        self._clock = clock
        self._edge_s = edge_s
        self._lock = threading.Lock()  # never taken by render
        self._heard = 0
        self._underruns = 0
        self._build(rate_hz, 0)

    def _build(self, rate_hz: int, heard_24k: int) -> None:
        """All memory and counts for one rate."""
        self._rate_hz = rate_hz
        self._ring = Ring(round(_RING_S * rate_hz))
        self._reference = Ring(round(_REFERENCE_S * rate_hz))
        self._orders: deque[tuple[_Order, float, int, int]] = deque()
        # The conversation's.
        self._ledger = Ledger(rate_hz, heard_24k)
        self._upsampler = SeamlessResampler(SPEECH_RATE_HZ, rate_hz)
        self._stretch_at = 0
        self._counted_dry = -1
        # The callback's; the others only look.
        self._fade = Ramp(1.0, _CHUNK)
        self._gain = Ramp(1.0, _CHUNK)
        self._read = 0
        self._floor = 0
        self._high = 0
        self._rendered = 0
        self._block = 0
        self._holding = False
        self._ending = _Ending.NONE
        self._lead = 0
        self._fade_next = -1
        self._drop_to = 0
        self._drop_stop = 0
        self._dry_at = -1
        self._raw_last = 0.0
        self._edge = Edge(round(self._edge_s * rate_hz))
        self._log = PlayLog()
        self._stamp = (0, self._clock(), 0.0)

    # The conversation's side.

    @property
    def rate_hz(self) -> int:
        """The device's rate."""
        return self._rate_hz

    @property
    def reference(self) -> Ring:
        """What ``render`` put out, at the device's rate."""
        return self._reference

    def write(self, at_24k: FloatArray) -> int:
        """Append speech; returns how many samples were taken (at most 3 s are held ahead)."""
        with self._lock:
            taken = min(len(at_24k), self._space())
            if not taken:
                return 0
            if 0 <= self._dry_at != self._counted_dry:
                # Ran dry, and the speech goes on: the gap was in the middle of it.
                self._counted_dry = self._dry_at
                if self._rendered - self._dry_at <= _UNDERRUN_WITHIN_S * self._rate_hz:
                    self._underruns += 1
            at = self._stretch_at + self._upsampler.final
            speech = np.asarray(at_24k[:taken], np.float32)
            for part in self._upsampler.push(speech):
                self._ring.write_at(at, part)
                at += len(part)
            self._ring.advance(at)
            self._ledger.extend(at, taken)
            return taken

    def space(self) -> int:
        """How many 24 kHz samples ``write`` would take now."""
        with self._lock:
            return self._space()

    def _space(self) -> int:
        waiting = self._ring.end - max(self._read, self._stretch_at)
        ahead = round(AHEAD_S * self._rate_hz) - waiting
        room = self._ring.capacity - round(1.5 * BACK_S * self._rate_hz)
        room -= self._ring.end - self._read
        return max(0, min(ahead, room) * SPEECH_RATE_HZ // self._rate_hz)

    def gain(self, db: float, ramp_s: float) -> None:
        """Ramp the level to ``db`` (0 is as written)."""
        self._orders.append((_Order.GAIN, amplitude(db), self._samples(ramp_s), 0))

    def pause(self, fade_s: float = 0.02) -> None:
        """Fade out and hold; what is left stays."""
        self._orders.append((_Order.PAUSE, 0.0, self._samples(fade_s), 0))

    def resume(self, back_s: float = 0.0, fade_s: float = 0.02) -> None:
        """Go on, ``back_s`` before where it stopped (at most 1 s); nothing when it is not paused."""
        back = self._samples(min(max(back_s, 0.0), BACK_S))
        self._orders.append((_Order.RESUME, 0.0, self._samples(fade_s), back))

    def flush(self, fade_s: float = 0.01) -> None:
        """Fade out and drop everything that was not played; also ends a pause.

        Where it will stop is settled here, so ``written`` is exact at once, and ``heard`` reaches
        it when the fade has left the loudspeaker.
        """
        with self._lock:
            fade = self._samples(fade_s)
            end = self._ring.end
            stop = self._read
            if not self._holding or self._orders:
                # A callback may be running: it gets one block more before it sees the order.
                stop = min(end, stop + self._block + fade)
            stop = max(stop, min(self._high, end))
            self._ledger.cut(stop, end)
            self._stretch_at = end
            self._upsampler = SeamlessResampler(SPEECH_RATE_HZ, self._rate_hz)
            self._counted_dry = self._dry_at
            self._orders.append((_Order.FLUSH, float(stop), fade, end))

    @property
    def written(self) -> int:
        """24 kHz samples taken since the player was made, without those that were flushed."""
        with self._lock:
            return self._ledger.written

    @property
    def heard(self) -> int:
        """24 kHz samples, of those written, that have left the loudspeaker (latency deducted)."""
        with self._lock:
            return self._heard_now()

    def _out_now(self) -> int:
        """How many of the device's samples have left the loudspeaker; may exceed what it got."""
        start, at_s, latency_s = self._stamp
        since_s = self._clock() - at_s - latency_s
        # Capped first: a clock that stood still for hours must not make an endless number.
        return start + math.floor(min(since_s, 60.0) * self._rate_hz + 0.01)

    def _heard_now(self) -> int:
        position = self._log.furthest(self._out_now())
        if position >= 0:
            heard = min(self._ledger.at_24k(position), self._ledger.written)
            self._heard = max(self._heard, heard)
        return self._heard

    @property
    def underruns(self) -> int:
        """How often there was nothing to play in the middle of speech.

        Running dry counts when more speech comes within 300 ms; the end of a reply is no underrun.
        """
        return self._underruns

    @property
    def idle(self) -> bool:
        """Whether nothing is left to be put out."""
        return self._ring.end <= self._read and not self._orders

    @property
    def played(self) -> tuple[int, float]:
        """How many samples had been put out when the device last asked for more, and when it did."""
        position, at_s, _ = self._stamp
        return position, at_s

    def recall(self) -> None:
        """The device was closed: what was on its way to the ear is put out again by the next one.

        No callback may be running.
        """
        with self._lock:
            self._heard_now()
            position = self._log.furthest(self._out_now())
            if position < 0 or self._holding or self._ending is not _Ending.NONE:
                return
            self._read = self._high = max(self._floor, min(self._read, position))
            self._log.note(self._rendered, self._read, 0, self._high)
            self._dry_at = -1
            self._fade.to(0.0, 0)
            self._fade.to(1.0, self._samples(_AGAIN_FADE_S))

    def change_rate(self, rate_hz: int) -> None:
        """Go on at another rate, with what was not yet put out; no callback may be running.

        What was on its way to the ear counts as heard. A pause goes on; the second to go back to
        is gone.
        """
        with self._lock:
            if rate_hz == self._rate_hz:
                return
            import soxr

            start = max(self._read, self._stretch_at, self._high)
            rest = self._ring.between(start, max(start, self._ring.end))
            written = self._ledger.written
            heard = self._heard = max(self._heard, self._ledger.at_24k(start))
            old_hz = self._rate_hz
            held, gain = self._settled()
            self._build(rate_hz, heard)
            self._gain.to(gain, 0)
            if held:
                self._holding = True
                self._fade.to(0.0, 0)
            if len(rest):
                self._ring.put(soxr.resample(rest, old_hz, rate_hz))
            self._ledger.extend(self._ring.end, written - heard)
            # What is written next begins a stretch of its own: its resampler starts anew.
            self._ledger.cut(self._ring.end, self._ring.end)
            self._stretch_at = self._ring.end

    def _settled(self) -> tuple[bool, float]:
        """Whether it will be paused, and its gain, when all orders are carried out."""
        held = self._holding or self._ending is _Ending.HOLD
        gain = self._gain.target
        for order, value, _, _ in self._orders:
            if order is _Order.GAIN:
                gain = value
            else:
                held = order is _Order.PAUSE
        return held, gain

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._rate_hz)

    # The callback's side: copies, multiplies, counts.

    def render(self, out: FloatArray) -> None:
        """Fill the device's next block, (N,) mono at ``rate_hz``. Called by the device only."""
        self._stamp = (self._rendered, self._clock(), self.latency_s)
        self._block = len(out)
        self._obey()
        done = 0
        while done < len(out):
            done += self._piece(out[done : done + _CHUNK])
        self._reference.put(out)

    def _piece(self, out: FloatArray) -> int:
        """Render up to the next thing that happens; how many samples that was."""
        count = len(out)
        if self._holding:
            out.fill(0.0)
            self._note(0, count)
            self._gain.apply(out)
            return count
        if self._ending is not _Ending.NONE:
            count = self._until_ending(count)
            if not count:
                return 0
        sound = out[:count]
        bound = self._drop_to if self._ending is _Ending.DROP else self._ring.end
        taken = min(count, max(0, bound - self._read))
        if taken:
            self._content(sound[:taken])
        if taken < count:
            self._nothing(sound[taken:])
        self._note(taken, count)
        self._fade.apply(sound)
        self._gain.apply(sound)
        return count

    def _until_ending(self, count: int) -> int:
        """How many of ``count`` samples come before the fade-out is over; 0: it now is."""
        if self._lead:
            count = min(count, self._lead)
            self._lead -= count
            return count
        if self._fade_next >= 0:
            self._fade.to(0.0, self._fade_next)
            self._fade_next = -1
        if self._fade.left:
            return min(count, self._fade.left)
        self._end()
        self._obey()
        return 0

    def _content(self, sound: FloatArray) -> None:
        """Copy what is next, rising softly where it had run dry in the middle of speech."""
        self._ring.read_at(self._read, sound)
        self._raw_last = float(sound[-1])
        if self._dry_at >= 0:
            late = self._rendered - self._dry_at
            self._edge.comes_back(softly=late <= _UNDERRUN_WITHIN_S * self._rate_hz)
            self._dry_at = -1
        self._edge.into(sound)

    def _nothing(self, sound: FloatArray) -> None:
        """Silence, after the last sample has died away: a sudden end would click."""
        sound.fill(0.0)
        if self._dry_at < 0 and self._read > self._floor:
            self._dry_at = self._rendered
            self._edge.broke_off(self._raw_last)
        self._edge.out_of(sound)

    def _note(self, taken: int, count: int) -> None:
        """Log ``count`` samples put out, of which ``taken`` were content, and move on."""
        self._log.note(self._rendered, self._read, taken, self._high)
        self._read += taken
        self._high = max(self._high, self._read)
        self._rendered += count

    def _obey(self) -> None:
        """Carry out the orders that wait; a fade-out is finished before a pause or resume."""
        while self._orders:
            order, value, samples, position = self._orders[0]
            fading = self._ending is not _Ending.NONE
            if fading and order in (_Order.PAUSE, _Order.RESUME):
                return
            self._orders.popleft()
            match order:
                case _Order.GAIN:
                    self._gain.to(value, samples)
                case _Order.PAUSE:
                    self._begin_pause(samples)
                case _Order.RESUME:
                    self._begin_again(samples, position)
                case _Order.FLUSH:
                    self._begin_drop(int(value), samples, position)

    def _begin_pause(self, fade: int) -> None:
        if self._holding:
            return
        self._ending = _Ending.HOLD
        self._fade.to(0.0, fade)
        if not fade:
            self._end()

    def _begin_again(self, fade: int, back: int) -> None:
        if not self._holding:
            return
        self._holding = False
        self._dry_at = -1
        self._read = max(self._floor, self._read - back, self._ring.oldest)
        self._fade.to(1.0, fade)

    def _begin_drop(self, stop: int, fade: int, to: int) -> None:
        if self._ending is _Ending.DROP:
            self._drop_to, self._drop_stop = to, max(stop, self._drop_stop)
            return
        self._ending = _Ending.DROP
        self._drop_to, self._drop_stop = to, stop
        if self._holding or self._read >= to:
            self._end()
            return
        left = stop - self._read
        self._lead = min(max(0, left - fade), self._block)
        self._fade_next = min(fade, left) if left > 0 else fade

    def _end(self) -> None:
        """A fade-out is over: hold, or go on behind what was dropped."""
        if self._ending is _Ending.DROP:
            self._high = max(self._high, self._drop_stop)
            self._read = self._floor = self._drop_to
            self._fade.to(1.0, 0)
            self._holding = False
            self._dry_at = -1
        else:
            self._holding = True
        self._lead, self._fade_next = 0, -1
        self._raw_last = 0.0
        self._ending = _Ending.NONE
