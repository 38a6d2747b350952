"""No thread but Qt's destroys Qt's objects, and what loading leaves behind is not looked at again."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from app.core.shown import Phase
from app.ui.garbage import Garbage, collect_due


class Node(QObject):
    """In a cycle with itself; says on which thread Qt's part of it goes."""

    def __init__(self, gone: list[str]) -> None:
        super().__init__()
        self.me = self
        self.note = Note(gone)


class Note:
    def __init__(self, gone: list[str]) -> None:
        self.gone = gone

    def __del__(self) -> None:
        self.gone.append(threading.current_thread().name)


@pytest.fixture
def garbage(qtbot: QtBot) -> Iterator[Garbage]:
    gc.collect()
    made = Garbage()
    yield made
    made.close()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    gc.disable()


def test_a_thread_that_allocates_much_collects_nothing(garbage: Garbage, qtbot: QtBot) -> None:
    gone: list[str] = []
    kept: list[list[int]] = []
    Node(gone)
    worker = threading.Thread(target=lambda: kept.extend([n] for n in range(20_000)))
    worker.start()
    worker.join()
    assert gone == []
    qtbot.waitUntil(lambda: bool(gone))
    assert gone == [threading.main_thread().name]


def test_nothing_is_collected_before_it_is_due(garbage: Garbage) -> None:
    gone: list[str] = []
    gc.collect()
    Node(gone)
    collect_due()
    assert gone == []


def test_what_was_loaded_is_set_aside_and_looked_at_again_when_it_is_exchanged(
    garbage: Garbage,
) -> None:
    gone: list[str] = []
    garbage.phase(Phase.LOADING)
    node = Node(gone)
    garbage.phase(Phase.LISTENING)
    frozen = gc.get_freeze_count()
    assert frozen > 1000
    garbage.phase(Phase.SPEAKING)
    assert gc.get_freeze_count() == frozen, "once a loading"
    del node
    gc.collect()
    assert gone == [], "what was set aside is not looked at"
    garbage.phase(Phase.LOADING)
    garbage.phase(Phase.LISTENING)
    assert gone == [threading.main_thread().name]
