"""The command line with fakes behind it: keys, exit codes, one sentence, what is kept."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from app import cli
from app.core.errors import ModelMissingError, ServerError
from app.listening.spans import SpeechRules
from tests.fakes.parts import FakeChat, FakeFactory, FakeRecogniser, FakeSpeech, FullDisk
from tests.fakes.sounds import long_wav, tone, write_question

Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def factory() -> FakeFactory:
    return FakeFactory()


@pytest.fixture
def run(factory: FakeFactory, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command with ``--json``; exit code, the object, and stderr."""

    def go(*arguments: object) -> tuple[int, dict[str, Any], str]:
        code = cli.main([*(str(argument) for argument in arguments), "--json"], factory)
        captured = capsys.readouterr()
        assert captured.out.count("\n") == 1, "stdout is exactly one JSON object"
        assert "Traceback" not in captured.err
        return code, json.loads(captured.out), captured.err

    return go


@pytest.fixture
def talk(run: Run, tmp_path: Path) -> Run:
    """``talk`` with the given inputs into tmp_path."""

    def go(*inputs: Path, **more: object) -> tuple[int, dict[str, Any], str]:
        arguments: list[object] = ["talk"]
        for path in inputs:
            arguments += ["--input", path]
        options = {"output": tmp_path / "reply.wav", "session": tmp_path / "session", **more}
        for name, value in options.items():
            arguments += [f"--{name}", value]
        return run(*arguments)

    return go


def one_sentence(err: str, result: dict[str, Any], *words: str) -> None:
    """The last line of stderr is the error, once, and it is in the object too."""
    line = err.strip().splitlines()[-1]
    assert line == f"error: {result['error']}"
    assert err.count("error:") == 1
    for word in words:
        assert word in line


def seconds(path: Path) -> float:
    info = soundfile.info(path)
    return info.frames / info.samplerate


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


# Bad sound ------------------------------------------------------------------------------------


def quiet_file(path: Path) -> Path:
    soundfile.write(path, np.zeros(48_000), 24_000)
    return path


def cut_file(path: Path) -> Path:
    write_question(path)
    path.write_bytes(path.read_bytes()[:30_000])
    return path


def head_only(path: Path) -> Path:
    write_question(path)
    path.write_bytes(path.read_bytes()[:30])
    return path


def text_file(path: Path) -> Path:
    path.write_text("not a sound at all\n" * 200)
    return path


def empty_file(path: Path) -> Path:
    path.touch()
    return path


def nan_file(path: Path) -> Path:
    soundfile.write(path, np.full(48_000, np.nan, np.float32), 24_000, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (quiet_file, "No speech was found"),
        (cut_file, "cut short"),
        (head_only, "not a sound file"),
        (text_file, "not a sound file"),
        (empty_file, "is empty"),
        (nan_file, "not numbers"),
    ],
)
def test_bad_sound_in_the_second_turn_keeps_the_first(
    talk: Run, tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    code, result, err = talk(write_question(tmp_path / "q.wav"), make(tmp_path / "bad.wav"))
    assert code == 2
    one_sentence(err, result, words, "bad.wav")
    assert result["turns"][0]["reply_text"]
    assert seconds(tmp_path / "reply.wav") == pytest.approx(result["turns"][0]["reply_s"])
    kept = json.loads((tmp_path / "session" / "transcript.json").read_text())["turns"]
    assert kept[0]["reply_text"]
    assert kept[1]["error"] == result["error"]


@pytest.mark.parametrize(("rate_hz", "subtype"), [(192_000, "PCM_24"), (11_025, "PCM_U8")])
def test_unusual_sound_is_understood(talk: Run, tmp_path: Path, rate_hz: int, subtype: str) -> None:
    code, _, _ = talk(write_question(tmp_path / "q.wav", rate_hz, 2, subtype))
    assert code == 0


def test_two_hours_are_searched_for_speech(talk: Run, factory: FakeFactory, tmp_path: Path) -> None:
    code, _, _ = talk(long_wav(tmp_path / "long.wav", 7200, 8_000, speech_at_s=7100.0))
    assert code == 0
    kept = json.loads((tmp_path / "session" / "transcript.json").read_text())["turns"]
    assert kept[0]["speech_s"][0] == pytest.approx(7099.8, abs=0.1)
    assert factory.recogniser_part.heard[0] < 2 * 16_000


def test_two_hours_of_speech_are_cut_and_told(
    talk: Run, factory: FakeFactory, tmp_path: Path
) -> None:
    factory.rules = SpeechRules(turn_s=5.0)
    soundfile.write(tmp_path / "q.wav", tone(20.0, 16_000), 16_000)
    code, result, err = talk(tmp_path / "q.wav")
    assert code == 0
    assert "its first 5 s were used" in result["turns"][0]["notices"][0]
    assert result["turns"][0]["notices"][0] in err


def test_a_missing_input_is_told_before_anything_is_loaded(
    talk: Run, factory: FakeFactory, tmp_path: Path
) -> None:
    code, result, err = talk(tmp_path / "none.wav")
    assert code == 2
    one_sentence(err, result, "none.wav")
    assert factory.loads == []


# Models and servers ---------------------------------------------------------------------------


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


# Output ---------------------------------------------------------------------------------------


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


# say ------------------------------------------------------------------------------------------


def test_say_has_the_promised_keys(run: Run, tmp_path: Path) -> None:
    code, result, _ = run("say", "Good morning to you.", "--output", tmp_path / "a.wav")
    assert code == 0
    assert set(result) == {"output", "text", "seconds", "rtf", "first_audio_ms", "frames", "ended"}
    assert result["text"] == "Good morning to you."
    assert result["frames"] == 8
    assert result["seconds"] == pytest.approx(0.64)
    assert result["ended"] == "eos"
    assert seconds(tmp_path / "a.wav") == pytest.approx(0.64)


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "😀🎉", "안녕하세요"])
def test_text_without_words_is_told(run: Run, tmp_path: Path, text: str) -> None:
    code, result, err = run("say", text, "--output", tmp_path / "a.wav")
    assert code == 2
    one_sentence(err, result, "text")
    assert not (tmp_path / "a.wav").exists()


