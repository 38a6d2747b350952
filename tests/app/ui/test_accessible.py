"""What a screen reader gets, by Qt's own accessibility interface: names, states, announcements."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QAccessibleInterface
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.core.shown import Level, Notice, Phase, PhaseChanged, RecordingChanged
from app.ui.dialogs.settings import SettingsDialog
from app.ui.widgets import announcer
from app.ui.window import MainWindow
from tests.app.ui.helpers import go, settle
from tests.fakes.live import FakeLive, answer, typed, user

Said = list[tuple[QWidget, str, bool]]


class Reader:
    """Stands where Qt hands its events to the system's screen reader."""

    AnnouncementPoliteness = QAccessible.AnnouncementPoliteness

    def __init__(self) -> None:
        self.said: Said = []
        self.active = True

    def isActive(self) -> bool:  # noqa: N802
        return self.active

    def updateAccessibility(self, event: QAccessibleAnnouncementEvent) -> None:  # noqa: N802
        firm = event.politeness() == QAccessible.AnnouncementPoliteness.Assertive
        thing = event.object()
        assert isinstance(thing, QWidget)
        self.said.append((thing, event.message(), firm))

    def take(self) -> list[tuple[str, bool]]:
        """What was said since the last time, and whether firmly."""
        said, self.said = self.said, []
        return [(words, firm) for _, words, firm in said]


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    made = Reader()
    monkeypatch.setattr(announcer, "QAccessible", made)
    return made


def seen(widget: QWidget) -> QAccessibleInterface:
    found = QAccessible.queryAccessibleInterface(widget)
    assert found is not None
    return found


def name(widget: QWidget) -> str:
    return seen(widget).text(QAccessible.Text.Name)


def described(widget: QWidget) -> str:
    return seen(widget).text(QAccessible.Text.Description)


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        (Phase.LISTENING, "Listening"),
        (Phase.THINKING, "Thinking"),
        (Phase.SPEAKING, "Speaking"),
        (Phase.MUTED, "Muted"),
        (Phase.NO_MICROPHONE, "No microphone"),
    ],
)
def test_each_change_of_state_is_announced_by_the_window(
    window: MainWindow, live: FakeLive, reader: Reader, phase: Phase, words: str
) -> None:
    go(live, phase)
    assert reader.said == [(window, words, False)]
    assert name(window.state) == f"State: {words}"
    assert described(window.state)


def test_failures_are_announced_firmly_and_notices_in_their_own_words(
    window: MainWindow, live: FakeLive, reader: Reader
) -> None:
    live.show(Notice(Level.ERROR, "The model is missing: get it."), PhaseChanged(Phase.FAILED))
    live.show(Notice(Level.WARNING, "The key cannot be kept: make room."))
    settle()
    assert reader.take() == [
        ("The model is missing: get it.", True),
        ("Not working", True),
        ("The key cannot be kept: make room.", False),
    ]
    assert name(window.notices.bars[0]) == "Error: The model is missing: get it."


def test_nothing_is_made_up_where_no_reader_listens(
    window: MainWindow, live: FakeLive, reader: Reader
) -> None:
    reader.active = False
    go(live, Phase.LISTENING)
    assert reader.said == []


def test_what_a_dialog_answers_is_announced(
    qtbot: QtBot, window: MainWindow, reader: Reader
) -> None:
    window.settings_action.trigger()
    settle()
    dialog = window.dialog
    assert isinstance(dialog, SettingsDialog)
    window.choices.set("patience", 7)
    [(refused, firm)] = [one for one in reader.take() if one[0].startswith("This cannot")]
    assert refused == dialog.problem.text()
    assert firm
    assert not window.notices.bars
    dialog.mark_row.picked("a.wav")
    qtbot.waitUntil(lambda: not window.mark.busy)
    assert [words for words, _ in reader.take()] == ["Listening to a.wav …", window.mark.answer]
    dialog.reject()
    settle()
    window.shelf_action.trigger()
    settle()
    window.shelf.told.emit("It is back.")
    assert reader.take() == [("It is back.", False)]


def test_recording_is_announced_when_it_begins_and_when_it_ends(
    window: MainWindow, live: FakeLive, reader: Reader
) -> None:
    live.show(RecordingChanged(True), RecordingChanged(True), RecordingChanged(False))
    settle()
    assert reader.take() == [
        ("Recording", False),
        ("No longer recording", False),
    ]


def test_switches_tell_whether_they_are_on(window: MainWindow, live: FakeLive) -> None:
    go(live, Phase.LISTENING)
    button = window.dock.hands_free
    assert name(button) == "Hands-free"
    assert "Ctrl+H" in described(button)
    assert seen(button).state().checked  # type: ignore[attr-defined]
    button.click()
    assert not seen(button).state().checked  # type: ignore[attr-defined]
    assert not seen(window.dock.mute).state().checked  # type: ignore[attr-defined]
    assert seen(window.dock.stop).state().disabled  # type: ignore[attr-defined]


def test_the_conversation_is_a_list_that_says_who_said_what(
    window: MainWindow, live: FakeLive
) -> None:
    live.show(typed(1, "Hello."), answer(1, "Good morning to you.", heard=12), user(2, "Stop."))
    settle()
    conversation = seen(window.captions)
    assert conversation.role() == QAccessible.Role.List
    rows = [conversation.child(at) for at in range(conversation.childCount())]
    names = [row.text(QAccessible.Text.Name) for row in rows if row is not None]
    assert names == ["You: Hello.", "Parley: Good morning", "You: Stop."]
    notes = [row.text(QAccessible.Text.Description) for row in rows if row is not None]
    assert notes[0] == "Typed."
    assert "Not heard: to you." in notes[1]
