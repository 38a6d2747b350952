"""A worker: one named thread that does piece of work after piece of work."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from app.core.events import WorkEvent
from app.core.live_ports import Work

_LOG = logging.getLogger(__name__)


class ThreadWorker:
    """Implements the ``Worker`` port. Events go to ``post``, which must take them from any thread."""

    def __init__(self, name: str, post: Callable[[WorkEvent], None]) -> None:
        self._post = post
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pending = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Queue ``work``; after ``close`` it is let go of."""
        with self._lock:
            if self._closed:
                return
            self._pending += 1
            self._queue.put(work)

    @property
    def pending(self) -> int:
        """Pieces queued or running."""
        return self._pending

    def close(self, deadline_s: float = 1.0) -> bool:
        """End after what is running now."""
        with self._lock:
            self._closed = True
        self._queue.put(None)
        self._thread.join(deadline_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            if not self._closed:
                self._do(work)
            with self._lock:
                self._pending -= 1

    def _do(self, work: Work) -> None:
        try:
            for event in work():
                self._post(event)
        except Exception:  # noqa: BLE001  (logged with its trace; the next piece of work may succeed)
            # A fault of the program, not of the world (those come as events): the talk goes on.
            _LOG.exception("Work on %s failed", self._thread.name)
