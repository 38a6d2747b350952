"""A remembered room and one learnt from nothing, side by side, until it is clear which is better.

So a memory can help from the first word on and never harms: the microphone may have been moved, or
headphones plugged in.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.audio.linear_echo import LinearEcho
from app.core.types import FloatArray

_PLAYING = 1e-3
"""Energy of a block of the loudspeaker that counts: -57 dBFS."""
_LEAST_BLOCKS = 25
_MOST_BLOCKS = 150
_CLEARLY = 0.5
"""So much of the other's remainder decides before the time."""
_FORGETS = 0.8
_SWITCH = 0.8


class Trial:
    """Takes what ``LinearEcho`` takes and gives what the better of the two leaves."""

    def __init__(
        self, room: npt.NDArray[np.complex64], doubt: FloatArray, blank: LinearEcho
    ) -> None:
        """``room`` and ``doubt`` are those of ``LinearEcho.learnt``; ``blank`` knows nothing yet."""
        remembered = LinearEcho()
        remembered.remember(room, doubt)
        self._rivals = (remembered, blank)
        self._lately, self._total = [0.0, 0.0], [0.0, 0.0]
        self._blocks = 0
        self._taken = 0
        self.better: LinearEcho | None = None
        """The winner, once it is known."""

    def process(self, near: FloatArray, far: FloatArray) -> FloatArray:
        """(480,) of each; the microphone without the echo, as late as ``LinearEcho``'s."""
        left = [rival.process(near, far) for rival in self._rivals]
        for place, sound in enumerate(left):
            energy = float(sound @ sound)
            self._lately[place] = _FORGETS * self._lately[place] + energy
            self._total[place] += energy
        other = 1 - self._taken
        if self._lately[other] < _SWITCH * self._lately[self._taken]:
            self._taken = other
        self._blocks += float(far @ far) > _PLAYING
        remembered, blank = self._total
        clear = min(remembered, blank) < _CLEARLY * max(remembered, blank)
        if self._blocks >= (_LEAST_BLOCKS if clear else _MOST_BLOCKS):
            self.better = self._rivals[int(blank < remembered)]
            self.better.doubtful()
        return left[self._taken]
