"""Settings and about: what they show, and what changing it does."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.core.shown import Phase, PhaseChanged
from app.settings.model import Settings
from app.ui.dialogs.about import AboutDialog
from app.ui.dialogs.settings import SettingsDialog
from app.ui.viewmodels.settings import SettingsViewModel
from app.ui.widgets.controls import Choice
from app.ui.window import MainWindow
from tests.app.ui.helpers import settle
from tests.app.ui.test_keys import INTERACTIVE, cycle
from tests.fakes.live import DEVICES, FakeLive


@pytest.fixture
def dialog(window: MainWindow, live: FakeLive) -> SettingsDialog:
    live.show(DEVICES, PhaseChanged(Phase.LISTENING))
    settle()
    window.settings_action.trigger()
    settle()
    assert isinstance(window.dialog, SettingsDialog)
    return window.dialog


def options(control: Choice) -> list[str]:
    return [control.itemText(at) for at in range(control.count())]


def choose(control: Choice, words: str) -> None:
    at = options(control).index(words)
    control.setCurrentIndex(at)
    control.activated.emit(at)


def words_of(root: QWidget) -> str:
    return "\n".join(label.text() for label in root.findChildren(QLabel))


def test_devices_are_offered_and_chosen_at_once(dialog: SettingsDialog, live: FakeLive) -> None:
    assert options(dialog.microphone) == ["As the system", *DEVICES.microphones]
    assert dialog.microphone.currentText() == "As the system"
    choose(dialog.microphone, "USB headset")
    choose(dialog.loudspeaker, "HDMI monitor")
    assert live.calls[-2:] == [
        ("choose_devices", "USB headset", ""),
        ("choose_devices", "USB headset", "HDMI monitor"),
    ]


def test_a_device_that_is_not_there_is_still_shown(
    dialog: SettingsDialog, window: MainWindow, live: FakeLive
) -> None:
    choose(dialog.microphone, "USB headset")
    live.show(type(DEVICES)("Built-in microphone", "", ("Built-in microphone",), ()))
    settle()
    assert dialog.microphone.currentText() == "USB headset (not there)"


@pytest.mark.parametrize(
    ("name", "control", "words", "value"),
    [
        ("theme", "theme", "Dark", "dark"),
        ("caption_pt", "text_size", "22 points", 22),
        ("echo", "echo", "Off", "off"),
        ("voice", "voice", "Nova", "nova"),
    ],
)
def test_what_is_picked_is_chosen(
    dialog: SettingsDialog,
    choices: SettingsViewModel,
    name: str,
    control: str,
    words: str,
    value: object,
) -> None:
    choose(getattr(dialog, control), words)
    assert getattr(choices.settings, name) == value


def test_colours_and_size_change_at_once(dialog: SettingsDialog, window: MainWindow) -> None:
    choose(dialog.theme, "Dark")
    choose(dialog.text_size, "28 points")
    assert window.look.dark
    assert window.look.caption_pt == 28
    assert not dialog.later.isVisible()


def test_switches_by_key(
    dialog: SettingsDialog, choices: SettingsViewModel, live: FakeLive
) -> None:
    QTest.keyClick(dialog.barge_in, Qt.Key.Key_Space)
    QTest.keyClick(dialog.record, Qt.Key.Key_Return)
    QTest.keyClick(dialog.chime, Qt.Key.Key_Space)
    QTest.keyClick(dialog.hands_free, Qt.Key.Key_Space)
    chosen = choices.settings
    assert (chosen.barge_in, chosen.record, chosen.hands_free) == (False, True, False)
    assert not chosen.chime
    assert ("hands_free", False) in live.calls


def test_the_switch_follows_the_window(dialog: SettingsDialog, window: MainWindow) -> None:
    window.session.status.set_hands_free(False)
    assert not dialog.hands_free.isChecked()


def test_patience_slides(dialog: SettingsDialog, choices: SettingsViewModel) -> None:
    assert dialog.patience.value() == 5
    QTest.keyClick(dialog.patience, Qt.Key.Key_Right)
    assert choices.settings.patience == 0.6


def test_a_model_is_chosen_for_the_next_start(
    qtbot: QtBot, dialog: SettingsDialog, choices: SettingsViewModel, tmp_path: Path
) -> None:
    folder = tmp_path / "whisper-small"
    folder.mkdir()
    row = dialog.paths["asr"]
    assert row.field.text() == ""
    assert row.field.placeholderText() == "Built in"
    assert row.state.text() == "In use: whisper-nano (built in)"
    row.field.setText(str(folder))
    row.field.editingFinished.emit()
    qtbot.waitUntil(lambda: choices.settings.asr == folder)
    assert row.state.text() == (
        "In use: whisper-nano (built in). From the next start: whisper-small"
    )
    assert dialog.later.isVisible()
    row.field.clear()
    row.field.editingFinished.emit()
    assert choices.settings.asr == Settings().asr
    assert not dialog.later.isVisible()


def test_what_was_chosen_is_used_without_closing_the_window(
    window: MainWindow, live: FakeLive, choices: SettingsViewModel
) -> None:
    renewed: list[Settings] = []
    choices._renew = renewed.append
    live.show(DEVICES, PhaseChanged(Phase.LISTENING))
    window.settings_action.trigger()
    settle()
    dialog = window.dialog
    assert isinstance(dialog, SettingsDialog)
    assert not dialog.use_now.isVisible()
    choices.set("asr", Path("/models/whisper-small"))
    choices.set("barge_in", False)
    state = dialog.paths["asr"].state.text()
    assert state == "In use: whisper-nano (built in). Chosen: whisper-small"
    assert dialog.use_now.isVisible()
    assert dialog.use_now.text() == dialog.use_now.accessibleName() == "Use them now"
    QTest.mouseClick(dialog.use_now, Qt.MouseButton.LeftButton)
    settle()
    assert [settings.asr for settings in renewed] == [Path("/models/whisper-small")]
    assert choices.in_use == choices.settings
    assert window.dialog is None
    assert not window.empty.card.isVisible()
    assert not window.state.barge_in


def test_after_a_failed_start_the_same_can_be_tried_again(
    window: MainWindow, live: FakeLive, choices: SettingsViewModel
) -> None:
    renewed: list[Settings] = []
    choices._renew = renewed.append
    live.show(PhaseChanged(Phase.FAILED))
    settle()
    window.settings_action.trigger()
    settle()
    dialog = window.dialog
    assert isinstance(dialog, SettingsDialog)
    assert dialog.use_now.text() == "Try again"
    # Nothing is in use when nothing could be loaded.
    assert dialog.paths["asr"].state.text() == "Tried: whisper-nano (built in)"
    QTest.mouseClick(dialog.use_now, Qt.MouseButton.LeftButton)
    assert renewed == [choices.settings]


def test_a_list_opens_with_all_that_can_be_chosen(dialog: SettingsDialog) -> None:
    dialog.area.ensureWidgetVisible(dialog.voice)
    dialog.voice.showPopup()
    settle()
    shown = dialog.voice.view()
    last = shown.visualRect(shown.model().index(dialog.voice.count() - 1, 0))
    assert shown.viewport().rect().contains(last)
    dialog.voice.hidePopup()
    settle()


def test_a_server_is_named_without_what_is_secret(
    dialog: SettingsDialog, choices: SettingsViewModel
) -> None:
    row = dialog.paths["llm"]
    assert not dialog.server_model.isVisible()
    row.field.setText("http://me:secret@127.0.0.1:8080/v1")
    row.field.editingFinished.emit()
    assert choices.settings.llm_is_server
    assert row.state.text().endswith("From the next start: 127.0.0.1:8080")
    assert dialog.server_model.isVisible()
    dialog.server_model.setText(" qwen ")
    dialog.server_model.editingFinished.emit()
    assert choices.settings.llm_model == "qwen"


def test_looking_for_a_folder_does_not_block_and_what_is_found_is_chosen(
    qtbot: QtBot, dialog: SettingsDialog, choices: SettingsViewModel, tmp_path: Path
) -> None:
    row = dialog.paths["recordings"]
    row.picked(str(tmp_path))
    qtbot.waitUntil(lambda: choices.settings.recordings == tmp_path)
    row.picked("")
    assert choices.settings.recordings == tmp_path


def test_a_refused_choice_is_told_in_the_dialog(
    dialog: SettingsDialog, choices: SettingsViewModel
) -> None:
    assert not dialog.problem.isVisible()
    choices.set("patience", 7)
    assert dialog.problem.isVisible()
    assert dialog.problem.text().startswith("This cannot be used")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("asr", "nowhere", "There is no folder nowhere."),
        ("model", __file__, f"There is no folder {__file__}."),
        ("llm", "nowhere.gguf", "There is no file nowhere.gguf."),
        ("llm", "ftp://127.0.0.1/v1", "A server's address begins with http:// or https://"),
        ("llm", "http://:8080", "A server's address begins with http:// or https://"),
        ("llm", "http://host:99999/v1", "A server's address begins with http:// or https://"),
        ("recordings", f"{__file__}/in", f"Nothing can be kept in {__file__}"),
    ],
)
def test_a_place_that_is_not_there_is_refused_at_once(
    qtbot: QtBot,
    dialog: SettingsDialog,
    choices: SettingsViewModel,
    name: str,
    text: str,
    words: str,
) -> None:
    row = dialog.paths[name]
    before, shown = choices.settings, row.field.text()
    row.field.setText(text)
    row.field.editingFinished.emit()
    qtbot.waitUntil(dialog.problem.isVisible)
    assert dialog.problem.text().startswith(words)
    assert row.field.text() == shown
    assert choices.settings == before
    assert not dialog.later.isVisible()


def test_enter_takes_what_is_written_and_closes_nothing(
    qtbot: QtBot,
    window: MainWindow,
    dialog: SettingsDialog,
    choices: SettingsViewModel,
    tmp_path: Path,
) -> None:
    field = dialog.paths["recordings"].field
    field.setFocus()
    field.setText(str(tmp_path / "new"))
    QTest.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: choices.settings.recordings == tmp_path / "new")
    settle()
    assert dialog.isVisible()
    QTest.keyClick(dialog.theme, Qt.Key.Key_Escape)
    settle()
    assert window.dialog is None


def test_every_control_says_what_it_means_and_what_it_costs(dialog: SettingsDialog) -> None:
    controls = [
        widget
        for kind in INTERACTIVE
        for widget in dialog.findChildren(kind)
        if widget.isVisible() and widget not in (dialog.close_button, dialog.use_now)
    ]
    assert len(controls) > 20
    for control in controls:
        name = control.accessibleName()
        assert name
        assert control.toolTip(), name
    assert "gigabyte" in dialog.record.toolTip()
    assert "From the next start." in dialog.echo.toolTip()


def test_what_holds_at_once_does_not_say_later(
    window: MainWindow, choices: SettingsViewModel
) -> None:
    choices._apply = lambda _: None
    choices._renew = lambda _: None
    window.settings_action.trigger()
    settle()
    dialog = window.dialog
    assert isinstance(dialog, SettingsDialog)
    later = "Needs loading anew."
    for control in (dialog.record, dialog.voice, dialog.patience, dialog.barge_in, dialog.theme):
        assert later not in control.toolTip()
    for control in (dialog.echo, dialog.chime, dialog.watermark, dialog.paths["recordings"].field):
        assert later in control.toolTip()
    dialog.record.click()
    assert not dialog.later.isVisible()


def test_tab_goes_through_the_settings_and_back(dialog: SettingsDialog) -> None:
    wanted = {
        widget
        for kind in INTERACTIVE
        for widget in dialog.findChildren(kind)
        if widget.isVisible()
        and widget.isEnabled()
        and widget.window() is dialog
        and widget.focusPolicy() != Qt.FocusPolicy.NoFocus
    }
    assert set(cycle(dialog)) == wanted


def test_what_uses_the_choices_comes_after_them_and_before_closing(
    window: MainWindow, choices: SettingsViewModel
) -> None:
    choices._renew = lambda _: None
    window.settings_action.trigger()
    settle()
    dialog = window.dialog
    assert isinstance(dialog, SettingsDialog)
    choices.set("echo", "off")
    dialog.text_size.setFocus()
    order = cycle(dialog)
    at = order.index(dialog.use_now)
    assert order[at + 1 : at + 3] == [dialog.close_button, dialog.microphone]


def test_there_is_one_dialog_at_a_time_and_escape_closes_it(
    dialog: SettingsDialog, window: MainWindow
) -> None:
    window.about_action.trigger()
    assert window.dialog is dialog
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    settle()
    assert window.dialog is None


def test_about_says_what_it_is_and_where_real_models_go(window: MainWindow) -> None:
    window.about_action.trigger()
    settle()
    assert isinstance(window.dialog, AboutDialog)
    words = words_of(window.dialog)
    assert "it does not understand people" in words
    assert "csm-nano (built in)" in words
    assert str(Path("parley") / "models") in words
    assert "Use real models" in words
    keys = {action.shortcut().toString() for action in window.actions()}
    assert keys - {"F1", "Ctrl+Q"} <= set(words.splitlines())
