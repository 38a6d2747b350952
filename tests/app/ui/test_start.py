"""What the window's entry makes of settings that are to be used without a new start."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.core.errors import OutputError
from app.settings.instance import AlreadyRunningError
from app.settings.model import Settings
from app.settings.store import Loaded
from app.ui import start
from tests.fakes.live import FakeLive

Renew = Callable[[Settings], None]


class Renewed(FakeLive):
    """Remembers that it was renewed, too."""

    def renew(self, factory: object) -> None:
        self.calls.append(("renew",))

    def notice(self, message: str) -> None:
        self.calls.append(("notice", message))


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Renewed:
    made = Renewed()
    monkeypatch.setattr(start, "LiveSession", lambda *_, **__: made)
    monkeypatch.setattr(start.compose_live, "LiveMaker", lambda *_: object())
    monkeypatch.setattr(start.compose_live, "recovered_sessions", lambda _: [])
    monkeypatch.setattr(start.SettingsStore, "load", lambda _: Loaded(Settings()))
    return made


def test_every_conversation_is_recorded_from_when_that_is_used(
    live: Renewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(*_: object, renew: Renew, **__: object) -> int:
        for record in (False, True, True, False):
            renew(Settings(record=record))
        return 0

    monkeypatch.setattr(start, "run", choose)
    assert start._talk() == 0
    assert live.calls == [
        ("renew",),
        ("renew",),
        ("record", True),
        ("renew",),
        ("record", False),
        ("renew",),
    ]


def test_what_is_so_at_every_loading_is_said_once(
    live: Renewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    tellers: list[Callable[[str], None]] = []
    monkeypatch.setattr(start.compose_live, "LiveMaker", lambda _, notice: tellers.append(notice))

    def choose(*_: object, renew: Renew, **__: object) -> int:
        renew(Settings(watermark=False))
        for tell in tellers:
            tell("The key cannot be kept: make room.")
        tellers[1]("The room cannot be kept: make room.")
        return 0

    monkeypatch.setattr(start, "run", choose)
    assert start._talk() == 0
    assert len(tellers) == 2
    told = [call for call in live.calls if call[0] == "notice"]
    assert told == [
        ("notice", "The key cannot be kept: make room."),
        ("notice", "The room cannot be kept: make room."),
    ]


def test_a_disk_that_takes_nothing_does_not_keep_the_window_from_opening(
    live: Renewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OutputError("The lock cannot be written: make its folder writable.")

    shown: list[str] = []

    def show(*_: object, notices: list[str], **__: object) -> int:
        shown.extend(notices)
        return 0

    monkeypatch.setattr(start, "single_instance", refuse)
    monkeypatch.setattr(start, "run", show)
    assert start.open_window() == 0
    assert shown == ["The lock cannot be written: make its folder writable."]


def test_a_second_parley_does_not_open(
    live: Renewed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise AlreadyRunningError("Parley is already running: use its window.")

    monkeypatch.setattr(start, "single_instance", refuse)
    monkeypatch.setattr(start, "run", lambda *_, **__: pytest.fail("it opened"))
    assert start.open_window() == 1
    assert "already running" in capsys.readouterr().err


def test_recording_every_conversation_begins_where_it_is_chosen(
    live: Renewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.change_policy = lambda _: None  # type: ignore[attr-defined]

    def choose(*_: object, apply: Renew, renew: Renew, **__: object) -> int:
        for record in (False, True, True, False):
            apply(Settings(record=record))
        renew(Settings(record=False))
        return 0

    monkeypatch.setattr(start, "run", choose)
    assert start._talk() == 0
    assert live.calls == [("record", True), ("record", False), ("renew",)]