def test_ten_thousand_characters_are_spoken_piece_by_piece(
    run: Run, factory: FakeFactory, tmp_path: Path
) -> None:
    text = ("The quick brown fox jumps over the lazy dog, as it always does. " * 160)[:10_000]
    code, result, err = run("say", text, "--output", tmp_path / "a.wav")
    assert code == 0
    spoken = [entry[1] for entry in factory.speech_part.conversations[0].context]
    assert len(spoken) > 100
    assert max(len(piece) for piece in spoken) < 200
    assert seconds(tmp_path / "a.wav") == pytest.approx(result["seconds"], abs=0.01)
    assert "[1/" in err


def test_text_without_an_end_is_spoken_too(run: Run, tmp_path: Path) -> None:
    assert run("say", "a" * 10_000, "--output", tmp_path / "a.wav")[0] == 0


def test_say_goes_on_from_a_session(
    run: Run, talk: Run, factory: FakeFactory, tmp_path: Path
) -> None:
    question = write_question(tmp_path / "q.wav")
    talk(question)
    code, _, _ = run(
        "say", "And so on.", "--output", tmp_path / "a.wav", "--context", tmp_path / "session"
    )
    assert code == 0
    context = factory.speech_part.conversations[-1].context
    assert [(who, words) for who, words, _ in context[:2]] == [
        ("user", "hello there"),
        ("reply", "I am a fake, and I say so myself."),
    ]


@pytest.mark.parametrize(
    "transcript",
    [
        None,
        "{",
        "[]",
        '{"turns": 3}',
        '{"turns": [{"user_text": "a", "user_wav": "../../etc/passwd"}]}',
        '{"turns": [{"user_text": "a", "user_wav": "gone.wav"}]}',
    ],
)
def test_a_folder_that_is_no_session_is_told(
    run: Run, tmp_path: Path, transcript: str | None
) -> None:
    (tmp_path / "s").mkdir()
    if transcript is not None:
        (tmp_path / "s" / "transcript.json").write_text(transcript)
    code, result, err = run(
        "say", "Hi.", "--output", tmp_path / "a.wav", "--context", tmp_path / "s"
    )
    assert code == 2
    one_sentence(err, result, "ession")


# Usage ----------------------------------------------------------------------------------------


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
    assert "window comes in a later version" in err
    assert [turn["user_text"] for turn in result["turns"]] == ["hello", "does it", "what is it"]
    assert (tmp_path / "out" / "reply.wav").is_file()
    assert (tmp_path / "out" / "session" / "transcript.txt").is_file()
