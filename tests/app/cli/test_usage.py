"""Wrong calls, the version, and what happens without a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import cli
from tests.fakes.commands import Run, one_sentence
from tests.fakes.parts import FakeFactory, FakeRecogniser


@pytest.mark.parametrize(
    "arguments",
    [
        ["talk"],
        ["talk", "--input", "q.wav"],
        ["say"],
        ["fly"],
        ["talk", "--inptu", "q.wav"],
        ["say", "Hi.", "--output", "a.wav", "--threads", "many"],
        ["say", "Hi.", "--output", "a.wav", "--threads", "0"],
        ["say", "Hi.", "--output", "a.wav", "--seed", "-1"],
        ["say", "Hi.", "--output", "a.wav", "--device", "abacus"],
        ["models"],
        ["voices"],
        ["sessions"],
        ["bench", "engine", "--frames", "0"],
    ],
)
def test_bad_usage_is_one_sentence(run: Run, arguments: list[str]) -> None:
    code, result, err = run(*arguments)
    assert code == 2
    one_sentence(err, result)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("Parley ")


def test_without_a_command_the_sample_conversation_is_held(
    run: Run, factory: FakeFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    factory.recogniser_part = FakeRecogniser(["hello", "does it", "what is it"])
    code, result, err = run()
    assert code == 0
    assert "There is no screen here" in err
    assert [turn["user_text"] for turn in result["turns"]] == ["hello", "does it", "what is it"]
    assert (tmp_path / "out" / "reply.wav").is_file()
    assert (tmp_path / "out" / "session" / "transcript.txt").is_file()
