"""The window: what it shows, its keys, its names, its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from app.core.shown import Level, Levels, Notice, Phase, PhaseChanged, RecordingChanged
from app.settings.model import Settings
from app.ui.bridge import Background
from app.ui.look import Look
from app.ui.viewmodels.session import SessionViewModel
from app.ui.viewmodels.settings import SettingsViewModel
from app.ui.window import FRAME, MainWindow
from app.ui.words import PHASE_ICONS, minutes, phase_hint, phase_word
from tests.app.ui.helpers import go, press, settle
from tests.fakes.live import FakeLive, FakeStore, conversation, user
from tests.fakes.shelf import FakeShelf, shelf_models

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
    window = MainWindow(session, choices, look, **shelf_models(FakeShelf(), background))
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


def test_there_is_nothing_to_record_where_nothing_could_be_loaded(
    window: MainWindow, live: FakeLive
) -> None:
    go(live, Phase.FAILED)
    assert not window.dock.record.isEnabled()
    window.dock.record_action.trigger()
    assert live.calls == []
    go(live, Phase.LOADING)
    assert window.dock.record.isEnabled()


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


def test_the_first_window_fits_a_small_screen(window: MainWindow) -> None:
    room = window.screen().availableSize()
    assert window.height() + FRAME.height() <= room.height()
    assert window.width() <= room.width()
