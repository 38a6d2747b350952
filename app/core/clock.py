"""Time as a thing that is passed in, so that tests can make it."""

from __future__ import annotations

import time
from datetime import datetime


class SystemClock:
    """The machine's own clock."""

    def monotonic_s(self) -> float:
        """Seconds from some fixed moment, never going back: for measuring."""
        return time.perf_counter()

    def now(self) -> datetime:
        """Local time of day with its zone: for telling."""
        return datetime.now().astimezone()
