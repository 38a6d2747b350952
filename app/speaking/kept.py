"""What was said in a conversation, kept outside the engine so that a new engine can be told it.

Lines are kept as the codec's codes, which is exactly how the model remembers them, and no more of
them than its window holds. The counting mirrors ``engine.csm.memory``.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

_MARKS = 16  # as many as the engine keeps


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A line with its codes (``frames`` × ``frame_bytes``); ``own`` when the engine spoke it here."""

    speaker: int
    text: str
    codes: bytes
    frame_bytes: int
    own: bool
    positions: int
    """Places that it takes in the model's window, or somewhat fewer."""

    @property
    def frames(self) -> int:
        """80 ms frames in it."""
        return len(self.codes) // self.frame_bytes

    def first(self, frames: int) -> KeptLine:
        """Its first ``frames`` frames."""
        cut = self.codes[: frames * self.frame_bytes]
        return replace(self, codes=cut, positions=self.positions - self.frames + frames)


@dataclass(frozen=True, slots=True)
class _Mark:
    number: int
    lines: tuple[KeptLine, ...]
    turn: int
    turn_dropped: int
    life: int
    engine_mark: int


@dataclass(slots=True)
class Kept:
    """The lines of one conversation, oldest first."""

    window: int
    lines: list[KeptLine] = field(default_factory=list[KeptLine])
    _turn: int = 0
    _turn_dropped: int = 0
    _marks: deque[_Mark] = field(default_factory=lambda: deque[_Mark](maxlen=_MARKS))
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def turn_frames(self) -> int:
        """Frames spoken since the last ``hear``."""
        return self._turn_dropped + sum(line.frames for line in self.lines[self._turn :])

    def hear(self, line: KeptLine) -> None:
        """Somebody else's line, or one of an earlier conversation: a new turn begins."""
        if line.positions <= self.window:
            self.lines.append(line)
            self._prune()
        self._turn, self._turn_dropped = len(self.lines), 0

    def speak(self, lines: Sequence[KeptLine]) -> None:
        """What was spoken of a text, part by part."""
        self.lines += lines
        self._prune()

    def keep_heard(self, frames: int) -> int:
        """Cut the turn's speech to its first ``frames`` frames; how many were cut."""
        before = self.turn_frames
        frames -= self._turn_dropped
        for index in range(self._turn, len(self.lines)):
            line = self.lines[index]
            if frames < line.frames:
                self.lines[index:] = [line.first(frames)] if frames > 0 else []
                break
            frames -= line.frames
        return before - self.turn_frames

    def mark(self, life: int, engine_mark: int) -> int:
        """Remember this place, which the engine in its ``life`` knows as ``engine_mark``."""
        number = next(self._numbers)
        place = (tuple(self.lines), self._turn, self._turn_dropped)
        self._marks.append(_Mark(number, *place, life, engine_mark))
        return number

    def back_to(self, number: int) -> tuple[int, int]:
        """Go back to a mark; in which life the engine knew it, and as what.

        Raises:
            ValueError: when the mark is too old, or was itself forgotten.
        """
        if all(mark.number != number for mark in self._marks):
            raise ValueError(f"there is no mark {number} in this conversation")
        while self._marks[-1].number != number:
            self._marks.pop()
        mark = self._marks[-1]
        self.lines = list(mark.lines)
        self._turn, self._turn_dropped = mark.turn, mark.turn_dropped
        return mark.life, mark.engine_mark

    def make_do(self) -> None:
        """Forget the older half, when memory ran out."""
        self._drop((len(self.lines) + 1) // 2)

    def _prune(self) -> None:
        used, first = 0, len(self.lines)
        while first > 0 and used + self.lines[first - 1].positions <= self.window:
            first -= 1
            used += self.lines[first].positions
        self._drop(first)

    def _drop(self, lines: int) -> None:
        self._turn_dropped += sum(line.frames for line in self.lines[self._turn : lines])
        self._turn = max(0, self._turn - lines)
        del self.lines[:lines]
