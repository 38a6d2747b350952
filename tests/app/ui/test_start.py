"""What the window's entry makes of settings that are to be used without a new start."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.settings.model import Settings
from app.settings.store import Loaded
from app.ui import start
from tests.fakes.live import FakeLive

Renew = Callable[[Settings], None]


class Renewed(FakeLive):
    """Remembers that it was renewed, too."""

    def renew(self, factory: object) -> None:
        self.calls.append(("renew",))


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Renewed:
    made = Renewed()
    monkeypatch.setattr(start, "LiveSession", lambda *_, **__: made)
    monkeypatch.setattr(start.compose_live, "LiveMaker", lambda _: object())
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
