"""Everything can be reached and done by key, and has a name."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QSlider, QWidget

from app.core.shown import Level, Notice, Phase, RecordingChanged
from app.ui.widgets.controls import DockButton
from app.ui.window import MainWindow
from tests.app.ui.helpers import go, press, settle
from tests.fakes.live import DEVICES, FakeLive, answer, user

CTRL = Qt.KeyboardModifier.ControlModifier
INTERACTIVE = (QAbstractButton, QLineEdit, QComboBox, QSlider)


def focus(window: MainWindow) -> QWidget:
    return window.focusWidget() or window


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
