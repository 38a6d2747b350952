"""The window: what it shows, its keys, its names, its end."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QLineEdit, QSlider, QWidget
from pytestqt.qtbot import QtBot

from app.core.shown import Level, Levels, Notice, Phase, PhaseChanged, RecordingChanged
from app.settings.model import Settings
from app.ui.bridge import Background
from app.ui.look import Look
from app.ui.viewmodels.session import SessionViewModel
from app.ui.viewmodels.settings import SettingsViewModel
from app.ui.widgets.controls import DockButton
from app.ui.window import MainWindow
from app.ui.words import PHASE_ICONS, minutes, phase_hint, phase_word
from tests.app.ui.helpers import settle
from tests.fakes.live import DEVICES, FakeLive, FakeStore, answer, conversation, user

CTRL = Qt.KeyboardModifier.ControlModifier
INTERACTIVE = (QAbstractButton, QLineEdit, QComboBox, QSlider)


def go(live: FakeLive, *phases: Phase) -> None:
    for phase in phases:
        live.phase(phase)
    settle()


def press(widget: QWidget, key: Qt.Key, modifiers: Qt.KeyboardModifier | None = None) -> None:
    QTest.keyClick(widget, key, modifiers or Qt.KeyboardModifier.NoModifier)
    settle()


def focus(window: MainWindow) -> QWidget:
    return window.focusWidget() or window


# What it shows.


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_has_a_word_an_icon_and_a_hint(
    window: MainWindow, live: FakeLive, phase: Phase
) -> None:
    go(live, phase)
    assert window.state.word.text() == phase_word(phase)
    assert window.state.hint.text() == phase_hint(phase, hands_free=True)
    assert window.state.accessibleName() == f"State: {phase_word(phase)}"
    assert phase in PHASE_ICONS


def test_no_two_phases_look_or_sound_the_same() -> None:
    assert len({phase_word(phase) for phase in Phase}) == len(Phase)
    assert len(set(PHASE_ICONS.values())) == len(Phase)


def test_the_first_start_says_plainly_what_it_is(window: MainWindow, live: FakeLive) -> None:
    go(live, Phase.LISTENING)
    assert window.pages.currentWidget() is window.empty
    assert window.empty.card.isVisible()
    words = " ".join(label.text() for label in window.empty.card.findChildren(QLabel))
    assert "understand synthetic voices and not people" in words
    assert "Nothing leaves this computer" in window.empty.text.text()
    live.show(user(1, "Hello"))
    settle()
    assert window.pages.currentWidget() is window.captions


def test_real_models_are_not_called_built_in(
    qtbot: QtBot, session: SessionViewModel, background: Background, look: Look
) -> None:
    own = Settings(asr=Path("/m/w"), model=Path("/m/c"), llm="http://127.0.0.1:8080/v1")
    choices = SettingsViewModel(own, FakeStore(), background)
    window = MainWindow(session, choices, look)
    qtbot.addWidget(window)
    window.show()
    session.status.take_phase(PhaseChanged(Phase.LISTENING))
    assert not window.empty.card.isVisible()
    assert window.empty.title.text() == "Say something"
    assert "goes to 127.0.0.1:8080" in window.empty.text.text()


def test_what_fails_leads_to_the_settings(window: MainWindow, live: FakeLive) -> None:
    go(live, Phase.FAILED)
    assert window.empty.repair.isVisible()
    assert not window.empty.card.isVisible()
    window.empty.repair.click()
    settle()
    assert window.dialog is not None


def test_notices_come_and_go_by_key(window: MainWindow, live: FakeLive) -> None:
    assert not window.notices.isVisible()
    live.show(Notice(Level.ERROR, "The disk is full."), Notice(Level.INFO, "Something else."))
    settle()
    assert [bar.text.text() for bar in window.notices.bars] == [
        "The disk is full.",
        "Something else.",
    ]
    assert window.notices.bars[0].accessibleName() == "Error: The disk is full."
    window.notices.bars[0].dismiss.setFocus()
    press(window.notices.bars[0].dismiss, Qt.Key.Key_Return)
    assert [bar.text.text() for bar in window.notices.bars] == ["Something else."]
    press(window.notices.bars[0].dismiss, Qt.Key.Key_Space)
    assert not window.notices.isVisible()


def test_recording_is_seen_as_long_as_it_goes_on(window: MainWindow, live: FakeLive) -> None:
    assert not window.recording.isVisible()
    live.level = Levels(recorded_s=65.9)
    live.show(RecordingChanged(True, Path("/s/1")))
    settle()
    window.session.status.poll()
    assert window.recording.isVisible()
    assert window.recording.text.text() == "Recording 1:05"
    assert window.dock.record.text() == "Recording"
    assert window.dock.record.isChecked()
    live.show(RecordingChanged(False))
    settle()
    assert not window.recording.isVisible()
    assert not window.dock.record.isChecked()


def test_the_record_button_shows_what_is_and_not_what_was_asked(
    window: MainWindow, live: FakeLive
) -> None:
    window.dock.record.click()
    assert live.calls == [("record", True)]
    assert not window.dock.record.isChecked()
    assert not window.recording.isVisible()


def test_stop_can_be_pressed_only_when_there_is_something_to_stop(
    window: MainWindow, live: FakeLive
) -> None:
    for phase in Phase:
        go(live, phase)
        busy = phase in (Phase.THINKING, Phase.SPEAKING, Phase.PAUSED)
        assert window.dock.stop.isEnabled() == busy
        assert window.dock.stop_action.isEnabled() == busy


def test_meters_follow_the_levels(window: MainWindow, live: FakeLive) -> None:
    live.level = Levels(microphone_db=-30.0, loudspeaker_db=0.0)
    window.session.status.poll()
    assert window.meters.microphone.lit == 37
    assert window.meters.loudspeaker.lit == 74
    window.session.status.set_muted(True)
    live.level = Levels(microphone_db=-10.0, loudspeaker_db=0.0)
    window.session.status.poll()
    assert window.meters.microphone.lit == 0


def test_meters_rest_while_the_window_cannot_be_seen(window: MainWindow) -> None:
    status = window.session.status
    assert status.polling
    window.hide()
    assert not status.polling
    window.show()
    assert status.polling
    window.showMinimized()
    settle()
    assert not status.polling


def test_the_button_to_the_newest_comes_when_one_reads_further_up(
    window: MainWindow, live: FakeLive
) -> None:
    live.show(*conversation(40))
    settle()
    assert not window.latest.isVisible()
    window.captions.verticalScrollBar().setValue(0)
    settle()
    assert window.latest.isVisible()
    window.latest.click()
    settle()
    assert not window.latest.isVisible()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0, "0:00"), (65.9, "1:05"), (600, "10:00"), (3723, "1:02:03")]
)
def test_times_are_written_as_people_do(seconds: float, words: str) -> None:
    assert minutes(seconds) == words


def test_how_loading_goes_is_told(window: MainWindow, live: FakeLive) -> None:
    live.show(PhaseChanged(Phase.LOADING, "Loading the speech model."))
    settle()
    assert window.state.word.text() == "Starting"
    assert window.state.hint.text() == "Loading the speech model."
    assert window.empty.text.text() == "Loading the speech model."
    go(live, Phase.LISTENING)
    assert window.state.hint.text() == "Just speak"


def test_nothing_can_be_written_to_what_does_not_work(window: MainWindow, live: FakeLive) -> None:
    field = window.dock.composer.field
    field.setText("Hello?")
    go(live, Phase.FAILED)
    assert not field.isEnabled()
    assert not window.dock.composer.send.isEnabled()
    press(window, Qt.Key.Key_H)
    assert field.text() == "Hello?"
    go(live, Phase.LISTENING)
    assert field.isEnabled()
    assert window.dock.composer.send.isEnabled()


# Keys.


def test_space_held_is_push_to_talk(window: MainWindow, live: FakeLive) -> None:
    go(live, Phase.LISTENING)
    QTest.keyPress(focus(window), Qt.Key.Key_Space)
    assert live.calls == [("talk_key", True)]
    assert window.dock.talk.text() == "Talking"
    QTest.keyRelease(focus(window), Qt.Key.Key_Space)
    assert live.calls == [("talk_key", True), ("talk_key", False)]
    assert window.dock.talk.text() == "Hold to talk"


def test_space_talks_from_the_conversation_too(window: MainWindow, live: FakeLive) -> None:
    live.show(user(1, "Hello"), answer(1, "Hello."))
    go(live, Phase.LISTENING)
    window.captions.setFocus()
    press(window.captions, Qt.Key.Key_Space)
    assert live.calls == [("talk_key", True), ("talk_key", False)]


def test_space_in_the_text_field_is_a_space(window: MainWindow, live: FakeLive) -> None:
    go(live, Phase.LISTENING)
    field = window.dock.composer.field
    field.setFocus()
    QTest.keyClicks(field, "a b")
    assert field.text() == "a b"
    assert live.calls == []


def test_a_repeating_space_is_one_press(window: MainWindow, live: FakeLive) -> None:
    go(live, Phase.LISTENING)
    from PySide6.QtGui import QKeyEvent

    kind = QEvent.Type
    none = Qt.KeyboardModifier.NoModifier
    window.keyPressEvent(QKeyEvent(kind.KeyPress, Qt.Key.Key_Space, none))
    for _ in range(3):
        window.keyReleaseEvent(QKeyEvent(kind.KeyRelease, Qt.Key.Key_Space, none, " ", True))
        window.keyPressEvent(QKeyEvent(kind.KeyPress, Qt.Key.Key_Space, none, " ", True))
    assert live.calls == [("talk_key", True)]


def test_leaving_the_window_lets_go_of_the_talk_key(window: MainWindow, live: FakeLive) -> None:
    go(live, Phase.LISTENING)
    QTest.keyPress(focus(window), Qt.Key.Key_Space)
    other = QWidget()
    other.show()
    other.activateWindow()
    settle()
    assert live.calls == [("talk_key", True), ("talk_key", False)]
    other.close()
    other.deleteLater()


def test_opening_a_dialog_lets_go_of_the_talk_key(window: MainWindow, live: FakeLive) -> None:
    go(live, Phase.LISTENING)
    QTest.keyPress(focus(window), Qt.Key.Key_Space)
    window.settings_action.trigger()
    assert live.calls == [("talk_key", True), ("talk_key", False)]


def test_the_talk_button_is_held_too(window: MainWindow, live: FakeLive) -> None:
    go(live, Phase.LISTENING)
    QTest.mousePress(window.dock.talk, Qt.MouseButton.LeftButton)
    QTest.mouseRelease(window.dock.talk, Qt.MouseButton.LeftButton)
    assert live.calls == [("talk_key", True), ("talk_key", False)]
    # The mouse has not taken the focus, so that Space still talks.
    assert window.focusWidget() is not window.dock.talk


@pytest.mark.parametrize(
    ("key", "modifiers", "phase", "call"),
    [
        (Qt.Key.Key_M, CTRL, Phase.LISTENING, ("mute", True)),
        (Qt.Key.Key_H, CTRL, Phase.LISTENING, ("hands_free", False)),
        (Qt.Key.Key_R, CTRL, Phase.LISTENING, ("record", True)),
        (Qt.Key.Key_Escape, None, Phase.SPEAKING, ("stop",)),
    ],
)
@pytest.mark.parametrize("in_field", [False, True])
def test_shortcuts_hold_everywhere(
    window: MainWindow,
    live: FakeLive,
    key: Qt.Key,
    modifiers: Qt.KeyboardModifier | None,
    phase: Phase,
    call: tuple[object, ...],
    in_field: bool,
) -> None:
    go(live, phase)
    if in_field:
        window.dock.composer.field.setFocus()
    press(focus(window), key, modifiers)
    assert live.calls == [call]


def test_mute_twice_opens_again(window: MainWindow, live: FakeLive) -> None:
    go(live, Phase.LISTENING)
    press(focus(window), Qt.Key.Key_M, CTRL)
    assert window.dock.mute.text() == "Muted"
    press(focus(window), Qt.Key.Key_M, CTRL)
    assert window.dock.mute.text() == "Mute"
    assert live.calls == [("mute", True), ("mute", False)]


def test_enter_sends_and_only_words_are_sent(window: MainWindow, live: FakeLive) -> None:
    field = window.dock.composer.field
    field.setFocus()
    assert not window.dock.composer.send.isEnabled()
    press(field, Qt.Key.Key_Return)
    QTest.keyClicks(field, "What is the time?")
    assert window.dock.composer.send.isEnabled()
    press(field, Qt.Key.Key_Return)
    assert live.calls == [("type", "What is the time?")]
    assert field.text() == ""


def test_a_letter_pressed_anywhere_begins_a_text(window: MainWindow, live: FakeLive) -> None:
    live.show(user(1, "Hello"))
    settle()
    window.captions.setFocus()
    press(window.captions, Qt.Key.Key_H)
    assert window.focusWidget() is window.dock.composer.field
    QTest.keyClicks(window.focusWidget(), "ello")
    assert window.dock.composer.field.text() == "hello"
    press(window.dock.composer.field, Qt.Key.Key_Escape)
    assert window.focusWidget() is not window.dock.composer.field


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Space])
def test_buttons_reached_by_key_are_pressed_by_key(
    window: MainWindow, live: FakeLive, key: Qt.Key
) -> None:
    go(live, Phase.LISTENING)
    window.dock.mute.setFocus(Qt.FocusReason.TabFocusReason)
    press(window.dock.mute, key)
    assert live.calls == [("mute", True)]


def cycle(window: QWidget) -> list[QWidget]:
    """What Tab leads through, from the first back to the first."""
    order: list[QWidget] = []
    for _ in range(100):
        press(window.focusWidget() or window, Qt.Key.Key_Tab)
        widget = window.focusWidget()
        assert widget is not None
        if widget in order:
            assert widget is order[0], "Tab comes back to another control than it began with"
            return order
        order.append(widget)
    raise AssertionError("Tab never comes back")


def test_tab_goes_through_every_control_and_back(window: MainWindow, live: FakeLive) -> None:
    live.show(user(1, "Hello"), Notice(Level.INFO, "Well."), RecordingChanged(True, Path("/s")))
    go(live, Phase.SPEAKING)
    window.dock.composer.field.setText("x")
    order = cycle(window)
    wanted: set[QWidget] = {
        widget
        for kind in INTERACTIVE
        for widget in window.findChildren(kind)
        if widget.isVisible() and widget.isEnabled() and widget.window() is window
    }
    wanted.add(window.captions)
    assert set(order) - {window} == wanted
    places = [
        widget.mapTo(window, widget.rect().topLeft()) for widget in order if widget is not window
    ]
    # Downwards, and within a row to the right.
    rows = [(place.y() // 60, place.x()) for place in places]
    falls = sum(one > two for one, two in pairwise(rows))
    assert falls <= 1


@pytest.mark.parametrize("where", ["window", "settings", "about"])
def test_everything_that_takes_focus_has_a_name(
    window: MainWindow, live: FakeLive, where: str
) -> None:
    live.show(DEVICES, user(1, "Hello"), Notice(Level.INFO, "Well."))
    go(live, Phase.LISTENING)
    root: QWidget = window
    if where != "window":
        (window.settings_action if where == "settings" else window.about_action).trigger()
        settle()
        assert window.dialog is not None
        root = window.dialog
    nameless = [
        type(widget).__name__
        for widget in root.findChildren(QWidget)
        if widget.isVisible()
        and widget.focusPolicy() != Qt.FocusPolicy.NoFocus
        and not widget.accessibleName()
        and widget.objectName() not in ("qt_scrollarea_viewport",)
    ]
    assert nameless == []


def test_every_button_says_its_key(window: MainWindow) -> None:
    for button in window.dock.findChildren(DockButton):
        assert any(word in button.toolTip() for word in ("Ctrl+", "Esc", "Space")), button.text()
    shortcuts = [action.shortcut().toString() for action in window.actions()]
    assert len(shortcuts) == len(set(shortcuts))
    assert {"Ctrl+M", "Esc", "Ctrl+R", "Ctrl+H", "Ctrl+,", "F1", "Ctrl+Q", "Ctrl+L"} <= set(
        shortcuts
    )


# Choices.


def test_hands_free_is_remembered(window: MainWindow, choices: SettingsViewModel) -> None:
    window.dock.hands_free.click()
    assert choices.settings.hands_free is False
    assert "Hold Space" in phase_hint(Phase.LISTENING, hands_free=False)


def test_a_choice_that_cannot_be_saved_is_told(
    qtbot: QtBot, window: MainWindow, store: FakeStore, choices: SettingsViewModel
) -> None:
    store.error = OSError("No space left.")
    choices.set("record", True)
    choices.save()
    qtbot.waitUntil(lambda: bool(window.notices.bars))
    assert "No space left." in window.notices.bars[0].text.text()


# The end.


def test_closing_saves_and_asks_for_the_end(
    qtbot: QtBot, window: MainWindow, live: FakeLive, store: FakeStore, choices: SettingsViewModel
) -> None:
    told: list[str] = []
    window.closing.connect(lambda: told.append("closing"))
    choices.set("patience", 0.8)
    window.quit_action.trigger()
    assert told == ["closing"]
    assert not window.isVisible()
    qtbot.waitUntil(lambda: len(store.saved) == 1)
    # The conversation itself is ended by whoever opened the window.
    assert live.calls == []
