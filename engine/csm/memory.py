"""What the model remembers of a conversation: the voice prompt, the lines in the window, the cache.

Everything but the voice can be taken back. Rolling back is setting the cache's length, so it is
exact: what lies before is bit for bit what it was. Only when the window overflowed meanwhile has
the cache been built anew, and what was dropped then stays dropped.

A window that fills up is built anew ahead of time, in the pauses of the conversation (``rest``), so
that no line has to wait for it; so is one whose voice was exchanged.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.csm import prompt
from engine.csm.prompt import Prepared
from engine.csm.rebuild import Rebuild, common
from engine.runtime.decoder import Decoder, Prefix
from engine.types import CodeArray

CROWDED = 0.7
"""A window that is fuller than this is built anew when there is time, down to ``ROOMY``."""
ROOMY = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A place in a conversation, for ``Memory.back_to``."""

    history: tuple[Prepared, ...]
    turn: int
    turn_dropped: int
    dropped: int


class Marks:
    """The last places that were marked, each with the state of the noise that the sampler draws."""

    def __init__(self, most: int = 16) -> None:
        self._marks: deque[tuple[int, Place, bytes]] = deque(maxlen=most)
        self._numbers = itertools.count(1)

    def put(self, place: Place, noise: bytes) -> int:
        """Remember a place; its number."""
        number = next(self._numbers)
        self._marks.append((number, place, noise))
        return number

    def back_to(self, number: int) -> tuple[Place, bytes]:
        """What was remembered under ``number``; marks made later are forgotten.

        Raises:
            ValueError: when the mark is too old, or was itself forgotten.
        """
        if all(known != number for known, _, _ in self._marks):
            raise ValueError(f"there is no mark {number} in this conversation")
        while self._marks[-1][0] != number:
            self._marks.pop()
        return self._marks[-1][1:]


