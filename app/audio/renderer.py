"""The loudspeaker's side inside the device's callback: copies, multiplies and counts, nothing else.

It never waits, allocates for sound or takes a lock. What it is to do comes as orders in a queue;
what it has done is in plain numbers that the conversation's side (``player.py``) reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto

from app.audio.ledger import PlayLog
from app.audio.ramp import Edge, Ramp
from app.audio.ring import Ring
from app.core.types import FloatArray

MIDDLE_S = 0.3
"""Sound that comes so soon after the ring ran dry goes on with the same speech."""
# Room for what is played, what was flushed but still fades, what is new, and the second to go back.
_RING_S = 8.0
_REFERENCE_S = 4.0
_CHUNK = 4096
_AGAIN_FADE_S = 0.01


class Order(Enum):
    """What the conversation may ask of the renderer."""

    GAIN = auto()
    """Be at a factor after as many samples."""
    PAUSE = auto()
    """Fade out over as many samples and hold."""
    RESUME = auto()
    """Fade in over as many samples, from as many before."""
    FLUSH = auto()
    """Fade out over as many samples, be silent from one position and go on at another."""


class _Ending(Enum):
    """What a fade-out in progress leads to."""

    NONE = auto()
    HOLD = auto()
    DROP = auto()


class Renderer:
    """Plays a ring at one rate. Positions count samples of the ring, or those put out.

    The attributes are the callback's to write and everybody's to read, but for ``orders``, which
    the conversation fills with (order, factor or stop, samples, position).
    """

    def __init__(self, rate_hz: int, clock: Callable[[], float], edge_s: float) -> None:
        self.rate_hz = rate_hz
        self._clock = clock
        self.ring = Ring(round(_RING_S * rate_hz))
        """What is to be played."""
        self.reference = Ring(round(_REFERENCE_S * rate_hz))
        """What was put out."""
        self.orders: deque[tuple[Order, float, int, int]] = deque()
        self.log = PlayLog()
        self.latency_s = 0.0
        self.stamp = (0, clock(), 0.0)
        """The last block: its first position put out, when it was asked for, its latency."""
        self.read = 0
        """Next position of the ring to be played."""
        self.high = 0
        """Furthest position that was played: ``read``, unless something is repeated."""
        self.block = 0
        """Size of the last block."""
        self.holding = False
        self.dry_at = -1
        """Position put out at which there was nothing more to play; -1 while there is."""
        self._rendered = 0
        self._floor = 0
        self._fade = Ramp(1.0, _CHUNK)
        self._gain = Ramp(1.0, _CHUNK)
        self._edge = Edge(round(edge_s * rate_hz))
        self._raw_last = 0.0
        self._ending = _Ending.NONE
        self._lead = 0
        self._fade_next = -1
        self._drop_to = 0
        self._drop_stop = 0

    @property
    def rendered(self) -> int:
        """How many samples were put out."""
        return self._rendered

    # With no callback running.

    def recall(self, position: int) -> None:
        """Go back to ``position``: what came after it was not heard."""
        if self.holding or self._ending is not _Ending.NONE:
            return
        self.read = self.high = max(self._floor, min(self.read, position))
        self.log.note(self._rendered, self.read, 0, self.high)
        self.dry_at = -1
        self._fade.to(0.0, 0)
        self._fade.to(1.0, round(_AGAIN_FADE_S * self.rate_hz))

    def settled(self) -> tuple[bool, float]:
        """Whether it will hold, and its gain, when all orders are carried out."""
        held = self.holding or self._ending is _Ending.HOLD
        gain = self._gain.target
        for order, value, _, _ in self.orders:
            if order is Order.GAIN:
                gain = value
            else:
                held = order is Order.PAUSE
        return held, gain

    def settle(self, held: bool, gain: float) -> None:
        """Begin like this."""
        self._gain.to(gain, 0)
        self.holding = held
        self._fade.to(0.0 if held else 1.0, 0)

    # In the callback.

    def render(self, out: FloatArray) -> None:
        """Fill the device's next block, (N,) mono at ``rate_hz``. Called by the device only."""
        self.stamp = (self._rendered, self._clock(), self.latency_s)
        self.block = len(out)
        self._obey()
        done = 0
        while done < len(out):
            done += self._piece(out[done : done + _CHUNK])
        self.reference.put(out)

    def _piece(self, out: FloatArray) -> int:
        """Render up to the next thing that happens; how many samples that was."""
        count = len(out)
        if self.holding:
            out.fill(0.0)
            self._note(0, count)
            self._gain.apply(out)
            return count
        if self._ending is not _Ending.NONE:
            count = self._until_ending(count)
            if not count:
                return 0
        sound = out[:count]
        bound = self._drop_to if self._ending is _Ending.DROP else self.ring.end
        taken = min(count, max(0, bound - self.read))
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
        self.ring.read_at(self.read, sound)
        self._raw_last = float(sound[-1])
        if self.dry_at >= 0:
            late = self._rendered - self.dry_at
            self._edge.comes_back(softly=late <= MIDDLE_S * self.rate_hz)
            self.dry_at = -1
        self._edge.into(sound)

    def _nothing(self, sound: FloatArray) -> None:
        """Silence, after the last sample has died away: a sudden end would click."""
        sound.fill(0.0)
        if self.dry_at < 0 and self.read > self._floor:
            self.dry_at = self._rendered
            self._edge.broke_off(self._raw_last)
        self._edge.out_of(sound)

    def _note(self, taken: int, count: int) -> None:
        """Log ``count`` samples put out, of which ``taken`` were content, and move on."""
        self.log.note(self._rendered, self.read, taken, self.high)
        self.read += taken
        self.high = max(self.high, self.read)
        self._rendered += count

    def _obey(self) -> None:
        """Carry out the orders that wait; a fade-out is finished before a pause or resume."""
        while self.orders:
            order, value, samples, position = self.orders[0]
            fading = self._ending is not _Ending.NONE
            if fading and order in (Order.PAUSE, Order.RESUME):
                return
            self.orders.popleft()
            match order:
                case Order.GAIN:
                    self._gain.to(value, samples)
                case Order.PAUSE:
                    self._begin_pause(samples)
                case Order.RESUME:
                    self._begin_again(samples, position)
                case Order.FLUSH:
                    self._begin_drop(int(value), samples, position)

    def _begin_pause(self, fade: int) -> None:
        if self.holding:
            return
        self._ending = _Ending.HOLD
        self._fade.to(0.0, fade)
        if not fade:
            self._end()

    def _begin_again(self, fade: int, back: int) -> None:
        if not self.holding:
            return
        self.holding = False
        self.dry_at = -1
        self.read = max(self._floor, self.read - back, self.ring.oldest)
        self._fade.to(1.0, fade)

    def _begin_drop(self, stop: int, fade: int, to: int) -> None:
        if self._ending is _Ending.DROP:
            self._drop_to, self._drop_stop = to, max(stop, self._drop_stop)
            return
        self._ending = _Ending.DROP
        self._drop_to, self._drop_stop = to, stop
        if self.holding or self.read >= to:
            self._end()
            return
        left = stop - self.read
        self._lead = min(max(0, left - fade), self.block)
        self._fade_next = min(fade, left) if left > 0 else fade

    def _end(self) -> None:
        """A fade-out is over: hold, or go on behind what was dropped."""
        if self._ending is _Ending.DROP:
            self.high = max(self.high, self._drop_stop)
            self.read = self._floor = self._drop_to
            self._fade.to(1.0, 0)
            self.holding = False
            self.dry_at = -1
        else:
            self.holding = True
        self._lead, self._fade_next = 0, -1
        self._raw_last = 0.0
        self._ending = _Ending.NONE
