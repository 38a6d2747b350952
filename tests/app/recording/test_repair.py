"""After a crash: nothing older than a second is lost, and it is told once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from app.core.errors import OutputError
from app.recording import session, wav
from app.recording.lines import believed
from app.recording.repair import (
    BeingRecordedError,
    Recovered,
    Unrecovered,
    recover,
    recover_all,
    unclosed,
)
from app.settings.instance import hold
from tests.app.recording.conftest import Make, feed, talk, told_index

ROOT = Path(__file__).resolve().parents[3]
RECORDS = """
import sys
from pathlib import Path
from app.core.clock import SystemClock
from app.recording.recorder import DiskRecorder
from app.recording.session import About
from tests.app.recording.conftest import feed, talk

recorder = DiskRecorder(Path(sys.argv[1]), About(), SystemClock(), print)
index = 0
while True:
    # As fast as the disk follows: never more than half a second ahead of it, as in a conversation.
    while index * 0.01 - recorder.seconds > 0.5:
        recorder._wake.set()
    feed(recorder, index)
    if index == 100:
        talk(recorder.event)
    index += 1
    print(index, flush=True)
"""


def sound_of(folder: Path) -> Any:
    return soundfile.read(str(folder / session.SOUND), dtype="int16", always_2d=True)[0]


def test_a_kill_in_mid_recording_loses_at_most_a_second(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RECORDS, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 730:
                break
        (folder,) = unclosed(tmp_path)
        assert recover_all(tmp_path) == [], "it is still being recorded"
        with pytest.raises(BeingRecordedError):
            recover(folder)
        process.kill()
        fed = max([730, *(int(line) for line in process.stdout)])
    told: list[str] = []
    (recovered,) = recover_all(tmp_path, told.append)
    assert isinstance(recovered, Recovered)
    assert told == [recovered.sentence]
    assert recovered.folder == folder
    assert recovered.seconds >= fed * 0.01 - 1
    assert recovered.turns == 3
    sound = sound_of(folder)
    assert recovered.seconds == len(sound) / 48000
    # The kill may fall into the middle of a write: the last block need not be whole.
    blocks = told_index(sound[: len(sound) // 480 * 480])
    np.testing.assert_array_equal(blocks, np.arange(len(blocks)) % 1000)
    assert wav.layout(folder / session.SOUND).right
    turns = json.loads((folder / "transcript.json").read_text())["turns"]
    assert turns[0]["heard_text"] == "It is dry. Take no umbrella."
    assert json.loads((folder / session.ABOUT).read_text())["state"] == "recovered"
    assert str(folder) in recovered.sentence
    assert recover_all(tmp_path) == [], "a recovered session is told once"


@pytest.fixture
def crashed(make: Make, tmp_path: Path) -> Path:
    """A session as a power cut leaves it: a copy made in mid-recording, with its mark."""
    recorder = make()
    talk(recorder.event)
    feed(recorder, *range(500, 800))
    folder = tmp_path / "crashed" / "2026-01-01_00-00-00"
    folder.mkdir(parents=True)
    for entry in recorder.folder.iterdir():
        (folder / entry.name).write_bytes(entry.read_bytes())
    return folder


def test_damaged_events_are_cut_and_the_rest_is_kept_beside(crashed: Path) -> None:
    events = crashed / session.EVENTS
    good = events.read_bytes()
    lines = good.splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if b'"kind":"typed"' in line)
    damaged = b"".join(lines[:at]) + lines[at].replace(b"tomorrow", b"yesterday") + lines[at + 1]
    events.write_bytes(damaged + b"\0" * 100)
    recovered = recover(crashed)
    assert events.read_bytes() == b"".join(lines[:at])
    assert recovered.cut_bytes == len(damaged) + 100 - len(b"".join(lines[:at]))
    assert (crashed / "events.jsonl.damaged").stat().st_size == recovered.cut_bytes
    assert recovered.turns == 1
    assert not believed(events).damaged


def test_times_of_a_recovered_session_still_count_from_its_beginning(crashed: Path) -> None:
    (crashed / session.ABOUT).unlink()
    recover(crashed)
    about = json.loads((crashed / session.ABOUT).read_text())
    assert about["clock"]["pieces"] == [[500, 0]]
    turns = json.loads((crashed / "transcript.json").read_text())["turns"]
    assert turns[1]["reply_s"] == [0.0, 0.5]


@pytest.mark.parametrize("name", [session.SOUND, session.EVENTS, session.ABOUT])
@pytest.mark.parametrize("content", [None, b"", b"\0" * 5000])
def test_whatever_is_missing_or_ruined_the_rest_is_saved(
    crashed: Path, name: str, content: bytes | None
) -> None:
    if content is None:
        (crashed / name).unlink()
    else:
        (crashed / name).write_bytes(content)
    (recovered,) = recover_all(crashed.parent)
    assert isinstance(recovered, Recovered)
    assert recovered.seconds == (0.0 if name == session.SOUND else 3.0)
    assert recovered.turns == (0 if name == session.EVENTS else 3)
    assert recover_all(crashed.parent) == []


def test_a_session_that_was_closed_can_be_repaired_and_is_not_found(make: Make) -> None:
    recorder = make()
    feed(recorder, *range(100))
    recorder.close()
    assert unclosed(recorder.folder.parent) == []
    path = recorder.folder / session.SOUND
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 48_001])
    assert not wav.layout(path).right
    assert recover(recorder.folder).seconds == 0.83
    assert wav.layout(path).right


def test_a_failed_repair_is_told_and_tried_again(
    crashed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("app.recording.repair.write_transcript", full)
        with pytest.raises(OutputError, match="No space"):
            recover(crashed)
        (failed,) = recover_all(crashed.parent)
    assert isinstance(failed, Unrecovered)
    assert "could not be repaired" in failed.sentence
    (recovered,) = recover_all(crashed.parent)
    assert isinstance(recovered, Recovered)


def test_a_session_held_by_someone_is_left_alone(crashed: Path) -> None:
    held = hold(crashed / session.MARK)
    assert held is not None
    before = {entry.name: entry.read_bytes() for entry in crashed.iterdir()}
    assert recover_all(crashed.parent) == []
    assert {entry.name: entry.read_bytes() for entry in crashed.iterdir()} == before
    held.release()


def test_no_place_is_no_sessions(tmp_path: Path) -> None:
    assert recover_all(tmp_path / "nothing") == []
