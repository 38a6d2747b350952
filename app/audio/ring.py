"""A fixed stretch of memory for sound that goes from one thread to another without a lock.

One thread writes, one reads; positions count samples since the ring was made, so both sides speak
of the same sample by the same number, and what was read stays readable until it is overwritten.
"""

from __future__ import annotations

import numpy as np

from app.core.types import FloatArray


class Ring:
    """The last ``capacity`` samples of an endless stream of mono sound.

    ``put`` may run in a sound device's callback: it copies and counts, nothing else. It never
    refuses: a reader that is slower than a whole ring finds that its samples are gone
    (``oldest``), and a writer that must not overrun its reader keeps that distance itself.
    """

    def __init__(self, capacity: int) -> None:
        assert capacity > 0, capacity
        self._data: FloatArray = np.zeros(capacity, np.float32)
        self._end = 0

    @property
    def capacity(self) -> int:
        """How many samples are kept."""
        return len(self._data)

    @property
    def end(self) -> int:
        """Position after the last sample written."""
        return self._end

    @property
    def oldest(self) -> int:
        """Position of the oldest sample that is still there."""
        return max(0, self._end - len(self._data))

    def put(self, samples: FloatArray) -> None:
        """Append (N,); N is at most the capacity. The reader sees all of it or nothing."""
        self.write_at(self._end, samples)
        self._end += len(samples)

    def write_at(self, position: int, samples: FloatArray) -> None:
        """Copy (N,) to ``position``, which may lie before or at ``end``; ``end`` stays."""
        size = len(self._data)
        count = len(samples)
        assert count <= size, (count, size)
        at = position % size
        first = min(count, size - at)
        self._data[at : at + first] = samples[:first]
        if first < count:
            self._data[: count - first] = samples[first:]

    def advance(self, end: int) -> None:
        """Show the reader what ``write_at`` left up to ``end``."""
        assert end >= self._end, (end, self._end)
        self._end = end

    def read_at(self, position: int, out: FloatArray) -> None:
        """Fill ``out`` (N,) from ``position``; all of it must lie in ``oldest`` to ``end``."""
        size = len(self._data)
        count = len(out)
        at = position % size
        first = min(count, size - at)
        out[:first] = self._data[at : at + first]
        if first < count:
            out[first:] = self._data[: count - first]

    def between(self, start: int, end: int) -> FloatArray:
        """A copy of the samples from ``start`` to ``end``; not for callbacks."""
        out = np.empty(max(0, end - start), np.float32)
        self.read_at(start, out)
        return out
