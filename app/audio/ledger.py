"""What was written to the loudspeaker, counted in speech samples and in the device's own.

The device plays at its own rate and a flush drops part of what was written, so "how much was
heard" needs both counts side by side.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from app.core.types import SPEECH_RATE_HZ

_KEPT_STRETCHES = 64


@dataclass(slots=True)
class _Stretch:
    """Speech written in one go between two flushes; positions in device samples."""

    start: int
    length: int
    before_24k: int
    """Speech samples in the stretches before."""
    length_24k: int


class Ledger:
    """Maps positions in the player's ring to counts of 24 kHz samples. Not thread-safe."""

    def __init__(self, rate_hz: int, heard_24k: int = 0) -> None:
        self._rate_hz = rate_hz
        # Old stretches matter only while their last samples are on the way to the ear.
        self._stretches: deque[_Stretch] = deque(maxlen=_KEPT_STRETCHES)
        self._stretches.append(_Stretch(0, 0, heard_24k, 0))

    @property
    def written(self) -> int:
        """Speech samples written and not dropped."""
        last = self._stretches[-1]
        return last.before_24k + last.length_24k

    def extend(self, end: int, taken_24k: int) -> None:
        """``taken_24k`` more were written and now reach to device position ``end``."""
        last = self._stretches[-1]
        last.length = end - last.start
        last.length_24k += taken_24k

    def cut(self, stop: int, restart: int) -> None:
        """Nothing from device position ``stop`` on will be played; what is next is at ``restart``."""
        while len(self._stretches) > 1 and self._stretches[-1].start >= stop:
            self._stretches.pop()
        last = self._stretches[-1]
        if stop < last.start + last.length:
            last.length = max(0, stop - last.start)
            last.length_24k = min(last.length_24k, last.length * SPEECH_RATE_HZ // self._rate_hz)
        self._stretches.append(_Stretch(restart, 0, self.written, 0))

    def at_24k(self, position: int) -> int:
        """How many speech samples lie before device position ``position``."""
        found = self._stretches[0]
        for stretch in reversed(self._stretches):
            if stretch.start <= position:
                found = stretch
                break
        into = position - found.start
        if into >= found.length:
            return found.before_24k + found.length_24k
        part = max(0, into) * SPEECH_RATE_HZ // self._rate_hz
        return found.before_24k + min(part, found.length_24k)


class PlayLog:
    """Which content was put out when, for the last minutes of a device that asks for its sound.

    The device's callback writes, the conversation reads, without a lock: an entry that is read is
    thousands of blocks away from the one that is written.
    """

    def __init__(self, entries: int = 4096) -> None:
        # Position put out, position of the content, how much of it, furthest content before.
        self._entries = [(0, 0, 0, 0)] * entries
        self._count = 0

    def note(self, out: int, content: int, count: int, before: int) -> None:
        """From ``out`` on, ``count`` samples of content from ``content`` on were put out."""
        self._entries[self._count % len(self._entries)] = (out, content, count, before)
        self._count += 1

    def furthest(self, out: int) -> int:
        """The furthest content that had been put out before position ``out``; -1: too long ago."""
        newest = self._count - 1
        for number in range(newest, max(-1, newest - len(self._entries) + 2), -1):
            start, content, count, before = self._entries[number % len(self._entries)]
            if start <= out:
                return max(before, content + min(count, out - start))
        return 0 if newest < 0 else -1
