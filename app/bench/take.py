"""What was observed of one item: the decisions, the exact labels, and what the loudspeaker gave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.bench.sets import Item
from app.core.live_ports import SESSION_RATE_HZ
from app.core.types import FloatArray

Record = dict[str, Any]
"""One line of a conversation's log: ``at_s``, ``kind`` and the fields of that kind."""

AUDIBLE = 0.003
"""Peak amplitude from which the loudspeaker is heard: -50 dBFS, 30 dB below speech."""
_MS = SESSION_RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class Said:
    """Words of the user and exactly when they sounded at the microphone."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Loud:
    """The loudspeaker's peak amplitude in every millisecond from ``from_s`` on (N,)."""

    from_s: float
    peaks: FloatArray

    @staticmethod
    def of(samples: FloatArray, from_s: float) -> Loud:
        """The envelope of what was played, (N,) at 48 kHz from ``from_s`` on."""
        whole = samples[: len(samples) // _MS * _MS].reshape(-1, _MS)
        return Loud(from_s, np.abs(whole).max(axis=1) if len(whole) else np.zeros(0, np.float32))

    def _audible(self, start_s: float, end_s: float) -> tuple[int, Any]:
        first = max(0, round((start_s - self.from_s) * 1000))
        last = max(first, round((end_s - self.from_s) * 1000))
        return first, np.flatnonzero(self.peaks[first:last] > AUDIBLE)

    def first_s(self, start_s: float, end_s: float = float("1e9")) -> float | None:
        """When something is heard for the first time from ``start_s`` on."""
        first, places = self._audible(start_s, end_s)
        return self.from_s + (first + int(places[0])) / 1000 if len(places) else None

    def last_s(self, start_s: float, end_s: float) -> float | None:
        """The end of the last millisecond in which something is heard."""
        first, places = self._audible(start_s, end_s)
        return self.from_s + (first + int(places[-1]) + 1) / 1000 if len(places) else None

    def heard_s(self, start_s: float, end_s: float, gap_s: float = 0.2) -> float:
        """For how long something is heard; pauses shorter than ``gap_s`` count as sound."""
        _, places = self._audible(start_s, end_s)
        if not len(places):
            return 0.0
        steps = np.diff(places)
        return (
            1 + int(steps[steps <= gap_s * 1000].sum()) + int((steps > gap_s * 1000).sum())
        ) / 1000


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One item as it went."""

    item: Item
    start_s: float
    end_s: float
    log: Sequence[Record]
    said: tuple[Said, ...]
    loud: Loud
    near_energy: float = 0.0
    """Of the microphone while only the loudspeaker sounds, 3 s after it first did ..."""
    clean_energy: float = 0.0
    """... and what the echo canceller left of it."""
    heard_words: int | None = None
    """Words of the cut answer that an independent listener makes out; None where it was not cut."""
    repeated_s: float | None = None
    """Sound that was played again after a pause, by comparing samples; None without a resume."""
    underruns: int = 0
    void: bool = False
    """The answer was over before anything could happen."""
    extra: dict[str, float] = field(default_factory=dict[str, float])

    def all(
        self, *kinds: str, since_s: float = -1.0, until_s: float = float("1e9")
    ) -> Iterator[Record]:
        """Records of these kinds in a span of time."""
        for record in self.log:
            if record["kind"] in kinds and since_s <= record["at_s"] <= until_s:
                yield record

    def first(
        self, *kinds: str, since_s: float = -1.0, until_s: float = float("1e9")
    ) -> Record | None:
        """The first of these records in a span of time."""
        return next(self.all(*kinds, since_s=since_s, until_s=until_s), None)

    @property
    def said_from_s(self) -> float:
        """When the user begins."""
        return self.said[0].start_s

    @property
    def said_to_s(self) -> float:
        """When the user has finished."""
        return self.said[-1].end_s
