"""One Qt application without a screen, one look, and the window on a scripted conversation."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ["QT_SCALE_FACTOR"] = "1"

import pytest
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QApplication

from app.settings.model import Settings
from app.ui import icons
from app.ui.bridge import Background
from app.ui.garbage import collect_due
from app.ui.look import Look
from app.ui.viewmodels.session import SessionViewModel
from app.ui.viewmodels.settings import SettingsViewModel
from app.ui.window import MainWindow
from tests.app.ui.helpers import settle
from tests.fakes.live import FakeLive, FakeStore
from tests.fakes.shelf import FakeShelf, kept, shelf_models

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here may open windows, and a warning of Qt's fails it."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.gui)
            item.add_marker(pytest.mark.qt_log_level_fail("WARNING"))
            # What the platform without a screen says of itself.
            item.add_marker(pytest.mark.qt_log_ignore("This plugin does not support", extend=True))


@pytest.fixture(scope="module", autouse=True)
def garbage() -> Iterator[None]:
    """Like the program: no thread of a test's may destroy what Qt made, see ``app.ui.garbage``."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    yield
    collect_due()


@pytest.fixture(scope="session")
def styled(qapp: QApplication) -> Iterator[QApplication]:
    qapp.setStyle("Fusion")
    qapp.setFont(QFont("DejaVu Sans", 10))
    yield qapp
    icons.forget()


@pytest.fixture
def look(styled: QApplication) -> Look:
    return Look(styled, theme="light")


@pytest.fixture
def live() -> FakeLive:
    return FakeLive()


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def session(styled: QApplication, live: FakeLive) -> Iterator[SessionViewModel]:
    made = SessionViewModel(live)
    yield made
    made.close()


@pytest.fixture
def background(styled: QApplication) -> Iterator[Background]:
    made = Background()
    yield made
    assert made.close(10)


@pytest.fixture
def choices(store: FakeStore, background: Background) -> SettingsViewModel:
    return SettingsViewModel(Settings(), store, background, voices=("atlas", "nova"))


@pytest.fixture
def shelf() -> FakeShelf:
    return FakeShelf(kept(20), kept(19, state="recovered"), kept(18))


@pytest.fixture
def window(
    session: SessionViewModel,
    choices: SettingsViewModel,
    look: Look,
    shelf: FakeShelf,
    background: Background,
) -> Iterator[MainWindow]:
    made = MainWindow(session, choices, look, **shelf_models(shelf, background))
    made.show()
    made.activateWindow()
    settle()
    yield made
    if made.dialog is not None:
        made.dialog.reject()
    made.close()
    made.deleteLater()
    settle()
