"""The recorder: every sample where it belongs, whatever comes, and never an exception."""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from app.recording import session
from app.recording.lines import believed
from app.recording.recorder import Disk, DiskRecorder, Queues
from app.recording.session import About
from tests.app.recording.conftest import INLINE, Make, feed, talk, told_index
from tests.fakes.parts import VirtualClock
from tests.fakes.recorder import FaultyDisk


def sound_of(folder: Path) -> Any:
    sound, rate_hz = soundfile.read(str(folder / session.SOUND), dtype="int16", always_2d=True)
    assert rate_hz == 48_000
    return sound


def about_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / session.ABOUT).read_text(encoding="utf-8"))


def test_a_session_is_a_folder_named_by_its_time_and_never_overwrites(make: Make) -> None:
    first, second = make(), make()
    assert first.folder.name == "2026-03-14_15-09-26"
    assert second.folder.name == "2026-03-14_15-09-26_2"
    feed(first, *range(10))
    first.close()
    second.close()
    assert {entry.name for entry in first.folder.iterdir()} == {
        *("session.wav", "events.jsonl", "session.json"),
        *("transcript.json", "transcript.txt", "transcript.srt", "transcript.vtt"),
    }


@settings(max_examples=30)
@given(
    steps=st.lists(st.integers(-3, 130), min_size=1, max_size=80),
    start=st.integers(0, 500),
    threaded=st.booleans(),
)
def test_every_block_is_where_its_index_says(steps: list[int], start: int, threaded: bool) -> None:
    indices = [start + int(step) for step in np.cumsum(steps)]
    indices = [index for index in indices if index >= 0] or [0]
    with tempfile.TemporaryDirectory() as folder:
        told: list[str] = []
        queues = Queues(threaded=True, deadline_s=60) if threaded else INLINE
        recorder = DiskRecorder(
            Path(folder), About(), VirtualClock(0.0), told.append, queues=queues
        )
        feed(recorder, *indices)
        recorder.close()
        assert told == []
        sound = told_index(sound_of(recorder.folder))
    first = indices[0]
    expected = np.full(max(indices) - first + 1, -1)
    newest = first - 1
    for index in indices:
        # What is older than something already written comes too late.
        if index > newest:
            expected[index - first] = index % 1000
            newest = index
    np.testing.assert_array_equal(sound, expected)


def test_a_gap_of_hours_is_marked_and_not_filled(make: Make) -> None:
    recorder = make()
    feed(recorder, *range(100, 150), *range(900_000, 900_050))
    recorder.close()
    assert len(sound_of(recorder.folder)) == 100 * 480
    assert about_of(recorder.folder)["clock"]["pieces"] == [[100, 0], [900_000, 50]]
    (gap,) = [
        record
        for record in believed(recorder.folder / session.EVENTS).records
        if record["kind"] == "recorder_gap"
    ]
    assert gap == {
        "at_s": 9000.0,
        "kind": "recorder_gap",
        "blocks": 900_000 - 150,
        "filled": False,
    }


def test_sound_is_valid_on_disk_while_it_records(make: Make) -> None:
    recorder = make()
    for second in range(1, 4):
        feed(recorder, *range(100 * second - 100, 100 * second))
        assert len(sound_of(recorder.folder)) == 48_000 * second
        assert recorder.seconds == second


def test_loud_and_broken_sound_is_clipped(make: Make) -> None:
    recorder = make()
    near = np.array([2.0, -2.0, np.nan, np.inf] * 120, np.float32)
    recorder.block(near, np.zeros_like(near), np.ones_like(near), 0)
    recorder.close()
    sound = sound_of(recorder.folder)
    assert sound[:4, 0].tolist() == [32767, -32767, 0, 32767]
    assert set(sound[:, 2].tolist()) <= {32767, 0}


def test_the_callers_arrays_are_copied(make: Make) -> None:
    recorder = make()
    near = np.full(480, 0.5, np.float32)
    recorder.block(near, near, near, 0)
    near[:] = 0
    recorder.close()
    assert (sound_of(recorder.folder) == 16384).all()


