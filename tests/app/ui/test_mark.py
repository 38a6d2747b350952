"""A file is looked through for the mark, elsewhere, and the answer is a sentence that can be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.core.errors import InputError
from app.core.shelf import MarkSearch
from app.core.shown import Level
from app.ui.dialogs.settings import SettingsDialog
from app.ui.viewmodels.mark import mark_text
from app.ui.window import MainWindow
from tests.app.ui.helpers import settle
from tests.fakes.shelf import FakeShelf

FILE = Path("in {brackets}.flac")


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            MarkSearch(True, -12.3, ((0.0, 10.0), (15.0, 65.0))),
            "Yes, in {brackets}.flac bears your mark: Parley said it here (0:00–0:10, 0:15–1:05). "
            "A sound without it looks so once in 10^12 at most.",
        ),
        (MarkSearch(True, -7.0, ()), "Yes, in {brackets}.flac bears your mark: Parley said it here."),
        (MarkSearch(False, -0.2, ()), "No, there is no mark of yours in in {brackets}.flac."),
        (MarkSearch(False, -4.0, ()), "It cannot be said of in {brackets}.flac: "),
        (MarkSearch(False, 0.0, (), False), "No, there is no mark of yours in"),
        (InputError("It is no sound file: choose another."), "in {brackets}.flac: It is no sound"),
        (OSError(13, "Permission denied"), "It cannot be read (Permission denied)."),
    ],
)  # fmt: skip
def test_an_answer_is_a_sentence(result: object, words: str) -> None:
    told = mark_text(FILE.name, result)
    assert words in told
    part = isinstance(result, MarkSearch) and not result.whole
    assert ("first ten minutes" in told) == part


@pytest.fixture
def dialog(window: MainWindow) -> SettingsDialog:
    window.settings_action.trigger()
    settle()
    assert isinstance(window.dialog, SettingsDialog)
    return window.dialog


def test_a_file_is_checked_without_waiting(
    qtbot: QtBot, window: MainWindow, dialog: SettingsDialog, shelf: FakeShelf
) -> None:
    row = dialog.mark_row
    assert not row.answer.isVisible()
    row.picked("")
    assert shelf.looked_at == []
    row.picked(str(FILE))
    assert window.mark.busy
    assert row.answer.text() == "Listening to in {brackets}.flac …"
    row.picked("another.wav")
    qtbot.waitUntil(lambda: not window.mark.busy)
    assert row.answer.text().startswith("Yes, in {brackets}.flac bears your mark")
    assert row.answer.isVisible()
    # One at a time: the second was not taken.
    assert shelf.looked_at == [FILE]
    assert not window.notices.bars


def test_who_closed_the_settings_meanwhile_is_told_in_the_window(
    qtbot: QtBot, window: MainWindow, dialog: SettingsDialog, shelf: FakeShelf
) -> None:
    shelf.search = InputError("It is no sound file: choose another.")
    dialog.mark_row.picked(str(FILE))
    dialog.reject()
    settle()
    qtbot.waitUntil(lambda: bool(window.notices.bars))
    [notice] = window.session.status.notices
    assert notice.level is Level.INFO
    assert notice.message == "in {brackets}.flac: It is no sound file: choose another."
    # And it still stands in the settings when they are opened again.
    window.settings_action.trigger()
    settle()
    assert isinstance(window.dialog, SettingsDialog)
    assert window.dialog.mark_row.answer.text() == notice.message


def test_the_button_says_what_it_does(dialog: SettingsDialog) -> None:
    button = dialog.mark_row.button
    assert button.accessibleName() == "Check a file for Parley's mark"
    assert "some seconds" in button.toolTip()
    assert "some seconds" in button.accessibleDescription()
