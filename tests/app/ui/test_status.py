"""What the user asks for reaches the conversation, and what it tells is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.shown import (
    DevicesChanged,
    Level,
    Levels,
    Notice,
    NoticeOver,
    Phase,
    PhaseChanged,
    RecordingChanged,
)
from app.ui.viewmodels.levels import FLOOR_DB, eased_db, share
from app.ui.viewmodels.session import SessionViewModel
from app.ui.viewmodels.status import MAX_NOTICES, StatusViewModel
from tests.app.ui.helpers import settle
from tests.fakes.live import DEVICES, FakeLive, answer, user


@pytest.fixture
def status(session: SessionViewModel) -> StatusViewModel:
    session.status.take_phase(PhaseChanged(Phase.LISTENING))
    return session.status


def test_the_session_sorts_what_it_is_told(session: SessionViewModel, live: FakeLive) -> None:
    notice = Notice(Level.INFO, "Well.")
    live.show(
        PhaseChanged(Phase.HEARING),
        user(1, "one"),
        DEVICES,
        notice,
        RecordingChanged(True, Path("x")),
        answer(1, "two"),
    )
    assert session.captions.rowCount() == 0
    settle()
    assert session.captions.rowCount() == 2
    assert session.status.phase is Phase.HEARING
    assert session.status.devices == DEVICES
    assert session.status.notices == (notice,)
    assert session.status.recording == RecordingChanged(True, Path("x"))


def test_wishes_reach_the_conversation(status: StatusViewModel, live: FakeLive) -> None:
    status.stop()
    status.set_muted(True)
    status.set_muted(False)
    status.set_hands_free(False)
    status.talk(True)
    status.talk(False)
    status.record(True)
    assert status.send("  hello  ")
    assert not status.send("   ")
    assert live.calls == [
        ("stop",),
        ("mute", True),
        ("mute", False),
        ("hands_free", False),
        ("talk_key", True),
        ("talk_key", False),
        ("record", True),
        ("type", "hello"),
    ]


def test_saying_it_twice_tells_it_once(status: StatusViewModel, live: FakeLive) -> None:
    for _ in range(2):
        status.talk(True)
        status.set_muted(False)
        status.set_hands_free(True)
    assert live.calls == [("talk_key", True)]


def test_muting_lets_go_of_the_talk_key(status: StatusViewModel, live: FakeLive) -> None:
    status.talk(True)
    status.set_muted(True)
    assert live.calls == [("talk_key", True), ("talk_key", False), ("mute", True)]
    assert not status.talking


@pytest.mark.parametrize("phase", [Phase.LOADING, Phase.NO_MICROPHONE, Phase.FAILED])
def test_without_a_microphone_the_talk_key_does_nothing(
    status: StatusViewModel, live: FakeLive, phase: Phase
) -> None:
    status.take_phase(PhaseChanged(phase))
    status.talk(True)
    assert live.calls == []


def test_a_device_without_a_microphone_cannot_hear_in_any_phase(status: StatusViewModel) -> None:
    assert status.can_hear
    status.take_devices(DevicesChanged("", "Built-in loudspeaker"))
    status.take_phase(PhaseChanged(Phase.SPEAKING))
    assert not status.can_hear
    status.take_devices(DEVICES)
    assert status.can_hear


def test_the_mute_switch_follows_the_conversation(status: StatusViewModel) -> None:
    status.take_phase(PhaseChanged(Phase.MUTED))
    assert status.muted
    status.take_phase(PhaseChanged(Phase.LISTENING))
    assert not status.muted


def test_a_phase_from_before_the_muting_does_not_undo_it(status: StatusViewModel) -> None:
    status.set_muted(True)
    status.take_phase(PhaseChanged(Phase.HEARING))
    status.take_phase(PhaseChanged(Phase.LISTENING))
    assert status.muted


def test_notices_are_few_each_once_and_the_gravest_stay(status: StatusViewModel) -> None:
    error = Notice(Level.ERROR, "The disk is full.")
    status.take_notice(error)
    status.take_notice(Notice(Level.WARNING, "The disk is full."))
    assert status.notices == (error,)
    for number in range(5):
        status.take_notice(Notice(Level.INFO, str(number)))
    assert len(status.notices) == MAX_NOTICES
    assert error in status.notices
    assert status.notices[-1].message == "4"
    status.dismiss(error)
    assert error not in status.notices


def test_a_notice_whose_reason_is_over_goes(session: SessionViewModel, live: FakeLive) -> None:
    warning, other = (Notice(Level.WARNING, words) for words in ("No sound.", "No disk."))
    live.show(warning, other)
    settle()
    live.show(NoticeOver("No sound."))
    settle()
    assert session.status.notices == (other,)


def test_what_is_only_good_to_know_goes_by_itself(status: StatusViewModel) -> None:
    wrong = Notice(Level.WARNING, "The disk is nearly full.")
    status.take_notice(wrong)
    status.take_notice(Notice(Level.INFO, "The microphone is back."))
    status.fade()
    assert status.notices == (wrong,)


def test_meters_are_polled_only_while_watched(status: StatusViewModel, live: FakeLive) -> None:
    assert not status.polling
    status.watch_meters(True)
    assert status.polling
    status.watch_meters(False)
    assert not status.polling
    assert live.polled == 0


def test_meters_tell_only_what_changed(status: StatusViewModel, live: FakeLive) -> None:
    told: list[float] = []
    status.meters_changed.connect(lambda: told.append(status.meters.microphone_db))
    status.poll()
    live.level = Levels(microphone_db=-20.0, recorded_s=3.7)
    status.poll()
    status.poll()
    assert told == [-20.0]
    assert status.meters.recorded_s == 3
    live.level = Levels()
    status.poll()
    assert len(told) == 2
    assert -23 < told[1] < -20


def test_a_meter_rises_at_once_and_falls_slowly() -> None:
    assert eased_db(-60, -10, 0.03) == -10
    assert eased_db(-10, -60, 0.1) == pytest.approx(-14.5)
    assert eased_db(-59, -90, 1.0) == FLOOR_DB
    assert [share(db) for db in (-90, -60, -30, 0, 6)] == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_what_was_switched_while_nothing_was_loaded_holds_when_something_is(
    status: StatusViewModel, live: FakeLive
) -> None:
    status.take_phase(PhaseChanged(Phase.FAILED))
    status.set_muted(True)
    status.set_hands_free(False)
    live.calls.clear()
    status.take_phase(PhaseChanged(Phase.LOADING))
    assert live.calls == [("mute", True), ("hands_free", False)]
    live.calls.clear()
    status.take_phase(PhaseChanged(Phase.LOADING, "Loading the voice ..."))
    assert live.calls == []
