"""Other colours reach everything on screen in small turns, and are drawn when all have them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QObject
from PySide6.QtWidgets import QLabel, QWidget

from app.ui.dialogs.settings import SettingsDialog
from app.ui.dressing import AT_ONCE
from app.ui.look import Look
from app.ui.sheet import style_sheet
from app.ui.theme import DARK, LIGHT
from app.ui.window import MainWindow
from tests.app.ui.helpers import settle


class Changes(QObject):
    """Counts the widgets of a window that get another style, and which windows are drawn.

    It listens to these widgets alone and no longer than they live: a filter of the whole application
    is shown what is just being destroyed.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__()
        self.styled = 0
        self.drawn = set[QWidget]()
        self._heard = [window, *window.findChildren(QWidget)]
        for widget in self._heard:
            widget.installEventFilter(self)

    def stop(self) -> None:
        """Listen no more."""
        for widget in self._heard:
            if shiboken6.isValid(widget):
                widget.removeEventFilter(self)

    def eventFilter(self, thing: QObject, event: QEvent) -> bool:  # noqa: N802
        if isinstance(thing, QWidget):
            self.styled += event.type() == QEvent.Type.StyleChange
            if event.type() == QEvent.Type.Paint:
                self.drawn.add(thing.window())
        return False

    def turn(self) -> tuple[int, set[QWidget]]:
        """How many were styled and which windows drawn since the last call."""
        found, self.styled, self.drawn = (self.styled, self.drawn), 0, set()
        return found


@pytest.fixture
def dialog(window: MainWindow) -> SettingsDialog:
    window.settings_action.trigger()
    settle()
    assert isinstance(window.dialog, SettingsDialog)
    return window.dialog


@pytest.fixture
def changes(window: MainWindow, dialog: SettingsDialog) -> Iterator[Changes]:
    made = Changes(window)
    yield made
    made.stop()


def test_no_turn_of_a_change_of_colours_is_long(
    window: MainWindow, dialog: SettingsDialog, changes: Changes
) -> None:
    changes.turn()
    window.look.choose(theme="dark")
    assert window.look.dark
    # What would have been drawn anyway is drawn with the rest.
    window.update()
    dialog.update()
    turns = [changes.turn()]
    while not window.look.settled:
        QCoreApplication.processEvents()
        turns.append(changes.turn())
    styled = [count for count, _ in turns]
    # A widget is told for itself and for what it is in.
    assert max(styled) <= 3 * AT_ONCE < sum(styled)
    # Nothing is drawn half way, and no two windows in one turn.
    last = max(at for at, count in enumerate(styled) if count)
    assert not any(drawn for _, drawn in turns[: last + 1])
    assert max(len(drawn) for _, drawn in turns) == 1
    assert set[QWidget]().union(*(drawn for _, drawn in turns)) == {window, dialog}
    # And from then on as ever.
    dialog.update()
    window.update()
    settle()
    assert changes.turn()[1] == {window, dialog}


def test_all_parts_of_all_windows_get_the_colours(
    window: MainWindow, dialog: SettingsDialog
) -> None:
    window.look.choose(theme="dark")
    assert not window.look.settled
    assert not window.updatesEnabled()
    settle()
    assert window.look.settled
    assert window.updatesEnabled()
    assert dialog.updatesEnabled()
    wanted = style_sheet(DARK, 16).splitlines()[2]
    for part in (window.dock, window.captions, window.empty, dialog.models, dialog.row.parent()):
        assert isinstance(part, QWidget)
        assert wanted in part.styleSheet()


def test_a_change_in_the_middle_of_another_ends_with_the_later(
    window: MainWindow, dialog: SettingsDialog
) -> None:
    for theme in ("dark", "light", "dark", "light"):
        window.look.choose(theme=theme)
        QCoreApplication.processEvents()
    settle()
    assert window.look.settled
    assert f"color: {LIGHT.text}" in dialog.models.styleSheet()
    assert f"color: {LIGHT.text}" in window.dock.styleSheet()
    assert window.updatesEnabled()


def test_a_dialog_that_goes_in_the_middle_of_a_change_does_no_harm(
    window: MainWindow, dialog: SettingsDialog
) -> None:
    window.look.choose(theme="dark")
    dialog.reject()
    shiboken6.delete(dialog)
    settle()
    assert window.look.settled
    assert window.updatesEnabled()
    assert f"color: {DARK.text}" in window.dock.styleSheet()


def test_another_size_of_the_conversation_changes_no_style(
    window: MainWindow, dialog: SettingsDialog, changes: Changes
) -> None:
    changes.turn()
    window.look.choose(caption_pt=22)
    settle()
    assert changes.turn()[0] == 0


def test_what_comes_into_a_dressed_part_later_is_dressed_too(look: Look) -> None:
    part = QWidget()
    look.dress(part)
    hint = QLabel("Why", part)
    hint.setProperty("kind", "hint")
    hint.ensurePolished()
    assert hint.palette().windowText().color().name() == LIGHT.muted
    look.choose(theme="dark")
    settle()
    assert hint.palette().windowText().color().name() == DARK.muted
    shiboken6.delete(part)
