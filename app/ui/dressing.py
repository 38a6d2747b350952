"""Puts another style sheet on the parts of the windows that are there, a few widgets at a time.

A sheet of the application's own is put on every widget in one go, which keeps Qt from its events for
a quarter of a millisecond for each widget there is. Here each part has the sheet, parts are changed
in turns between which Qt is free, and their windows are drawn when all have it.
"""

from __future__ import annotations

from collections import deque

import shiboken6
from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QApplication, QWidget

AT_ONCE = 45
"""Widgets that are given another sheet in one turn, where the parts are not larger than that."""
_DRESSED = "dressed"


class Dressing(QObject):
    """The one style sheet of all parts that were given to ``add``, while they live."""

    def __init__(self, app: QApplication, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._app = app
        self._sheet = ""
        self._left: deque[QWidget] = deque()
        self._held: list[QWidget] = []
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._next)

    @property
    def busy(self) -> bool:
        """Whether some part still wears another sheet, or is not drawn yet."""
        return self._timer.isActive()

    def add(self, part: QWidget) -> None:
        """Dress ``part`` and everything that is or will be in it, now and at each change."""
        part.setProperty(_DRESSED, True)
        part.setStyleSheet(self._sheet)

    def change(self, sheet: str) -> None:
        """Begin to give every part another sheet, also in the middle of an earlier change."""
        self._sheet = sheet
        self._left = deque(part for part in self._app.allWidgets() if part.property(_DRESSED))
        for window in dict.fromkeys(part.window() for part in self._left):
            if window not in self._held:
                self._held.append(window)
                window.setUpdatesEnabled(False)
        if self._held:
            self._timer.start(0)

    @Slot()
    def _next(self) -> None:
        done = 0
        while self._left:
            part = self._left[0]
            if shiboken6.isValid(part):
                size = 1 + len(part.findChildren(QWidget))
                if done and done + size > AT_ONCE:
                    return
                part.setStyleSheet(self._sheet)
                done += size
            self._left.popleft()
        if not done:
            self._draw()

    def _draw(self) -> None:
        """One window at a time: drawing one anew is a turn's work."""
        while self._held:
            window = self._held.pop()
            if shiboken6.isValid(window):
                window.setUpdatesEnabled(True)
                # Not ``update``: Qt believes that it was asked already, by a request that came to
                # nothing while the window was held, and would wait for that for ever.
                window.repaint()
                return
        self._timer.stop()
