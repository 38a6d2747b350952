"""Tells screen readers what changed: states politely and not too often, errors at once."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QWidget

from app.core.shown import Level, Notice, Phase
from app.ui.viewmodels.status import StatusViewModel
from app.ui.words import phase_word

QUIET_MS = 1200
"""Shortest time between two polite announcements; only the last of those in between is made."""

_QUIET = (Phase.HEARING, Phase.PAUSED)
"""The user is speaking: not the moment to talk to them."""

Say = Callable[[str, bool], None]


class Announcer(QObject):
    """Announces states and notices of ``status`` for ``window``.

    ``say`` (message, assertive) makes the announcement; given in tests.
    """

    def __init__(self, status: StatusViewModel, window: QWidget, say: Say | None = None) -> None:
        super().__init__(window)
        self._window = window
        self._say = say or self._announce
        self._waiting = ""
        self._last = ""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(QUIET_MS)
        self._timer.timeout.connect(self.now)
        status.phase_changed.connect(self._phase)
        status.noticed.connect(self._notice)
        status.recording_changed.connect(self._recording)
        self._status = status
        self._recorded = status.recording.on

    @Slot(object)
    def _phase(self, phase: Phase) -> None:
        if phase is Phase.FAILED:
            self._say(phase_word(phase), True)
        elif phase in _QUIET:
            self._waiting = ""
        else:
            self._waiting = phase_word(phase)
            if not self._timer.isActive():
                self.now()

    @Slot(object)
    def _notice(self, notice: Notice) -> None:
        self._say(notice.message, notice.level is Level.ERROR)

    @Slot()
    def _recording(self) -> None:
        on = self._status.recording.on
        if on != self._recorded:
            self._recorded = on
            self._say(self.tr("Recording") if on else self.tr("No longer recording"), False)

    @Slot()
    def now(self) -> None:
        """Announce what is waiting, and be quiet for a while."""
        words, self._waiting = self._waiting, ""
        if words and words != self._last:
            self._say(words, False)
            self._timer.start()
        if words:
            self._last = words

    def _announce(self, message: str, assertive: bool) -> None:
        announce(self._window, message, assertive=assertive)


def announce(window: QWidget, message: str, *, assertive: bool = False) -> None:
    """Have screen readers say ``message``: at once where it is ``assertive``, else when they can."""
    if not QAccessible.isActive():
        return
    event = QAccessibleAnnouncementEvent(window, message)
    manners = QAccessible.AnnouncementPoliteness
    event.setPoliteness(manners.Assertive if assertive else manners.Polite)
    QAccessible.updateAccessibility(event)
