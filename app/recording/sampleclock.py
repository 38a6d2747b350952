"""Where a moment of the session lies in its recording.

The conversation's clock counts 10 ms blocks from its beginning. A recording may begin later, and a
very long gap (the computer slept) is left out of it; everything else is filled, so positions
are exact to the sample.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.live_ports import BLOCK_S


@dataclass(frozen=True, slots=True)
class SampleClock:
    """``pieces``: (block of the session, block of the recording) at which each unbroken piece starts."""

    pieces: tuple[tuple[int, int], ...] = ()

    def position_s(self, at_s: float) -> float:
        """Seconds from the recording's start to the session's moment ``at_s``; at least 0.

        A moment that was left out is where the next piece starts.
        """
        if not self.pieces:
            return max(0.0, at_s)
        # Times come as multiples of 10 ms that floats cannot all hold.
        block = at_s / BLOCK_S + 1e-6
        number = bisect_right([start for start, _ in self.pieces], block) - 1
        if number < 0:
            return 0.0
        start, place = self.pieces[number]
        position = place + at_s / BLOCK_S - start
        if number + 1 < len(self.pieces):
            position = min(position, self.pieces[number + 1][1])
        return max(0.0, round(position * BLOCK_S, 6))

    def with_piece(self, index: int, place: int) -> SampleClock:
        """With one more piece, of later blocks."""
        return SampleClock((*self.pieces, (index, place)))

    def told(self) -> list[list[int]]:
        """As JSON holds it."""
        return [list(piece) for piece in self.pieces]


def clock_from(told: object) -> SampleClock:
    """The clock that ``SampleClock.told`` described; an empty one when that is no clock."""
    if not isinstance(told, Sequence):
        return SampleClock()
    try:
        pieces = [(int(start), int(place)) for start, place in told]
    except (TypeError, ValueError):
        return SampleClock()
    return SampleClock(tuple(sorted(pieces)))
