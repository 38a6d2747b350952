"""The whole chain on the built-in models, through the command line: what a user runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from app import cli
from app.settings import paths
from tests.fakes.server import Script, event, serving

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = [paths.samples() / f"question-{number}.flac" for number in (1, 2, 3)]

Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """A command with ``--json`` on one thread: exit code, the object, stderr."""

    def go(*arguments: object) -> tuple[int, dict[str, Any], str]:
        code = cli.main([*(str(argument) for argument in arguments), "--json"])
        captured = capsys.readouterr()
        assert captured.out.count("\n") == 1
        assert "Traceback" not in captured.err
        return code, json.loads(captured.out), captured.err

    return go


@pytest.fixture(scope="module")
def conversation(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The sample conversation, held once by a fresh process as ``make run`` does it."""
    folder = tmp_path_factory.mktemp("conversation")
    done = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "--json"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    result = json.loads(done.stdout)
    result["folder"] = folder
    result["stderr"] = done.stderr
    return result


def test_questions_are_understood(conversation: dict[str, Any]) -> None:
    asked = json.loads((paths.samples() / "conversation.json").read_text())["turns"]
    right = total = 0
    for turn, question in zip(conversation["turns"], asked, strict=True):
        words = re.findall(r"[a-z]+", question["text"].lower())
        heard = set(re.findall(r"[a-z]+", turn["user_text"].lower()))
        right += sum(word in heard for word in words)
        total += len(words)
    assert right >= 0.75 * total, [turn["user_text"] for turn in conversation["turns"]]


def test_replies_are_answers_in_sound(conversation: dict[str, Any]) -> None:
    for turn in conversation["turns"]:
        sound, rate = soundfile.read(conversation["folder"] / turn["reply_wav"], dtype="float32")
        assert rate == 24_000
        assert len(sound) % 1920 == 0
        assert 0.4 < len(sound) / rate < 30
        assert float(np.sqrt(np.mean(sound**2))) > 0.01
        # A sentence takes between a third and three times of 0.38 s a word.
        words = len(turn["reply_text"].split())
        assert 0.12 * words < len(sound) / rate < 1.2 * words + 1
    assert "fifty six" in conversation["turns"][2]["reply_text"].replace("-", " ").lower() or (
        "56" in conversation["turns"][2]["reply_text"]
    )


def test_the_session_is_whole(conversation: dict[str, Any]) -> None:
    folder = conversation["folder"] / "out" / "session"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "session.json", "transcript.json", "transcript.txt", "timings.json",
        *(f"turn-0{n}-{who}.wav" for n in (1, 2, 3) for who in ("user", "reply")),
    }  # fmt: skip
    whole = soundfile.info(conversation["folder"] / "out" / "reply.wav")
    parts = [soundfile.info(conversation["folder"] / t["reply_wav"]) for t in conversation["turns"]]
    assert whole.frames == sum(part.frames for part in parts)


def test_stages_are_timed(conversation: dict[str, Any]) -> None:
    for turn in conversation["turns"]:
        timings = turn["timings_ms"]
        assert timings["turn_ms"] >= timings["asr_ms"]
        assert {"decode_ms", "vad_ms", "asr_ms", "llm_ms", "first_audio_ms", "speech_rtf"} <= set(
            timings
        )


def test_what_is_said_can_be_heard_again(conversation: dict[str, Any], tmp_path: Path) -> None:
    """The recogniser understands most of what the engine says."""
    from app.audio.files import FileReader
    from app.listening.whisper import WhisperRecogniser

    recogniser = WhisperRecogniser(paths.nano() / "whisper")
    right = total = 0
    transcripts: list[str] = []
    for turn in conversation["turns"]:
        path = conversation["folder"] / turn["reply_wav"]
        blocks = [block.at_16k for block in FileReader().blocks(path, lambda line: None)]
        transcripts.append(recogniser.transcribe(np.concatenate(blocks)))
        heard = set(re.findall(r"[a-z']+", transcripts[-1].lower()))
        said = re.findall(r"[a-z']+", turn["reply_text"].lower())
        right += sum(word in heard for word in said)
        total += len(said)
    assert right >= 0.5 * total, transcripts


