"""The end never hangs."""

from __future__ import annotations

import threading

from pytestqt.qtbot import QtBot

from app.ui.closing import CLOSE_S, LONGEST_S, Closer


def test_the_conversation_is_closed_on_another_thread(qtbot: QtBot) -> None:
    on: list[str] = []
    told: list[bool] = []

    def close() -> bool:
        on.append(threading.current_thread().name)
        return True

    closer = Closer(close)
    closer.done.connect(told.append)
    closer.start()
    closer.start()
    qtbot.waitUntil(lambda: bool(told))
    assert told == [True]
    assert on == ["closing"]


def test_what_hangs_is_left_behind(qtbot: QtBot) -> None:
    release = threading.Event()
    ended = threading.Event()
    told: list[bool] = []

    def close() -> bool:
        release.wait(30)
        ended.set()
        return True

    closer = Closer(close, longest_s=0.01)
    closer.done.connect(told.append)
    closer.start()
    qtbot.waitUntil(lambda: bool(told))
    assert told == [False]
    assert not ended.is_set()
    # When it does end after all, nothing is told twice.
    release.set()
    assert ended.wait(30)
    qtbot.wait(5)
    assert told == [False]


def test_the_time_for_it_is_under_two_seconds() -> None:
    assert CLOSE_S < LONGEST_S < 2.0
