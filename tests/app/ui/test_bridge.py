"""What crosses from other threads onto Qt's arrives whole, in order, and in pieces."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app.core.errors import OutputError
from app.ui.bridge import Background, Mailbox
from tests.app.ui.helpers import settle


def test_nothing_is_handed_over_while_posting(qtbot: QtBot) -> None:
    taken: list[Any] = []
    mailbox = Mailbox(taken.extend)
    mailbox.post(1)
    assert taken == []
    settle()
    assert taken == [1]


def test_a_burst_comes_in_order_and_in_pieces(qtbot: QtBot) -> None:
    pieces: list[list[int]] = []
    mailbox = Mailbox(lambda items: pieces.append(list(items)), limit=50)
    for number in range(2000):
        mailbox.post(number)
    qtbot.waitUntil(lambda: sum(map(len, pieces)) == 2000)
    assert [number for piece in pieces for number in piece] == list(range(2000))
    assert max(map(len, pieces)) == 50
    assert len(pieces) == 40


def test_other_events_come_between_the_pieces(qtbot: QtBot) -> None:
    order: list[str] = []
    mailbox = Mailbox(lambda items: order.append("piece"), limit=1)
    other = Mailbox(lambda items: order.append("other"))
    for number in range(3):
        mailbox.post(number)
    other.post("x")
    settle()
    assert order.count("piece") == 3
    assert order.index("other") < 2


def test_many_threads_lose_nothing(qtbot: QtBot) -> None:
    taken: list[tuple[int, int]] = []
    on = set[str]()

    def take(items: Any) -> None:
        on.add(threading.current_thread().name)
        taken.extend(items)

    mailbox = Mailbox(take)

    def work(thread: int) -> None:
        for number in range(200):
            mailbox.post((thread, number))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    qtbot.waitUntil(lambda: len(taken) == 800)
    for thread in range(4):
        assert [n for t, n in taken if t == thread] == list(range(200))
    assert on == {threading.main_thread().name}


def test_after_closing_nothing_comes_any_more(qtbot: QtBot) -> None:
    taken: list[Any] = []
    mailbox = Mailbox(taken.extend)
    mailbox.post(1)
    mailbox.close()
    mailbox.post(2)
    settle()
    assert taken == []


def test_background_work_is_done_elsewhere_and_told_here(
    qtbot: QtBot, background: Background
) -> None:
    told: list[object] = []
    background.submit(lambda: threading.current_thread().name, told.append)
    qtbot.waitUntil(lambda: len(told) == 1)
    assert told == ["window-io"]


@pytest.mark.parametrize("error", [OutputError("No space."), OSError("gone"), ValueError("odd")])
def test_background_work_that_fails_tells_its_error(
    qtbot: QtBot, background: Background, error: Exception
) -> None:
    told: list[object] = []

    def fail() -> None:
        raise error

    background.submit(fail, told.append)
    background.submit(lambda: "next", told.append)
    qtbot.waitUntil(lambda: len(told) == 2)
    assert told == [error, "next"]


def test_background_that_hangs_is_left_behind(qtbot: QtBot) -> None:
    release = threading.Event()
    background = Background()
    background.submit(lambda: release.wait(30), lambda result: None)
    assert background.close(0.01) is False
    release.set()
