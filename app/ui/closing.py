"""The end of the program: the conversation ends on a thread, and Qt waits only so long for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

CLOSE_S = 1.5
"""What the conversation gets to end."""
LONGEST_S = 1.9
"""After this the program ends whether or not the conversation has."""


class Closer(QObject):
    """Calls ``close`` (returns whether everything ended) and emits ``done`` after it, or without it."""

    done = Signal(bool)
    _ended = Signal()

    def __init__(
        self, close: Callable[[], bool], longest_s: float = LONGEST_S, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._close = close
        self._clean = False
        self._over = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(round(longest_s * 1000))
        self._timer.timeout.connect(self._finish)
        self._ended.connect(self._finish, Qt.ConnectionType.QueuedConnection)

    @Slot()
    def start(self) -> None:
        """Begin to end; a second call changes nothing."""
        if self._thread is None:
            # A daemon: a part that hangs cannot keep the program.
            self._thread = threading.Thread(target=self._run, name="closing", daemon=True)
            self._timer.start()
            self._thread.start()

    def _run(self) -> None:
        clean = self._close()
        with self._lock:
            if not self._over:
                self._clean = clean
                self._ended.emit()

    @Slot()
    def _finish(self) -> None:
        with self._lock:
            if self._over:
                return
            self._over = True
        self._timer.stop()
        self.done.emit(self._clean)
