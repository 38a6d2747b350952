"""Choices are checked, kept, saved elsewhere, and say when they take effect."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.core.errors import OutputError
from app.settings import paths
from app.settings.model import Settings
from app.ui.bridge import Background
from app.ui.viewmodels.settings import SettingsViewModel, known_voices, model_name
from tests.fakes.live import FakeStore


def test_a_choice_is_told_and_saved(
    qtbot: QtBot, choices: SettingsViewModel, store: FakeStore
) -> None:
    told: list[str] = []
    choices.changed.connect(told.append)
    assert choices.set("theme", "dark")
    choices.save()
    qtbot.waitUntil(lambda: len(store.saved) == 1)
    assert told == ["theme"]
    assert store.saved[0].theme == "dark"


def test_what_is_chosen_quickly_after_another_is_saved_once(
    qtbot: QtBot, choices: SettingsViewModel, store: FakeStore, background: Background
) -> None:
    for step in range(11):
        choices.set("patience", step / 10)
    choices.save()
    choices.save()
    done: list[object] = []
    background.submit(lambda: None, done.append)
    qtbot.waitUntil(lambda: len(done) == 1)
    assert [settings.patience for settings in store.saved] == [1.0]


def test_saving_comes_by_itself(qtbot: QtBot, choices: SettingsViewModel, store: FakeStore) -> None:
    choices.set("barge_in", False)
    qtbot.waitUntil(lambda: len(store.saved) == 1)


def test_choosing_what_is_chosen_changes_nothing(choices: SettingsViewModel) -> None:
    told: list[str] = []
    choices.changed.connect(told.append)
    assert choices.set("hands_free", True)
    assert told == []


def test_a_value_that_cannot_be_is_refused(choices: SettingsViewModel) -> None:
    told: list[str] = []
    choices.failed.connect(told.append)
    assert not choices.set("patience", 3.0)
    assert choices.settings.patience == 0.5
    assert len(told) == 1
    assert told[0].startswith("This cannot be used")


def test_a_disk_that_refuses_is_told(
    qtbot: QtBot, choices: SettingsViewModel, store: FakeStore
) -> None:
    store.error = OutputError("There is no space: free some.")
    told: list[str] = []
    choices.failed.connect(told.append)
    choices.set("record", True)
    choices.save()
    qtbot.waitUntil(lambda: len(told) == 1)
    assert "There is no space: free some." in told[0]


def test_the_systems_own_refusal_is_told_in_words(
    qtbot: QtBot, choices: SettingsViewModel, store: FakeStore
) -> None:
    store.error = OSError(28, "No space left on device", "somewhere/settings.toml")
    told: list[str] = []
    choices.failed.connect(told.append)
    choices.set("record", True)
    choices.save()
    qtbot.waitUntil(lambda: len(told) == 1)
    assert told == ["The settings could not be saved: No space left on device."]


def test_it_knows_what_takes_effect_only_from_the_next_start(choices: SettingsViewModel) -> None:
    choices.set("theme", "dark")
    choices.set("hands_free", False)
    assert not choices.needs_restart
    choices.set("asr", Path("/models/whisper"))
    assert choices.needs_restart


def test_a_conversation_that_takes_choices_gets_them(
    store: FakeStore, background: Background
) -> None:
    taken: list[Settings] = []
    choices = SettingsViewModel(Settings(), store, background, apply=taken.append)
    choices.set("patience", 0.9)
    assert [settings.patience for settings in taken] == [0.9]
    assert not choices.needs_restart
    choices.set("echo", "off")
    assert choices.needs_restart


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (paths.nano() / "csm", ("csm-nano", True)),
        (str(paths.nano() / "llm" / "llm-nano.gguf"), ("llm-nano", True)),
        (Path("/models/csm-1b"), ("csm-1b", False)),
        ("http://me:secret@127.0.0.1:8080/v1", ("127.0.0.1:8080", False)),
        ("https://host.example/v1", ("host.example", False)),
    ],
)
def test_a_model_is_called_by_a_name_that_tells_no_secret(
    value: Path | str, name: tuple[str, bool]
) -> None:
    assert model_name(value) == name


def test_the_built_in_voices_are_known() -> None:
    assert {"atlas", "nova"} <= set(known_voices(paths.voices()))
