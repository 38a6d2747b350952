"""``python -m engine say``: the engine alone, on the built-in model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from engine.__main__ import first_voice, main


def test_say_writes_the_sound_that_it_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.wav"
    assert main(["say", "Good morning.", "--output", str(out), "--device", "cpu", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    sound, rate = soundfile.read(str(out))
    assert rate == 24_000
    assert len(sound) == told["frames"] * 1920 > 0
    assert told["seconds"] == pytest.approx(len(sound) / rate)
    assert told["ended"] == "eos"
    assert abs(sound).max() > 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Hello.", "--model", "no-such-folder"], "no-such-folder"),
        (["🙂", "--device", "cpu"], "nothing to speak"),
        (["Hello.", "--device", "toaster"], "not a device"),
        (["Hello.", "--voice", "nobody"], "no voice folder"),
    ],
)
def test_what_cannot_be_said_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["say", *arguments, "--output", str(tmp_path / "a.wav")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "a.wav").exists()


def test_first_voice_is_the_first_by_name_and_may_be_missing(tmp_path: Path) -> None:
    assert first_voice(tmp_path) is None
    (tmp_path / "b").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "A.txt").write_text("")
    assert first_voice(tmp_path) == tmp_path / "a"
