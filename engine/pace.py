"""How many frames are made at once: one while sound is waited for, more when there is enough of it.

The codec takes far less than twice as long over two frames as over one, but the first of them then
waits for the second. So a turn begins with single frames, and goes over to larger chunks when what
was handed out lasts long enough for the loudspeaker not to notice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

CHUNKS: Final = (4, 2)
"""Chunks that pay, the largest first."""

LONGEST_S: Final = 0.16
"""A chunk takes no longer to make, because a cancelled line is not left before it is made."""


class Pace:
    """Chooses the chunks of one turn by the pace at which its frames were made so far.

    A chunk is allowed when the sound that was handed out and cannot have been played yet lasts twice
    as long as making the chunk will take; where making is slower than playing that never is so. Nor
    may it hold more frames than the turn has had: the first two come one by one, because they are
    awaited, and because the pace is measured by them.
    """

    def __init__(self, frame_s: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._frame_s, self._clock = frame_s, clock
        self.begin()

    def begin(self) -> None:
        """A new turn: nothing is made, nothing is left to play."""
        self._made, self._making_s, self._began_s = 0, 0.0, 0.0
        self._played_until_s = 0.0  # when a loudspeaker that waits for nothing will have played all

    def start(self) -> int:
        """Begin to make a chunk; how many frames it may have."""
        self._began_s = self._clock()
        sizes = [size for size in CHUNKS if size <= self._made]
        ahead_s = self._played_until_s - self._began_s
        longest_s = min(ahead_s / 2, LONGEST_S)
        each_s = self._making_s / max(1, self._made)
        return next((size for size in sizes if size * each_s <= longest_s), 1)

    def done(self, frames: int) -> None:
        """The chunk is made, ready to be handed out."""
        now_s = self._clock()
        self._made += frames
        self._making_s += now_s - self._began_s
        self._played_until_s = max(self._played_until_s, now_s) + frames * self._frame_s
