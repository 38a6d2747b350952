"""The list of recorded conversations: what it shows, what can be done with one, by key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, Qt, QUrl
from PySide6.QtGui import QAccessible, QDesktopServices, QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.core.errors import OutputError
from app.core.shown import RecordingChanged
from app.ui.bridge import Background
from app.ui.dialogs.shelf import ShelfDialog
from app.ui.viewmodels.shelf import (
    Index,
    SessionTable,
    ShelfViewModel,
    move_to_bin,
    spoken_row,
    take_from_bin,
    when_text,
)
from app.ui.window import MainWindow
from tests.app.ui.helpers import press, settle
from tests.app.ui.test_keys import INTERACTIVE, cycle
from tests.fakes.live import FakeLive
from tests.fakes.shelf import ROOT, FakeShelf, kept

Opener = Callable[[], ShelfDialog]


@pytest.fixture
def opened(qtbot: QtBot, window: MainWindow) -> Opener:
    def open_it() -> ShelfDialog:
        told: list[bool] = []
        window.shelf.changed.connect(lambda: told.append(True))
        window.shelf_action.trigger()
        qtbot.waitUntil(lambda: bool(told))
        settle()
        assert isinstance(window.dialog, ShelfDialog)
        return window.dialog

    return open_it


def cells(dialog: ShelfDialog) -> list[list[str]]:
    table = dialog.list.model()
    return [
        [table.index(row, column).data() for column in range(table.columnCount())]
        for row in range(table.rowCount())
    ]


def test_every_recording_is_a_row_the_newest_first(opened: Opener, shelf: FakeShelf) -> None:
    dialog = opened()
    shown = cells(dialog)
    assert [row[1:] for row in shown] == [["1:05", "3", "3.5 MB"]] * 3
    assert "20" in shown[0][0]
    assert shown[1][0].endswith("repaired after a crash")
    assert shelf.looked_at == [ROOT]
    assert dialog.list.chosen() == 0
    assert dialog.pages.currentWidget() is dialog.list


def test_years_of_recordings_cost_no_more_than_what_can_be_seen(
    opened: Opener, shelf: FakeShelf, window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = set[int]()
    real = SessionTable.data

    def data(table: SessionTable, index: Index, role: int = 0) -> object:
        asked.add(index.row())
        return real(table, index, role)

    monkeypatch.setattr(SessionTable, "data", data)
    shelf.kept[:] = [kept(1 + number % 30) for number in range(2000)]
    dialog = opened()
    assert dialog.list.model().rowCount() == 2000
    assert 5 < len(asked) < 100
    for column in range(1, 4):
        words = dialog.list.model().index(0, column).data()
        room = dialog.list.columnWidth(column)
        assert dialog.list.fontMetrics().horizontalAdvance(words) + 12 <= room


def test_without_any_it_says_how_to_record(opened: Opener, shelf: FakeShelf) -> None:
    shelf.kept.clear()
    dialog = opened()
    assert dialog.pages.currentWidget() is dialog.empty
    assert "Nothing was recorded yet" in dialog.empty.text()
    assert "Ctrl+R" in dialog.empty.text()
    assert str(ROOT) in dialog.empty.text()
    assert not dialog.open_folder.isEnabled()
    assert not dialog.copy.isEnabled()
    assert not dialog.delete.isEnabled()
    for key in (Qt.Key.Key_Delete, Qt.Key.Key_Return):
        press(dialog, key)
    assert dialog.isVisible()


def test_what_is_wrong_with_the_disk_is_told(
    qtbot: QtBot, window: MainWindow, shelf: FakeShelf
) -> None:
    shelf.error = OSError(5, "Input/output error")
    window.shelf_action.trigger()
    settle()
    dialog = window.dialog
    assert isinstance(dialog, ShelfDialog)
    qtbot.waitUntil(lambda: dialog.note.text() == "Input/output error")


def test_enter_opens_the_folder_of_the_chosen_one(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", asked.append)
    dialog = opened()
    press(dialog.list, Qt.Key.Key_Down)
    press(dialog.list, Qt.Key.Key_Return)
    assert [url.path() for url in asked] == [
        QUrl.fromLocalFile(str(ROOT / "2026-11-19_18-30-00")).path()
    ]
    assert dialog.isVisible()


def test_what_was_said_is_copied(qtbot: QtBot, opened: Opener, shelf: FakeShelf) -> None:
    dialog = opened()
    QTest.keyClick(dialog.list, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: "clipboard" in dialog.note.text())
    assert QGuiApplication.clipboard().text() == shelf.text
    shelf.text = "\n"
    dialog.copy.click()
    qtbot.waitUntil(lambda: dialog.note.text() == "Nothing was said in this conversation.")
    shelf.kept.clear()
    dialog.copy.click()
    qtbot.waitUntil(lambda: "is not a session" in dialog.note.text())


def test_what_is_deleted_goes_to_the_bin_and_comes_back(
    qtbot: QtBot, opened: Opener, window: MainWindow, monkeypatch: pytest.MonkeyPatch,
    shelf: FakeShelf,
) -> None:  # fmt: skip
    restored: list[tuple[Path, Path]] = []
    first = shelf.kept[0]

    def restore(place: Path, folder: Path) -> None:
        restored.append((place, folder))
        shelf.kept.insert(0, first)

    monkeypatch.setattr("app.ui.viewmodels.shelf.take_from_bin", restore)
    dialog = opened()
    assert not dialog.undo.isVisible()
    press(dialog.list, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: len(cells(dialog)) == 2)
    assert dialog.note.text() == f"Moved to the bin: {when_text(first)}."
    assert dialog.undo.isVisible()
    assert dialog.list.chosen() == 0
    dialog.undo.click()
    qtbot.waitUntil(lambda: len(cells(dialog)) == 3)
    assert restored == [(Path("bin") / first.name, first.folder)]
    assert dialog.note.text() == "It is back."
    assert not dialog.undo.isVisible()


def test_the_next_row_is_chosen_after_the_last_was_deleted(qtbot: QtBot, opened: Opener) -> None:
    dialog = opened()
    press(dialog.list, Qt.Key.Key_End)
    assert dialog.list.chosen() == 2
    dialog.delete.click()
    qtbot.waitUntil(lambda: len(cells(dialog)) == 2)
    assert dialog.list.chosen() == 1


def test_a_disk_without_a_bin_keeps_the_recording(
    qtbot: QtBot, opened: Opener, window: MainWindow
) -> None:
    def refuse(folder: Path) -> Path:
        raise OutputError("there is no bin for this disk")

    window.shelf._to_bin = refuse
    dialog = opened()
    dialog.delete.click()
    qtbot.waitUntil(lambda: "no bin for this disk" in dialog.note.text())
    assert not dialog.undo.isVisible()
    assert len(cells(dialog)) == 3


def test_what_is_being_recorded_cannot_be_deleted(
    opened: Opener, window: MainWindow, live: FakeLive, shelf: FakeShelf
) -> None:
    folder = shelf.kept[0].folder
    window.shelf._being_recorded = lambda: folder
    dialog = opened()
    assert not dialog.delete.isEnabled()
    assert cells(dialog)[0][0].endswith("being recorded")
    press(dialog.list, Qt.Key.Key_Delete)
    assert "being recorded" in dialog.note.text()
    assert len(shelf.kept) == 3
    press(dialog.list, Qt.Key.Key_Down)
    assert dialog.delete.isEnabled()


def test_a_recording_that_ends_comes_into_the_list(
    qtbot: QtBot, opened: Opener, live: FakeLive, shelf: FakeShelf
) -> None:
    dialog = opened()
    shelf.kept.insert(0, kept(21))
    live.show(RecordingChanged(True, Path("x")), RecordingChanged(False))
    qtbot.waitUntil(lambda: len(cells(dialog)) == 4)


def test_tab_goes_through_it_and_escape_closes_it(opened: Opener, window: MainWindow) -> None:
    dialog = opened()
    wanted = {
        widget
        for kind in (*INTERACTIVE, type(dialog.list))
        for widget in dialog.findChildren(kind)
        if widget.isVisible() and widget.isEnabled()
    }
    assert set(cycle(dialog)) == wanted
    press(dialog.list, Qt.Key.Key_Escape)
    assert window.dialog is None


def test_a_row_is_said_whole(opened: Opener, shelf: FakeShelf) -> None:
    dialog = opened()
    said = spoken_row(shelf.kept[1])
    assert "length 1:05, turns 3, 3.5 MB" in said
    assert "repaired after a crash" in said
    reader = QAccessible.queryAccessibleInterface(dialog.list)
    names = [
        reader.child(at).text(QAccessible.Text.Name)
        for at in range(reader.childCount())
        if reader.child(at) is not None
    ]
    assert said in names


# The disk's own bin.


def test_a_folder_goes_to_the_systems_bin_and_comes_back_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    folder = tmp_path / "sessions" / "one"
    folder.mkdir(parents=True)
    (folder / "session.json").write_text("{}")
    place = move_to_bin(folder)
    assert not folder.exists()
    assert (place / "session.json").read_text() == "{}"
    take_from_bin(place, folder)
    assert (folder / "session.json").read_text() == "{}"
    assert [one for one in (tmp_path / "home").rglob("*") if one.is_file()] == []
    with pytest.raises(FileNotFoundError):
        move_to_bin(tmp_path / "none")
    place.mkdir(parents=True)
    with pytest.raises(FileExistsError):
        take_from_bin(place, folder)


def test_only_the_last_can_be_had_back_and_only_while_the_list_is_open(
    qtbot: QtBot, background: Background, shelf: FakeShelf
) -> None:
    model = ShelfViewModel(shelf, background, root=lambda: ROOT, to_bin=shelf.remove)
    model.undo()
    model.delete(shelf.kept[0])
    qtbot.waitUntil(lambda: model.can_undo)
    model.forget()
    assert not model.can_undo


def test_a_date_is_written_as_people_write_it() -> None:
    before = QLocale()
    try:
        QLocale.setDefault(QLocale(QLocale.Language.English, QLocale.Country.UnitedKingdom))
        assert when_text(kept(20)).replace("\u202f", " ").startswith("20/11/2026")
        QLocale.setDefault(QLocale.c())
        assert when_text(kept(20)) == "2026-11-20 18:30"
    finally:
        QLocale.setDefault(before)
