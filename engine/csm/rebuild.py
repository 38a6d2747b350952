"""Another window in the making: lines prefilled into a spare cache, a bite at a time.

Rotary positions are absolute, so lines that move towards the front must be prefilled again. That is
done here while nobody waits, and the finished cache changes places with the old one. What was read
is compared with what is wanted before every bite, so the conversation may go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.csm.prompt import Prepared
from engine.runtime.decoder import Decoder, Prefix

BITE = 32
"""Positions of one bite: a request waits for no more than them. Weights are read once for all."""


class Rebuild:
    """A spare decoder on its way from the voice's prefix to the lines that are wanted."""

    def __init__(self, spare: Decoder, voice: Prefix | None) -> None:
        self.spare, self.voice = spare, voice
        self._lines: list[Prepared] = []  # read whole
        self._next: Prepared | None = None  # read in part
        if voice is not None:
            spare.paste(voice)
        self.pinned = spare.length
        """Positions of the voice."""

    def bite(self, wanted: Sequence[Prepared]) -> bool:
        """Read up to ``BITE`` more positions of ``wanted``; whether all of it is there now."""
        self._take_back(wanted)
        if len(self._lines) == len(wanted):
            return True
        line = self._next = wanted[len(self._lines)]
        before = self.pinned + _positions(self._lines)
        first = self.spare.length - before
        last = min(first + BITE, line.positions)
        ids = len(line.ids)
        self.spare.read(line.ids[first:last], _frames(line, max(0, first - ids), last - ids))
        if last == line.positions:
            self._lines.append(line)
            self._next = None
        return len(self._lines) == len(wanted)

    def _take_back(self, wanted: Sequence[Prepared]) -> None:
        """Forget what was read and is not wanted any more."""
        same = common(self._lines, wanted)
        next_line = wanted[same] if same < len(wanted) else None
        if same < len(self._lines) or (self._next is not None and self._next is not next_line):
            del self._lines[same:]
            self._next = None
            self.spare.rollback(self.pinned + _positions(self._lines))


def common(some: Sequence[Prepared], others: Sequence[Prepared]) -> int:
    """How many of the first lines are the very same ones."""
    same = 0
    for one, other in zip(some, others, strict=False):
        if one is not other:
            break
        same += 1
    return same


def _positions(lines: Sequence[Prepared]) -> int:
    return sum(line.positions for line in lines)


def _frames(line: Prepared, first: int, last: int) -> np.ndarray:
    """Audio frames of a line, the one of zeros that ends it included."""
    end = np.zeros((1, line.codes.shape[1]), dtype=np.int64)
    return np.concatenate((line.codes, end))[first : max(first, last)]
