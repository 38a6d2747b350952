"""The window from its opening to its end, with the conversation that it is given."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from app.core.shown import Phase, PhaseChanged
from app.settings import paths
from app.settings.model import Settings
from app.ui import application, closing
from app.ui.window import MainWindow
from tests.app.ui.helpers import settle
from tests.fakes.live import FakeLive, FakeStore
from tests.fakes.shelf import FakeShelf


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(paths, "user_config", lambda: tmp_path)
    return tmp_path


def the_window() -> MainWindow:
    found = [
        w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow) and w.isVisible()
    ]
    assert len(found) == 1
    return found[0]


class Guided(FakeLive):
    """Runs ``then`` in the window's thread once the conversation was started."""

    def __init__(self, then: object) -> None:
        super().__init__()
        self.then = then

    def start(self) -> None:
        super().start()
        self.phase(Phase.LISTENING)
        QTimer.singleShot(0, self.then)  # type: ignore[call-overload]


def test_it_starts_the_conversation_shows_it_and_ends_it(
    styled: QApplication, own_place: Path
) -> None:
    seen: list[str] = []

    def look_and_leave() -> None:
        settle()
        window = the_window()
        seen.append(window.state.word.text())
        seen.extend(bar.text.text() for bar in window.notices.bars)
        window.close()

    live, store = Guided(look_and_leave), FakeStore()
    code = application.run(
        live, Settings(), store, FakeShelf(), notices=["A setting was not understood."]
    )
    assert code == 0
    assert seen == ["Listening", "A setting was not understood."]
    assert live.calls == [("start",), ("close", closing.CLOSE_S)]
    assert live.closed_on == "closing"
    assert (own_place / "window.ini").is_file()
    # What comes after the end is not waited for and does no harm.
    live.show(PhaseChanged(Phase.SPEAKING))
    settle()


def test_a_conversation_that_does_not_end_is_left_behind(
    styled: QApplication, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Impatient(closing.Closer):
        def __init__(self, close: object) -> None:
            super().__init__(close, longest_s=0.02)  # type: ignore[arg-type]

    monkeypatch.setattr(application, "Closer", Impatient)
    hidden: list[bool] = []

    def leave() -> None:
        window = the_window()
        window.close()
        hidden.append(not window.isVisible())

    live = Guided(leave)
    live.closes = threading.Event()
    with caplog.at_level(logging.WARNING, "parley.window"):
        assert application.run(live, Settings(), FakeStore(), FakeShelf()) == 0
    live.closes.set()
    assert hidden == [True]
    assert "left behind" in caplog.text


def test_what_was_chosen_last_is_saved_before_the_end(styled: QApplication) -> None:
    def choose_and_leave() -> None:
        window = the_window()
        window.choices.set("patience", 0.9)
        window.close()

    store = FakeStore()
    applied: list[Settings] = []
    application.run(Guided(choose_and_leave), Settings(), store, FakeShelf(), apply=applied.append)
    assert [settings.patience for settings in store.saved] == [0.9]
    assert [settings.patience for settings in applied] == [0.9]


def test_a_theme_and_a_place_are_kept(styled: QApplication) -> None:
    sizes: list[tuple[int, int]] = []
    dark: list[bool] = []

    def resize_and_leave() -> None:
        window = the_window()
        dark.append(window.look.dark)
        sizes.append((window.width(), window.height()))
        window.resize(600, 640)
        window.close()

    for _ in range(2):
        application.run(Guided(resize_and_leave), Settings(theme="dark"), FakeStore(), FakeShelf())
    assert dark == [True, True]
    assert sizes[1] == (600, 640)


def test_qt_does_not_lose_references_on_this_python(styled: QApplication) -> None:
    """PySide6 6.12.0 drops one reference to None with each call on Python before 3.12.

    After some minutes that ends the program. This holds for whatever version is installed.
    """
    timer = QTimer()
    before = sys.getrefcount(None)
    for _ in range(2000):
        timer.setInterval(5)
    assert sys.getrefcount(None) > before - 1000
