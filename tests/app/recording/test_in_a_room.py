"""A whole live conversation recorded: what is on the disk is what was said, played and decided."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.recording.lines import plain
from app.recording.reader import Session
from app.recording.timeline import timeline
from tests.app.recording.conftest import Make
from tests.fakes.parts import FakeChat, FakeRecogniser
from tests.fakes.rooms import Room

LONG = tuple("One two three four five six seven eight. " for _ in range(4))


@pytest.fixture
def held(make: Make) -> tuple[Room, Path]:
    """A question, and an answer that the user's next question cuts short."""
    room = Room(recogniser=FakeRecogniser(["what time is it"]), chat=FakeChat(LONG))
    room.sim.recorder = recorder = make()
    room.say(1.0, 0.3)
    room.speaking()
    room.sim.run_for(1.5)
    room.say(1.2)
    room.turn()
    room.sim.run_for(0.5)
    room.sim.close()
    return room, recorder.folder


def test_both_sides_are_on_one_clock_to_the_sample(held: tuple[Room, Path]) -> None:
    room, folder = held
    session = Session(folder)
    sound = np.concatenate(list(session.blocks()))
    assert len(sound) == round(room.sim.now_s * 48_000)
    # Recorded as it was given to the device, which plays it a latency later.
    played = room.device.played(room.device.player.latency_s)
    np.testing.assert_allclose(sound[: len(played), 2], np.clip(played, -1, 1), atol=1e-4)
    assert np.abs(played).max() > 0.1
    assert len(played) > len(sound) - 4800
    delivered = room.device.delivered()
    np.testing.assert_allclose(sound[: len(delivered), 0], delivered, atol=1e-4)
    assert len(delivered) > len(sound) - 4800


def test_every_decision_is_kept_as_it_was_logged(held: tuple[Room, Path]) -> None:
    room, folder = held
    records = [
        record for record in Session(folder).events() if not record["kind"].startswith("recorder_")
    ]
    assert records == [plain(record) for record in room.sim.log]
    assert len(list(timeline(Session(folder).events(), Session(folder).clock(), True))) > 20


def test_the_turn_in_the_transcript_is_the_one_that_was_heard(held: tuple[Room, Path]) -> None:
    room, folder = held
    first = Session(folder).turns()[0]
    logged = room.of("turn")[0]
    assert first.cut
    assert (first.heard_text, first.reply_text) == (logged["heard_text"], logged["reply_text"])
    assert first.heard_text + " " + first.unheard_text == first.reply_text.strip()
    assert first.user_from_s == pytest.approx(0.3, abs=0.08)
    assert first.user_to_s == pytest.approx(1.3, abs=0.08)
    sound = np.concatenate(list(Session(folder).blocks(("assistant as played",))))[:, 0]
    loud = np.flatnonzero(np.abs(sound) > 0.01) / 48_000
    assert first.reply_from_s == pytest.approx(loud[0], abs=0.1)
    assert first.reply_to_s is not None
    assert loud[-1] <= first.reply_to_s
