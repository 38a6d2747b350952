"""talk when a model, a server, the engine or the disk fails: one sentence, what was made is kept."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from app import cli
from app.core.errors import ModelMissingError, ServerError
from tests.fakes.commands import Run, one_sentence, seconds
from tests.fakes.parts import FakeChat, FakeFactory, FakeSpeech, FullDisk
from tests.fakes.sounds import write_question


@pytest.mark.parametrize("part", ["finder", "recogniser", "chat", "speech"])
def test_a_missing_model_is_told(
    talk: Run, factory: FakeFactory, tmp_path: Path, part: str
) -> None:
    factory.broken[part] = ModelMissingError(f"There is no {part} here: get one.")
    code, result, err = talk(write_question(tmp_path / "q.wav"))
    assert code == 2
    one_sentence(err, result, f"There is no {part} here")
    assert result["turns"] == []


def test_a_model_that_breaks_off_is_spoken_as_far_as_it_came(
    talk: Run, factory: FakeFactory, tmp_path: Path
) -> None:
    error = ServerError("The server broke off: try again.")
    factory.chat_part = FakeChat(["I can tell you ", "this mu"], error, fails_at=2)
    question = write_question(tmp_path / "q.wav")
    code, result, err = talk(question, question, question)
    assert code == 1
    one_sentence(err, result, "broke off")
    assert [turn["reply_text"] for turn in result["turns"]] == ["I can tell you this mu"] * 2
    assert seconds(tmp_path / "session" / "turn-02-reply.wav") > 0.5
    assert "error" not in result["turns"][0]


def test_an_engine_that_fails_keeps_the_sound_so_far(
    talk: Run, factory: FakeFactory, tmp_path: Path
) -> None:
    factory.speech_part = FakeSpeech(error_after=30)
    question = write_question(tmp_path / "q.wav")
    code, result, err = talk(question, question)
    assert code == 1
    one_sentence(err, result, "engine failed")
    assert seconds(tmp_path / "reply.wav") == pytest.approx(30 * 0.08)
    assert result["turns"][1]["reply_text"]


def test_a_bug_is_one_sentence_and_a_traceback_only_with_debug(
    factory: FakeFactory, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    factory.chat_part = FakeChat([], ZeroDivisionError("oh\nno"))
    call = ["talk", "--input", str(write_question(tmp_path / "q.wav"))]
    call += ["--output", str(tmp_path / "r.wav")]
    assert cli.main(call, factory) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "(ZeroDivisionError: oh no)" in err
    assert cli.main([*call, "--debug"], factory) == 1
    assert "Traceback" in capsys.readouterr().err


def test_stopping_keeps_what_was_made(talk: Run, factory: FakeFactory, tmp_path: Path) -> None:
    factory.speech_part = FakeSpeech(error_after=25, error=KeyboardInterrupt())
    question = write_question(tmp_path / "q.wav")
    code, result, err = talk(question, question)
    assert code == 130
    one_sentence(err, result, "Stopped")
    assert seconds(tmp_path / "reply.wav") == pytest.approx(2.0)
    kept = json.loads((tmp_path / "session" / "transcript.json").read_text())["turns"]
    assert len(kept) == 2


def test_a_full_disk_keeps_what_was_written(
    talk: Run, factory: FakeFactory, tmp_path: Path
) -> None:
    # Room for the first turn with its session and a little of the second.
    factory.open_file = FullDisk(230_000)
    question = write_question(tmp_path / "q.wav")
    code, result, err = talk(question, question)
    assert code == 1
    one_sentence(err, result, "disk is full")
    assert result["turns"][0]["reply_text"]
    assert seconds(tmp_path / "session" / "turn-01-reply.wav") == result["turns"][0]["reply_s"]
    assert seconds(tmp_path / "reply.wav") >= result["turns"][0]["reply_s"]
    kept = json.loads((tmp_path / "session" / "transcript.json").read_text())["turns"]
    assert kept[0]["reply_text"] == result["turns"][0]["reply_text"]


@pytest.mark.parametrize("room", [0, 44, 700, 5_000, 60_000, 100_000, 160_000])
def test_a_disk_full_at_any_moment_is_one_sentence(
    talk: Run, factory: FakeFactory, tmp_path: Path, room: int
) -> None:
    factory.open_file = FullDisk(room)
    question = write_question(tmp_path / "q.wav")
    code, result, err = talk(question, question)
    assert code == 1
    one_sentence(err, result, "disk is full")


def test_a_folder_without_permission_is_told_before_loading(
    talk: Run, factory: FakeFactory, tmp_path: Path
) -> None:
    factory.open_file = FullDisk(0, errno.EACCES)

    def refuse(path: Path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    factory.open_file = refuse
    code, result, err = talk(write_question(tmp_path / "q.wav"))
    assert code == 1
    one_sentence(err, result, "no permission")
    assert factory.loads == []


@pytest.mark.parametrize("name", ["reply.mp3", "reply", "folder.wav", "file/reply.wav"])
def test_impossible_outputs_are_told(talk: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "file").write_text("")
    code, result, err = talk(write_question(tmp_path / "q.wav"), output=tmp_path / name)
    assert code in (1, 2)
    one_sentence(err, result, name.split("/", maxsplit=1)[0])
