"""talk: the promised keys and files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app import cli
from tests.fakes.commands import Run, seconds
from tests.fakes.parts import FakeFactory
from tests.fakes.sounds import write_question


def test_talk_has_the_promised_keys_and_files(talk: Run, tmp_path: Path) -> None:
    question = write_question(tmp_path / "q.wav")
    code, result, _ = talk(question, question)
    assert code == 0
    assert result["output"] == str(tmp_path / "reply.wav")
    assert len(result["turns"]) == 2
    for number, turn in enumerate(result["turns"], start=1):
        assert turn["user_text"] == "hello there"
        assert turn["reply_text"] == "I am a fake, and I say so myself."
        assert turn["user_wav"] == str(tmp_path / "session" / f"turn-{number:02d}-user.wav")
        assert turn["reply_wav"] == str(tmp_path / "session" / f"turn-{number:02d}-reply.wav")
        assert seconds(Path(turn["user_wav"])) == pytest.approx(1.4, abs=0.1)
        assert seconds(Path(turn["reply_wav"])) == pytest.approx(turn["reply_s"])
        assert turn["timings_ms"]["turn_ms"] > 0
    assert seconds(tmp_path / "reply.wav") == pytest.approx(
        sum(turn["reply_s"] for turn in result["turns"])
    )
    transcript = (tmp_path / "session" / "transcript.txt").read_text()
    assert transcript.splitlines()[:2] == [
        "You: hello there",
        "Parley: I am a fake, and I say so myself.",
    ]
    kept = json.loads((tmp_path / "session" / "transcript.json").read_text())["turns"]
    assert [turn["number"] for turn in kept] == [1, 2]
    timings = json.loads((tmp_path / "session" / "timings.json").read_text())
    assert set(timings["load_ms"]) == {"vad", "asr", "llm", "speech"}
    assert not list(tmp_path.rglob("*.part"))


def test_talk_without_a_session_keeps_only_the_reply(run: Run, tmp_path: Path) -> None:
    question = write_question(tmp_path / "q.flac")
    code, result, _ = run("talk", "--input", question, "--output", tmp_path / "r.wav")
    assert code == 0
    assert result["turns"][0]["user_wav"] == str(question)
    assert result["turns"][0]["reply_wav"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["q.flac", "r.wav"]


def test_talk_for_people(
    factory: FakeFactory, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    question = write_question(tmp_path / "q.wav")
    out = tmp_path / "r.wav"
    assert cli.main(["talk", "--input", str(question), "--output", str(out)], factory) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "You:    hello there",
        "Parley: I am a fake, and I say so myself.",
        f"The spoken replies are in {out}.",
    ]
    assert "[1/1] listening to q.wav" in captured.err


def test_a_second_session_replaces_the_first(talk: Run, tmp_path: Path) -> None:
    question = write_question(tmp_path / "q.wav")
    talk(question, question)
    (tmp_path / "session" / "mine.txt").write_text("kept")
    talk(question)
    assert not (tmp_path / "session" / "turn-02-user.wav").exists()
    assert (tmp_path / "session" / "mine.txt").exists()


def test_settings_reach_the_parts(run: Run, factory: FakeFactory, tmp_path: Path) -> None:
    question = write_question(tmp_path / "q.wav")
    run(
        "talk", "--input", question, "--output", tmp_path / "r.wav", "--session", tmp_path / "s",
        "--llm", "http://me:secret@host:1/v1", "--llm-model", "tiny", "--threads", 3,
        "--seed", 7, "--voice", "amber", "--device", "cpu",
    )  # fmt: skip
    settings = factory.settings
    assert settings is not None
    assert (settings.llm_model, settings.threads, settings.seed) == ("tiny", 3, 7)
    assert settings.llm_is_server
    assert factory.speech_part.seeds == [7]
    about = (tmp_path / "s" / "session.json").read_text()
    assert "secret" not in about
    assert json.loads(about)["models"]["llm"] == "http://host:1/v1"
