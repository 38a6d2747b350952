"""A sudden sound at the microphone while the loudspeaker plays, found within 20 ms by levels alone.

Voice activity needs 0.1 s and more of a soft beginning ("stop", "hold on") to be sure. A level needs
two blocks of 10 ms, and cannot tell a voice from a door: what it finds may lower the sound of an
answer and nothing else, until voice activity agrees.

What stands out does so in one of two ways:

- It is louder by ``_RISE_DB`` than all that the echo canceller left in the last half second, and
  louder than all that the microphone heard in it. So what gets through of an echo counts only at its
  beginning, which is waited for, and a canceller that takes less away is no sound.
- The echo does not explain it, so says the canceller, and explained all of the last half second
  better. That finds a voice beside an echo that is louder than it.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

_HOLD_BLOCKS = 50
_WARM_BLOCKS = 20
"""In this time of playback an echo shows, and what the canceller leaves of it."""
_RISE_DB = 9.0
_BLOCKS = 2
_LATE_BLOCKS = 3
"""Cleaned sound is up to so much later than the microphone's, with the two blocks that are needed."""
_LEAST_DB = -60.0
_UNEXPLAINED_DB = 9.0
_UNEXPLAINED_RISE_DB = 2.0
"""No echo stayed above 8 dB for two blocks, also where the clocks part; voices do within 0.1 s."""
_PLAYING_DB = -55.0
_FADE_DB = 1.5
"""A loudspeaker's sound stays in the room: 60 dB in 0.4 s, per block."""
_SILENT_DB = -90.0


class OnsetFinder:
    """Takes the levels of block after block, on one thread."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the room."""
        self._levels = deque([_SILENT_DB] * _HOLD_BLOCKS, _HOLD_BLOCKS)
        held = _HOLD_BLOCKS + _LATE_BLOCKS
        self._near_levels = deque([_SILENT_DB] * held, held)
        self._standing_out: list[tuple[float, float]] = []
        self._unexplained = deque([0.0] * _HOLD_BLOCKS, _HOLD_BLOCKS)
        self._surprises: list[float] = []
        self._far_db = _SILENT_DB
        self._played = 0

    def block(
        self, near_db: float, clean_db: float, far_db: float, unexplained_db: float = 0.0
    ) -> bool:
        """Whether with these 10 ms something began.

        In dBFS: microphone, cleaned microphone and loudspeaker. ``unexplained_db`` is the
        ``EchoCanceller``'s.
        """
        self._far_db = max(far_db, self._far_db - _FADE_DB)
        self._played = self._played + 1 if self._far_db > _PLAYING_DB else 0
        # Both are asked each time: each has a memory of its own.
        louder = self._louder(near_db, clean_db)
        return self._surprising(unexplained_db) or louder

    def _louder(self, near_db: float, clean_db: float) -> bool:
        limit_db = max(_LEAST_DB, max(self._levels) + _RISE_DB)
        louder = near_db > max(islice(self._near_levels, _HOLD_BLOCKS))
        self._standing_out.append((near_db, clean_db))
        if louder and clean_db > limit_db and self._played > _WARM_BLOCKS:
            return len(self._standing_out) == _BLOCKS
        for near, clean in self._standing_out:
            self._near_levels.append(near)
            self._levels.append(clean)
        self._standing_out.clear()
        return False

    def _surprising(self, unexplained_db: float) -> bool:
        limit_db = max(_UNEXPLAINED_DB, max(self._unexplained) + _UNEXPLAINED_RISE_DB)
        self._surprises.append(unexplained_db)
        if unexplained_db > limit_db and self._played > _WARM_BLOCKS:
            return len(self._surprises) == _BLOCKS
        self._unexplained.extend(self._surprises)
        self._surprises.clear()
        return False
