"""Whether there is time to choose among several readings of a line: far ahead of the loudspeaker."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.core.types import SpokenLine

_LETTERS_A_SECOND = 14.0
_SPARE = 1.3
_LEAST_S = 1.0
"""Sound that must be left when the choice is made."""
_ONE_MORE = 0.5
"""What each further reading adds to the time of one, until it was timed: they are drawn in step."""


class Ahead:
    """Counts what was made of a turn against the time since its first sound.

    The loudspeaker may have begun later than that, so there is at least as much time as is thought.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._most, self._clock = most, clock
        self._rtf = dict[int, float]()  # of lines, by how many readings were made
        self._made_s = 0.0
        self._first_s: float | None = None

    def begin_turn(self) -> None:
        """Nothing of it was made yet."""
        self._made_s, self._first_s = 0.0, None

    def candidates(self, text: str) -> int:
        """How many readings of ``text`` there is time for: all that are wanted, or one."""
        if self._most <= 1 or self._first_s is None or not self._rtf:
            return 1
        left_s = self._made_s - (self._clock() - self._first_s)
        rtf = self._rtf.get(self._most) or self._rtf[1] * (1 + _ONE_MORE * (self._most - 1))
        needed_s = len(text) / _LETTERS_A_SECOND * rtf * _SPARE
        return self._most if left_s - needed_s >= _LEAST_S else 1

    def made(self, line: SpokenLine, candidates: int) -> None:
        """Note a line that was made of so many readings."""
        if not line.audio_s:
            return
        if self._first_s is None:
            self._first_s = self._clock() - line.elapsed_s + line.first_audio_s
        self._made_s += line.audio_s
        self._rtf[candidates] = line.elapsed_s / line.audio_s
