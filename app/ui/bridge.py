"""From any thread onto Qt's: a queue and one signal that says nothing but that there is something."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from app.core.errors import ParleyError

MAX_TAKEN = 100
"""Items handed over at a time, so that a burst is worked off in pieces between which Qt draws."""


class Mailbox(QObject):
    """Collects what threads post and hands it to ``take`` on the thread that made the mailbox.

    ``take`` gets at most ``limit`` items at a time, in order; what is left comes after Qt has seen
    to its other events.
    """

    _woken = Signal()

    def __init__(
        self,
        take: Callable[[Sequence[Any]], None],
        parent: QObject | None = None,
        limit: int = MAX_TAKEN,
    ) -> None:
        super().__init__(parent)
        self._take = take
        self._limit = limit
        self._items: deque[Any] = deque()
        self._lock = threading.Lock()
        self._awake = False
        self._closed = False
        # Queued also on Qt's own thread: a watcher called there must return at once, too.
        self._woken.connect(self._drain, Qt.ConnectionType.QueuedConnection)

    def post(self, item: object) -> None:
        """Hand over ``item``; any thread. Does nothing after ``close``."""
        with self._lock:
            if self._closed:
                return
            self._items.append(item)
            if not self._awake:
                self._awake = True
                self._woken.emit()

    def close(self) -> None:
        """Take nothing more: after this no thread touches the Qt object any longer."""
        with self._lock:
            self._closed = True
            self._items.clear()

    @Slot()
    def _drain(self) -> None:
        with self._lock:
            if self._closed:
                return
            count = min(self._limit, len(self._items))
            taken = [self._items.popleft() for _ in range(count)]
            self._awake = bool(self._items)
            if self._awake:
                self._woken.emit()
        if taken:
            self._take(taken)


Work = Callable[[], object]
Done = Callable[[object], None]


class Background(QObject):
    """Does slow work (disk) on a thread of its own, in order, and tells the result on Qt's.

    The thread is a daemon: a disk that hangs cannot keep the program from ending.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work: queue.SimpleQueue[tuple[Work, Done] | None] = queue.SimpleQueue()
        self._mailbox = Mailbox(self._tell, self)
        self._thread: threading.Thread | None = None

    def submit(self, work: Work, done: Done) -> None:
        """Run ``work``; then ``done`` is called on Qt's thread with its result or its error."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="window-io", daemon=True)
            self._thread.start()
        self._work.put((work, done))

    def close(self, deadline_s: float = 0.5) -> bool:
        """Finish what was submitted and end; False when that took longer than ``deadline_s``."""
        self._mailbox.close()
        if self._thread is None:
            return True
        self._work.put(None)
        self._thread.join(deadline_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._work.get()) is not None:
            work, done = job
            try:
                result = work()
            except (ParleyError, OSError, ValueError) as error:
                result = error
            self._mailbox.post((done, result))

    def _tell(self, results: Sequence[tuple[Done, object]]) -> None:
        for done, result in results:
            done(result)