def test_say_repeats_itself_with_the_same_seed(run: Run, tmp_path: Path) -> None:
    sounds = []
    for name in ("a.wav", "b.wav"):
        code, result, _ = run(
            "say", "The weather is fine today.", "--output", tmp_path / name, "--seed", 3
        )
        assert code == 0
        assert result["ended"] == "eos"
        sounds.append(soundfile.read(tmp_path / name)[0])
    assert (sounds[0] == sounds[1]).all()


def test_say_goes_on_from_a_session(run: Run, conversation: dict[str, Any], tmp_path: Path) -> None:
    session = conversation["folder"] / "out" / "session"
    code, result, _ = run(
        "say", "That is all for now.", "--output", tmp_path / "a.wav", "--context", session
    )
    assert code == 0
    assert result["frames"] > 5


def test_every_voice_speaks(run: Run, tmp_path: Path) -> None:
    voices = sorted(folder.name for folder in paths.voices().iterdir() if folder.is_dir())
    assert len(voices) >= 2
    for name in voices:
        code, result, _ = run(
            "say", "Good morning.", "--output", tmp_path / "a.wav", "--voice", name
        )
        assert code == 0
        assert result["seconds"] > 0.3


def test_text_in_another_script_is_told(run: Run, tmp_path: Path) -> None:
    for text in ("😀🎉", "안녕하세요"):
        code, result, err = run("say", text, "--output", tmp_path / "a.wav")
        assert code == 2
        assert err.strip().splitlines()[-1] == f"error: {result['error']}"


def test_a_server_answers_in_the_models_place(run: Run, tmp_path: Path) -> None:
    script = Script([event("The server says "), event("good evening to you."), event(None, "stop")])
    with serving(script) as server:
        code, result, _ = run(
            "talk", "--input", QUESTIONS[0], "--output", tmp_path / "r.wav", "--llm", server.url
        )
    assert code == 0
    assert result["turns"][0]["reply_text"] == "The server says good evening to you."


def test_a_server_that_breaks_off_is_spoken_and_told(run: Run, tmp_path: Path) -> None:
    with serving(Script([event("This is all that came")])) as server:
        code, result, err = run(
            "talk", "--input", QUESTIONS[0], "--output", tmp_path / "r.wav", "--llm", server.url,
            "--session", tmp_path / "s",
        )  # fmt: skip
    assert code == 1
    assert "broke off" in err
    assert result["turns"][0]["reply_text"] == "This is all that came"
    assert soundfile.info(tmp_path / "r.wav").duration > 0.5
    assert soundfile.info(tmp_path / "s" / "turn-01-reply.wav").duration > 0.5


def damaged_csm(folder: Path) -> Path:
    """The built-in speech model, half of its weights missing."""
    shutil.copytree(paths.nano() / "csm", folder)
    for weights in folder.rglob("*.safetensors"):
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    return folder


@pytest.mark.parametrize("option", ["--asr", "--llm", "--model", "--voice"])
@pytest.mark.parametrize("kind", ["missing", "empty", "other", "damaged"])
def test_unusable_models_are_one_sentence(run: Run, tmp_path: Path, option: str, kind: str) -> None:
    (tmp_path / "empty").mkdir()
    other = {"--model": paths.nano() / "whisper", "--llm": QUESTIONS[0]}
    path = {
        "missing": tmp_path / "none",
        "empty": tmp_path / "empty",
        "other": other.get(option, paths.nano() / "csm"),
        "damaged": damaged_csm(tmp_path / "csm"),
    }[kind]
    code, result, err = run(
        "talk", "--input", QUESTIONS[0], "--output", tmp_path / "r.wav", option, path
    )
    assert code == 2
    last = err.strip().splitlines()[-1]
    assert last == f"error: {result['error']}"
    assert result["turns"] == []


def test_the_doctor_finds_the_chain_sound(run: Run) -> None:
    _, result, _ = run("doctor")
    checks = {check["name"]: check for check in result["checks"]}
    for name in ("nano pack", "voice activity", "recogniser", "language model", "speech engine"):
        assert checks[name]["ok"], checks[name]


def test_the_bench_has_the_promised_keys(run: Run) -> None:
    code, result, _ = run("bench", "engine", "--frames", 5, "--threads", 1)
    assert code == 0
    keys = {"name", "precision", "device", "rtf", "frame_ms_p50", "frame_ms_p99",
            "first_audio_ms", "peak_memory_gb", "limit_share"}  # fmt: skip
    assert keys <= set(result["rows"][0])
