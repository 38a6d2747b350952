"""The loudspeaker's side: speech in at 24 kHz, sound out at the device's rate, heard exactly.

The device's callback runs the ``Renderer``; everything here runs on the side of the conversation.
Between the two there are a ring, a queue of orders and plain numbers that one side writes and the
other reads, no lock. What was put out is kept as the reference for echo cancelling.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import numpy as np

from app.audio.ledger import Ledger
from app.audio.levels import amplitude
from app.audio.renderer import MIDDLE_S, Order, Renderer
from app.audio.ring import Ring
from app.audio.stream import SeamlessResampler
from app.core.types import SPEECH_RATE_HZ, FloatArray

AHEAD_S = 3.0
BACK_S = 1.0


class RingPlayer:
    """The ``Player`` of every sound device that asks for its samples.

    The device calls ``render`` for each of its blocks, with ``latency_s`` set to the time from then
    until the block's first sample leaves the loudspeaker. All other methods are for the
    conversation. ``clock`` must be the same for both. ``edge_s``: how long a sound that breaks off
    for want of more takes to die away.
    """

    def __init__(
        self, rate_hz: int, clock: Callable[[], float] = time.perf_counter, edge_s: float = 0.002
    ) -> None:
        self._clock = clock
        self._edge_s = edge_s
        self._lock = threading.Lock()  # among the conversation's threads; never taken by render
        self._heard = 0
        self._underruns = 0
        self._build(rate_hz, 0)

    def _build(self, rate_hz: int, heard_24k: int) -> None:
        """All memory and counts for one rate."""
        self._play = Renderer(rate_hz, self._clock, self._edge_s)
        self._ledger = Ledger(rate_hz, heard_24k)
        self._upsampler = SeamlessResampler(SPEECH_RATE_HZ, rate_hz)
        self._stretch_at = 0
        self._counted_dry = -1

    # The device's.

    @property
    def rate_hz(self) -> int:
        """The device's rate."""
        return self._play.rate_hz

    @property
    def latency_s(self) -> float:
        """From the next ``render`` until its first sample leaves the loudspeaker."""
        return self._play.latency_s

    @latency_s.setter
    def latency_s(self, seconds: float) -> None:
        self._play.latency_s = seconds

    def render(self, out: FloatArray) -> None:
        """Fill the device's next block, (N,) mono at ``rate_hz``."""
        self._play.render(out)

    @property
    def reference(self) -> Ring:
        """What ``render`` put out, at the device's rate."""
        return self._play.reference

    @property
    def played(self) -> tuple[int, float]:
        """How many samples had been put out when the device last asked for more, and when it did."""
        position, at_s, _ = self._play.stamp
        return position, at_s

    def recall(self) -> None:
        """The device was closed: what was on its way to the ear is put out again by the next one.

        No callback may be running.
        """
        with self._lock:
            self._heard_now()
            position = self._play.log.furthest(self._out_now())
            if position >= 0:
                self._play.recall(position)

    def change_rate(self, rate_hz: int) -> None:
        """Go on at another rate, with what was not yet put out; no callback may be running.

        What was on its way to the ear counts as heard. A pause goes on; the second to go back to
        is gone.
        """
        with self._lock:
            play = self._play
            if rate_hz == play.rate_hz:
                return
            import soxr

            start = max(play.read, self._stretch_at, play.high)
            rest = play.ring.between(start, max(start, play.ring.end))
            written = self._ledger.written
            heard = self._heard = max(self._heard, self._ledger.at_24k(start))
            self._build(rate_hz, heard)
            self._play.settle(*play.settled())
            ring = self._play.ring
            if len(rest):
                ring.put(soxr.resample(rest, play.rate_hz, rate_hz))
            self._ledger.extend(ring.end, written - heard)
            # What is written next begins a stretch of its own: its resampler starts anew.
            self._ledger.cut(ring.end, ring.end)
            self._stretch_at = ring.end

    # The conversation's.

    def write(self, at_24k: FloatArray) -> int:
        """Append speech; returns how many samples were taken (at most 3 s are held ahead)."""
        with self._lock:
            play = self._play
            taken = min(len(at_24k), self._space())
            if not taken:
                return 0
            if 0 <= play.dry_at != self._counted_dry:
                # Ran dry, and the speech goes on: the gap was in the middle of it.
                self._counted_dry = play.dry_at
                if play.rendered - play.dry_at <= MIDDLE_S * self._play.rate_hz:
                    self._underruns += 1
            at = self._stretch_at + self._upsampler.final
            speech = np.asarray(at_24k[:taken], np.float32)
            for part in self._upsampler.push(speech):
                play.ring.write_at(at, part)
                at += len(part)
            play.ring.advance(at)
            self._ledger.extend(at, taken)
            return taken

    def space(self) -> int:
        """How many 24 kHz samples ``write`` would take now."""
        with self._lock:
            return self._space()

    def _space(self) -> int:
        play = self._play
        waiting = play.ring.end - max(play.read, self._stretch_at)
        ahead = round(AHEAD_S * self._play.rate_hz) - waiting
        room = play.ring.capacity - round(1.5 * BACK_S * self._play.rate_hz)
        room -= play.ring.end - play.read
        return max(0, min(ahead, room) * SPEECH_RATE_HZ // self._play.rate_hz)

    def gain(self, db: float, ramp_s: float) -> None:
        """Ramp the level to ``db`` (0 is as written)."""
        self._order(Order.GAIN, amplitude(db), self._samples(ramp_s), 0)

    def pause(self, fade_s: float = 0.02) -> None:
        """Fade out and hold; what is left stays."""
        self._order(Order.PAUSE, 0.0, self._samples(fade_s), 0)

    def resume(self, back_s: float = 0.0, fade_s: float = 0.02) -> None:
        """Go on, ``back_s`` before where it stopped (at most 1 s); nothing when it is not paused."""
        back = self._samples(min(max(back_s, 0.0), BACK_S))
        self._order(Order.RESUME, 0.0, self._samples(fade_s), back)

    def flush(self, fade_s: float = 0.01) -> None:
        """Fade out and drop everything that was not played; also ends a pause.

        Where it will stop is settled here, so ``written`` is exact at once, and ``heard`` reaches
        it when the fade has left the loudspeaker.
        """
        with self._lock:
            play = self._play
            fade = self._samples(fade_s)
            end = play.ring.end
            stop = play.read
            if not play.holding or play.orders:
                # A callback may be running: it gets one block more before it sees the order.
                stop = min(end, stop + play.block + fade)
            stop = max(stop, min(play.high, end))
            self._ledger.cut(stop, end)
            self._stretch_at = end
            self._upsampler = SeamlessResampler(SPEECH_RATE_HZ, self._play.rate_hz)
            self._counted_dry = play.dry_at
            play.orders.append((Order.FLUSH, float(stop), fade, end))

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
        start, at_s, latency_s = self._play.stamp
        since_s = self._clock() - at_s - latency_s
        # Capped first: a clock that stood still for hours must not make an endless number.
        return start + math.floor(min(since_s, 60.0) * self._play.rate_hz + 0.01)

    def _heard_now(self) -> int:
        position = self._play.log.furthest(self._out_now())
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
        play = self._play
        return play.ring.end <= play.read and not play.orders

    def _order(self, order: Order, value: float, samples: int, position: int) -> None:
        with self._lock:  # the renderer may just be exchanged
            self._play.orders.append((order, value, samples, position))

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._play.rate_hz)
