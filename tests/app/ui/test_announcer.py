"""Screen readers are told states now and then, and errors at once."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.core.shown import Level, Notice, Phase, PhaseChanged
from app.ui.viewmodels.session import SessionViewModel
from app.ui.viewmodels.status import StatusViewModel
from app.ui.widgets.announcer import Announcer


@pytest.fixture
def said() -> list[tuple[str, bool]]:
    return []


@pytest.fixture
def announcer(qtbot: QtBot, session: SessionViewModel, said: list[tuple[str, bool]]) -> Announcer:
    window = QWidget()
    qtbot.addWidget(window)
    return Announcer(session.status, window, lambda words, now: said.append((words, now)))


def go(status: StatusViewModel, *phases: Phase) -> None:
    for phase in phases:
        status.take_phase(PhaseChanged(phase))


def test_the_first_state_is_said_and_of_many_only_the_last(
    announcer: Announcer, session: SessionViewModel, said: list[tuple[str, bool]]
) -> None:
    go(session.status, Phase.LISTENING, Phase.THINKING, Phase.SPEAKING)
    assert said == [("Listening", False)]
    announcer.now()
    assert said == [("Listening", False), ("Speaking", False)]
    announcer.now()
    assert len(said) == 2


def test_nobody_is_talked_over(
    announcer: Announcer, session: SessionViewModel, said: list[tuple[str, bool]]
) -> None:
    go(session.status, Phase.LISTENING, Phase.THINKING, Phase.HEARING)
    announcer.now()
    assert said == [("Listening", False)]


def test_errors_are_said_at_once_and_firmly(
    announcer: Announcer, session: SessionViewModel, said: list[tuple[str, bool]]
) -> None:
    go(session.status, Phase.LISTENING, Phase.FAILED)
    session.status.take_notice(Notice(Level.ERROR, "The model is missing: choose another."))
    session.status.take_notice(Notice(Level.INFO, "Found it."))
    assert said[1:] == [
        ("Not working", True),
        ("The model is missing: choose another.", True),
        ("Found it.", False),
    ]


def test_announcing_for_real_raises_nothing(qtbot: QtBot, session: SessionViewModel) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    Announcer(session.status, window)
    go(session.status, Phase.LISTENING)
