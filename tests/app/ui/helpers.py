"""What tests of the window share."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from app.core.shown import Phase
from tests.fakes.live import FakeLive


def settle() -> None:
    """Let Qt do everything that is to be done now."""
    for _ in range(24):
        QCoreApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def go(live: FakeLive, *phases: Phase) -> None:
    """Let the conversation go through ``phases``."""
    for phase in phases:
        live.phase(phase)
    settle()


def press(widget: QWidget, key: Qt.Key, modifiers: Qt.KeyboardModifier | None = None) -> None:
    """Press a key and let it go, on ``widget``."""
    QTest.keyClick(widget, key, modifiers or Qt.KeyboardModifier.NoModifier)
    settle()