def test_a_session_says_what_it_was_held_with(make: Make, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a.bin").write_bytes(b"abc")
    about = About(
        settings={"llm": "http://me:geheim@host/v1", "api_key": "geheim", "threads": 2},
        devices={"microphone": "Desk"},
        models={"asr": tmp_path / "model", "gone": tmp_path / "nothing.gguf"},
    )
    recorder = make(about)
    for start in range(0, 200, 50):
        feed(recorder, *range(start, start + 50))
    recorder.close()
    text = (recorder.folder / session.ABOUT).read_text(encoding="utf-8")
    assert "geheim" not in text
    told = json.loads(text)
    assert told["settings"] == {"llm": "http://host/v1", "threads": 2}
    assert told["devices"] == {"microphone": "Desk"}
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert told["models"]["asr"]["sha256"] == {"a.bin": sha256}
    assert told["models"]["gone"]["sha256"] == {"nothing.gguf": None}
    assert (told["state"], told["seconds"], told["version"]) == ("closed", 2.0, 1)
    assert told["started"] == "2026-03-14T15:09:26.000+00:00"
    assert told["audio"]["channels"] == list(session.CHANNELS)
    assert told["clock"]["pieces"] == [[0, 0]]


def test_the_transcript_of_a_recording_that_began_late(make: Make) -> None:
    recorder = make()
    feed(recorder, 1000)

    def later(at_s: float, kind: str, data: Any) -> None:
        data = {
            key: value + 10 if key in ("start_s", "last_s", "end_s") else value
            for key, value in data.items()
        }
        recorder.event(at_s + 10, kind, data)

    talk(later)
    feed(recorder, *range(1001, 1800))
    recorder.close()
    turns = json.loads((recorder.folder / "transcript.json").read_text())["turns"]
    assert [turn["user_text"] for turn in turns] == ["is it raining", "and tomorrow?", "thank you"]
    assert turns[0]["user_s"] == [0.42, 1.2], "times count from the recording's beginning"
    assert turns[0]["reply_s"] == [1.85, 3.85]
    assert turns[1]["source"] == "typed"
    assert turns[1]["unheard_text"] == "pour all day."
    assert [turn["finished"] for turn in turns] == [True, True, False]
    text = (recorder.folder / "transcript.txt").read_text()
    assert "Parley: Tomorrow it will [not heard: pour all day.]" in text
    assert about_of(recorder.folder)["turns"] == 3


def test_a_disk_that_hangs_costs_silence_and_no_time(make: Make, told: list[str]) -> None:
    disk = FaultyDisk()
    queues = Queues(blocks=20, threaded=True, deadline_s=60)
    recorder = make(disk=Disk(open_new=disk), queues=queues)
    disk.gate.clear()
    feed(recorder, *range(100))  # returns although nothing can be written
    lost = recorder.lost_blocks
    assert lost >= 40
    disk.gate.set()
    recorder.finish()
    recorder.close()
    sound = told_index(sound_of(recorder.folder))
    kept = sound[sound >= 0]
    assert len(kept) == 100 - lost
    np.testing.assert_array_equal(np.flatnonzero(sound >= 0) + sound[0], kept)
    assert about_of(recorder.folder)["lost_blocks"] == lost
    assert sum("too slow" in sentence for sentence in told) == 1


def test_a_hanging_disk_does_not_hold_up_the_end(make: Make, told: list[str]) -> None:
    disk = FaultyDisk()
    recorder = make(disk=Disk(open_new=disk), queues=Queues(deadline_s=0.0))
    disk.gate.clear()
    feed(recorder, *range(400))
    recorder.close()
    assert "put right when Parley starts again" in told[-1]
    disk.gate.set()
    assert recorder._done.wait(60)


@pytest.mark.parametrize("room", [0, 1, 500, 2881, 60_000, 300_001])
def test_a_full_disk_ends_the_recording_and_keeps_what_there_is(
    make: Make, told: list[str], room: int
) -> None:
    disk = FaultyDisk()
    recorder = make(disk=Disk(open_new=disk))
    feed(recorder, *range(50))
    assert recorder.recording
    disk.room = room
    feed(recorder, *range(50, 300))
    recorder.event(3.0, "show", {"phase": "listening"})
    assert not recorder.recording
    (sentence,) = told
    assert "no space left" in sentence
    assert "conversation goes on" in sentence
    disk.room = None
    recorder.close()
    assert len(told) == 1
    sound = told_index(sound_of(recorder.folder))
    np.testing.assert_array_equal(sound, np.arange(len(sound)))
    assert len(sound) >= 50
    assert not believed(recorder.folder / session.EVENTS).damaged


@pytest.mark.parametrize("room", [0, 10, 400, 600])
def test_a_disk_that_is_full_from_the_start_leaves_no_ruins(
    make: Make, told: list[str], room: int
) -> None:
    disk = FaultyDisk()
    disk.room = room
    recorder = make(disk=Disk(open_new=disk))
    assert not recorder.recording
    feed(recorder, 1)
    recorder.close()
    (sentence,) = told
    assert "not recorded" in sentence
    assert list(recorder.folder.parent.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_sentence(
    make: Make, told: list[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    recorder = make(root=tmp_path / "file")
    feed(recorder, 1)
    recorder.event(0.0, "x", {})
    recorder.close()
    (sentence,) = told
    assert "choose another folder" in sentence
    assert recorder.seconds == 0.0


def test_room_is_watched(make: Make, told: list[str], clock: VirtualClock) -> None:
    free = [3_000_000_000]
    recorder = make(disk=Disk(free_bytes=lambda folder: free[0]))

    def seconds(count: int) -> None:
        for _ in range(count):
            clock.time_s += 1
            feed(recorder, *range(int(recorder.seconds * 100), int(recorder.seconds * 100) + 100))

    seconds(10)
    assert told == []
    free[0] = 1_900_000_000
    seconds(30)
    (warning,) = told
    assert "1.9 GB" in warning
    assert recorder.recording
    free[0] = 400_000_000
    seconds(10)
    assert len(told) == 2
    assert "400 MB" in told[1]
    assert not recorder.recording
    assert about_of(recorder.folder)["state"] == "stopped"
    assert 40 <= len(sound_of(recorder.folder)) / 48_000 <= 46


def test_too_little_room_at_the_start(make: Make, told: list[str], tmp_path: Path) -> None:
    recorder = make(disk=Disk(free_bytes=lambda folder: 1))
    assert not recorder.recording
    assert len(told) == 1
    assert not (tmp_path / "sessions").exists()
    recorder.close()


def test_the_folder_may_vanish(make: Make, told: list[str]) -> None:
    recorder = make()
    feed(recorder, *range(50))
    shutil.rmtree(recorder.folder)
    feed(recorder, *range(50, 100))
    recorder.close()
    assert len(told) == 1


def test_what_is_on_disk_is_synced_every_five_seconds(make: Make, clock: VirtualClock) -> None:
    disk = FaultyDisk()
    recorder = make(disk=Disk(open_new=disk))
    for second in range(20):
        clock.time_s += 1
        feed(recorder, *range(second * 100, second * 100 + 100))
    assert disk.syncs == 2 * 4


def test_past_the_limit_a_session_is_rf64(make: Make) -> None:
    recorder = make(disk=Disk(limit=100_000))
    feed(recorder, *range(200))
    recorder.close()
    assert (recorder.folder / session.SOUND).read_bytes()[:4] == b"RF64"
    np.testing.assert_array_equal(told_index(sound_of(recorder.folder)), np.arange(200))


def test_odd_calls_do_not_raise(make: Make) -> None:
    recorder = make()
    ring: list[Any] = []
    ring.append(ring)
    recorder.event(0.0, "x", {"ring": ring})
    recorder.block(np.zeros(3, np.float32), np.zeros(480), np.zeros(480), 0)  # type: ignore[arg-type]
    feed(recorder, 1)
    recorder.close()
    recorder.close()
    feed(recorder, 2)
    recorder.event(0.0, "x", {})
    assert len(sound_of(recorder.folder)) == 480


def test_an_error_number_is_told_in_words(make: Make, told: list[str]) -> None:
    disk = FaultyDisk()
    recorder = make(disk=Disk(open_new=disk))
    disk.room, disk.number = 0, errno.EIO
    feed(recorder, *range(50))
    assert "input/output error" in told[0]


def test_devices_that_change_are_in_the_description(make: Make) -> None:
    recorder = make(About(devices={"microphone": "Desk", "rate_hz": 48_000}))
    recorder.event(1.0, "devices", {"microphone": "Headset", "loudspeaker": "Headset"})
    feed(recorder, *range(50))
    recorder.close()
    assert about_of(recorder.folder)["devices"] == {
        **{"microphone": "Headset", "loudspeaker": "Headset", "rate_hz": 48_000},
    }


def test_a_description_that_cannot_be_replaced_now_stops_nothing(
    make: Make, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = make()

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("app.recording.session.replace_text", refused)
        feed(recorder, *range(500, 600))
        assert recorder.recording
    recorder.close()
    assert told == []
    assert about_of(recorder.folder)["clock"]["pieces"] == [[500, 0]]
