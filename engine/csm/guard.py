"""Ends a line that does not end itself: silence or a stuck frame after the words must be over."""

from __future__ import annotations

import numpy as np

from engine.csm.prompt import FrameBudget
from engine.types import CodeArray, FloatArray

QUIET_FRAMES = 8  # 0.64 s
QUIET_RATIO = 0.01  # 40 dB below the loudest frame of the line
SAME_FRAMES = 5


class LateEndGuard:
    """Watches one line. Quiet or repeated frames count only after the expected end."""

    def __init__(self, budget: FrameBudget) -> None:
        self._budget = budget
        self._loudest = 0.0
        self._quiet = self._same = self._frames = 0
        self._last: CodeArray | None = None

    def stuck(self, codes: CodeArray, samples: FloatArray) -> bool:
        """Note one frame, codes (K,) and sound (N,); True when the line should stop here."""
        level = float(np.sqrt(np.mean(np.square(samples))))
        self._loudest = max(self._loudest, level)
        self._quiet = self._quiet + 1 if level <= QUIET_RATIO * self._loudest else 0
        repeated = self._last is not None and np.array_equal(codes, self._last)
        self._same = self._same + 1 if repeated else 1
        self._last = codes
        self._frames += 1
        if self._frames <= self._budget.expected:
            return False
        return self._quiet >= QUIET_FRAMES or self._same >= SAME_FRAMES
