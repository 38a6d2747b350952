"""A session read back: sound by channel, events, turns; also one still open, and one of ``talk``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import InputError
from app.recording import session
from app.recording.reader import Session, find, sessions
from tests.app.recording.conftest import Make, feed, talk


@pytest.fixture
def recorded(make: Make) -> Session:
    recorder = make()
    talk(recorder.event)
    feed(recorder, *range(1000))
    recorder.close()
    return Session(recorder.folder)


def test_sound_comes_by_channel_and_in_blocks(recorded: Session) -> None:
    every = list(recorded.blocks(block_s=0.7))
    assert sum(len(block) for block in every) == 480_000
    assert max(len(block) for block in every) == 33_600
    (one,) = recorded.blocks(("assistant as played", 0), 2.0, 2.01)
    assert one.shape == (480, 2)
    np.testing.assert_allclose(one[:, 1], 201 / 2048, atol=1e-4)
    np.testing.assert_allclose(one[:, 0], -201 / 2048, atol=1e-4)
    with pytest.raises(InputError, match="there are raw microphone, "):
        list(recorded.blocks(("left",)))


def test_what_is_known_of_it(recorded: Session) -> None:
    assert recorded.seconds == 10.0
    assert [turn.number for turn in recorded.turns()] == [1, 2, 3]
    kinds = [record["kind"] for record in recorded.events()]
    assert kinds[0] == "user_started"
    assert "recorder_began" in kinds
    about = recorded.summary()
    assert (about.seconds, about.turns, about.state) == (10.0, 3, "closed")
    assert about.size_bytes > 480_000 * 6
    assert about.started.startswith("2026-03-14T15:09:26")


def test_a_session_can_be_read_while_it_is_recorded(make: Make) -> None:
    recorder = make()
    talk(recorder.event)
    feed(recorder, *range(100))
    reading = Session(recorder.folder)
    assert reading.summary().state == "open"
    assert reading.summary().turns == 3
    assert reading.seconds == 1.0


def test_a_folder_of_talk_is_a_session_without_a_recording(tmp_path: Path) -> None:
    turns = [
        {"number": 1, "source": "MICROPHONE", "user_text": "a", "reply_text": "b", "reply_s": 2.5}
    ]
    (tmp_path / "transcript.json").write_text(json.dumps({"turns": turns}))
    (tmp_path / "timings.json").write_text(
        json.dumps({"turns": [{"number": 1, "timings_ms": {"asr": 3.0}}]})
    )
    kept = Session(tmp_path)
    (turn,) = kept.turns()
    assert (turn.user_text, turn.heard_text, turn.timings_ms) == ("a", "b", {"asr": 3.0})
    assert kept.summary().state == "files"
    with pytest.raises(InputError, match="no sound"):
        list(kept.blocks())


def test_sessions_are_found_by_name_by_folder_and_as_the_last(make: Make, tmp_path: Path) -> None:
    root = tmp_path / "sessions"
    with pytest.raises(InputError, match="no recorded sessions"):
        find(root, "last")
    for _ in range(3):
        make().close()
    (root / "stray").mkdir()
    (root / "file").touch()
    names = [one.folder.name for one in sessions(root)]
    assert names == ["2026-03-14_15-09-26", "2026-03-14_15-09-26_2", "2026-03-14_15-09-26_3"]
    assert find(root, names[1]).folder == root / names[1]
    assert find(root, "last").folder == root / names[2]
    assert find(root, str(root / names[0])).folder == root / names[0]
    for wrong in ("nothing", "stray", str(root / "file"), f"../sessions/{names[0]}"):
        with pytest.raises(InputError) as told:
            find(root, wrong)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"clock": 3, "turns": "x"}'])
def test_a_damaged_description_does_not_hide_the_rest(recorded: Session, content: str) -> None:
    (recorded.folder / session.ABOUT).write_text(content)
    assert recorded.clock().pieces == ((0, 0),)
    assert recorded.summary().turns == 3