class Memory:
    """The window of one conversation. Lines stay whole: the oldest are dropped entirely."""

    def __init__(self, decoder: Decoder, voice: Prefix | None) -> None:
        self.history: list[Prepared] = []
        self._decoder, self._voice = decoder, voice
        self._turn = 0  # index in the history of the first line spoken this turn
        self._turn_dropped = 0  # frames of this turn in lines that the window dropped
        self._dropped = 0  # lines that the window dropped since the conversation began
        self._rebuild: Rebuild | None = None
        self._changing = False  # whether it exchanges the voice
        self._rebuild_drops = 0  # the value of ``_dropped`` once it has taken place
        if voice is not None:
            decoder.paste(voice)
        self._pinned = decoder.length

    @property
    def positions(self) -> int:
        """Places of the window in use."""
        return self._decoder.length

    @property
    def turn_lines(self) -> Sequence[Prepared]:
        """Lines spoken since ``new_turn`` that are in the window."""
        return tuple(self.history[self._turn :])

    @property
    def turn_frames(self) -> int:
        """Frames spoken since ``new_turn``, those of dropped lines included."""
        return self._turn_dropped + sum(len(line.codes) for line in self.turn_lines)

    def add(self, line: Prepared) -> bool:
        """Append a whole line. One too long for the whole window is left out: False."""
        fits = self.make_room(line.positions)
        if fits:
            self._prefill(line)
            self.history.append(line)
        return fits

    def new_turn(self) -> None:
        """What is spoken from here on is one turn."""
        self._turn, self._turn_dropped = len(self.history), 0

    def begin(self, ids: Sequence[int], said: CodeArray) -> None:
        """Begin a line: put its text, and what was said of it before (T, K), into the cache."""
        self._decoder.read(ids, said)

    def end(self, ids: tuple[int, ...], codes: CodeArray, *, pending: bool) -> None:
        """Finish the begun line. ``pending``: its last frame was drawn but not fed."""
        tail = self._end_frame()
        self._decoder.read((), np.concatenate((codes[-1:], tail)) if pending else tail)
        self.history.append(Prepared(ids, codes))

    def rollback(self, positions: int) -> None:
        """Drop a begun line of which nothing was spoken."""
        self._decoder.rollback(positions)

    def keep(self, frames: int) -> bool:
        """Cut the turn's speech to its first ``frames`` frames; whether anything was cut.

        Exact: the cache is set back to that frame and an EOS frame is appended.
        """
        frames -= self._turn_dropped
        for index in range(self._turn, len(self.history)):
            line = self.history[index]
            if frames < len(line.codes):
                start = self._decoder.length - sum(s.positions for s in self.history[index:])
                self._decoder.rollback(start + (len(line.ids) + frames if frames > 0 else 0))
                del self.history[index:]
                if frames > 0:
                    self.end(line.ids, line.codes[:frames], pending=False)
                return True
            frames -= len(line.codes)
        return False

    def place(self) -> Place:
        """Here."""
        return Place(tuple(self.history), self._turn, self._turn_dropped, self._dropped)

    def back_to(self, place: Place) -> None:
        """Be as at ``place``, less the lines that the window has dropped since."""
        gone = place.history[: self._dropped - place.dropped]
        kept = place.history[len(gone) :]
        same = common(self.history, kept)
        self._decoder.rollback(self._pinned + sum(line.positions for line in kept[:same]))
        for line in kept[same:]:  # cut by ``keep`` since: spoken again, for the cache alone
            self._prefill(line)
        self.history = list(kept)
        self._dropped = place.dropped + len(gone)
        self._turn = max(0, place.turn - len(gone))
        self._turn_dropped = place.turn_dropped + _frames(gone[place.turn :])

    def forget_older_half(self) -> None:
        """Make do with the newer half of the lines, when memory is short."""
        self._rebuild = self._rebuild if self._changing else None
        self._drop((len(self.history) + 1) // 2)

    def make_room(self, room: int) -> bool:
        """Free ``room`` positions by dropping whole oldest lines; False when it cannot be.

        When it must drop, it drops down to three quarters of the window, because what stays has
        to be prefilled again (rotary positions are absolute).
        """
        window = self._decoder.capacity
        if self._decoder.length + room <= window:
            return True
        if self._pinned + room > window:
            return False
        while self._rebuild is not None and self.rest():
            pass  # begun in a pause: what is done of it need not be done again
        if self._decoder.length + room <= window:
            return True
        lengths = [line.positions for line in self.history]
        most = max(self._pinned + room, window * 3 // 4)
        self._drop(len(lengths) - len(prompt.plan(lengths, self._pinned, room, most).kept))
        return True

    def change_voice(self, voice: Prefix | None, lines: Sequence[Prepared]) -> None:
        """Put another voice in front, and ``lines`` in the place of the history, each as long.

        The cache is built in bites by ``rest``, or at once by ``settle_voice``.
        """
        self.history, self._changing = list(lines), True
        self._begin_rebuild(voice, self._dropped)

    def settle_voice(self) -> None:
        """Finish the exchange of the voice, if there is one."""
        while self._changing and self.rest():
            pass

    def rest(self) -> bool:
        """Use a pause for a bite of the work that is to come; whether there is more of it."""
        if not self._changing:
            if self._decoder.length <= CROWDED * self._decoder.capacity:
                self._rebuild = None
                return False
            drop = self._beyond(self._pinned, ROOMY)
            if self._rebuild is None and drop:
                self._begin_rebuild(self._voice, self._dropped + drop)
        rebuild = self._rebuild
        if rebuild is None:
            return False
        drop = max(self._rebuild_drops - self._dropped, self._beyond(rebuild.pinned, CROWDED))
        if not rebuild.bite(self.history[drop:]):
            return True
        self._forget(drop)
        self._decoder.adopt(rebuild.spare)
        self._voice, self._pinned = rebuild.voice, rebuild.pinned
        self._rebuild, self._changing = None, False
        return False

    def _begin_rebuild(self, voice: Prefix | None, drops: int) -> None:
        self._rebuild, self._rebuild_drops = Rebuild(self._decoder.spare(), voice), drops

    def _beyond(self, pinned: int, part: float) -> int:
        """How many of the oldest lines do not fit into a part of the window."""
        lengths = [line.positions for line in self.history]
        most = round(self._decoder.capacity * part)
        return len(lengths) - len(prompt.plan(lengths, pinned, 0, most).kept)

    def _drop(self, lines: int) -> None:
        """Drop the oldest ``lines`` and build the cache of what stays."""
        self._forget(lines)
        self._decoder.rollback(self._pinned)
        for line in self.history:
            self._prefill(line)

    def _forget(self, lines: int) -> None:
        """Drop the oldest ``lines`` from the account, not from the cache."""
        self._turn_dropped += _frames(self.history[self._turn : lines])
        self._turn = max(0, self._turn - lines)
        self._dropped += lines
        del self.history[:lines]

    def _prefill(self, line: Prepared) -> None:
        self._decoder.read(line.ids, np.concatenate((line.codes, self._end_frame())))

    def _end_frame(self) -> CodeArray:
        return np.zeros((1, self._decoder.config.codebooks), dtype=np.int64)


def _frames(lines: Sequence[Prepared]) -> int:
    return sum(len(line.codes) for line in lines)
