"""A real conversation through PortAudio and a virtual sound card: the nano pack, heard and spoken."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from app.listening.whisper import WhisperRecogniser
from app.settings import paths
from tests.sound_card import SoundCard, missing, sound_card

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 90.0
"""Generous: a loaded machine is slow, not wrong."""

pytestmark = [
    pytest.mark.audio_device,
    pytest.mark.skipif(bool(missing()), reason=missing() or "there is a sound card"),
]


class Program:
    """The live conversation in its own process, and what it has shown."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self.errors = (folder / "stderr.txt").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.live_program", str(folder / "sessions")],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "XDG_DATA_HOME": str(folder / "data")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.shown.append(json.loads(line))
                self._news.notify_all()

    def wait(self, wanted: Callable[[dict[str, Any]], bool], since: int = 0) -> dict[str, Any]:
        """The first thing shown after the first ``since`` that is ``wanted``."""
        with self._news:
            found = self._news.wait_for(
                lambda: next((one for one in self.shown[since:] if wanted(one)), None), WAIT_S
            )
        self.errors.flush()
        told = (self.folder / "stderr.txt").read_text()[-2000:]
        assert found is not None, (self.shown[-30:], told)
        return found

    def end(self) -> int:
        """Ask it to end; its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(WAIT_S)

    def ask(self, line: str) -> None:
        """Send a wish."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """Leave nothing behind, however the test went."""
        self.process.kill()
        self.process.wait()
        self._reader.join(WAIT_S)
        for pipe in (self.process.stdin, self.process.stdout, self.errors):
            if pipe is not None:
                pipe.close()


def phase(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda one: one.get("shown") == "PhaseChanged" and one["phase"] == name


def reply(one: dict[str, Any]) -> bool:
    return one.get("shown") == "Caption" and one["side"] == "assistant" and one["final"]


def question(number: int) -> np.ndarray:
    sound, rate = soundfile.read(paths.samples() / f"question-{number}.flac", dtype="float32")
    assert rate == 24_000
    return sound


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[SoundCard, Program]]:
    with sound_card() as card:
        program = Program(tmp_path_factory.mktemp("live"))
        try:
            program.wait(phase("listening"))
            yield card, program
        finally:
            program.kill()


def test_one_conversation(talk: tuple[SoundCard, Program]) -> None:
    """One test, because it is one conversation: asked, answered, interrupted, unplugged, recorded."""
    card, program = talk
    _a_spoken_question_gets_a_spoken_answer(card, program)
    _an_interruption_stops_it(card, program)
    _a_killed_engine_comes_back_in_mid_sentence(program)
    _unplugged_and_plugged_in_again_it_goes_on(card, program)
    assert program.end() == 0
    _the_session_was_recorded(program)


def _a_spoken_question_gets_a_spoken_answer(card: SoundCard, program: Program) -> None:
    with card.recording() as recording:
        card.feed(question(3))
        answer = program.wait(reply)
        program.wait(phase("listening"), len(program.shown) - 1)
        sound = recording.sound()
    assert re.search(r"fifty|56", answer["text"].lower()), answer
    assert answer["heard"] == len(answer["text"])
    recogniser = WhisperRecogniser(paths.nano() / "whisper", threads=1)
    recogniser.load()
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    spoken = sound[max(0, loud[0] - 2400) : loud[-1] + 2400]
    heard = recogniser.transcribe(soxr.resample(spoken, 24_000, 16_000).astype(np.float32))
    assert re.search(r"fifty|six|56|eight", heard.lower()), heard


def _an_interruption_stops_it(card: SoundCard, program: Program) -> None:
    since = len(program.shown)
    program.ask("type Tell me about winter.")
    program.wait(phase("speaking"), since)
    card.feed(question(2))
    interrupted = program.wait(lambda one: reply(one) and one["heard"] < len(one["text"]), since)
    assert 0 <= interrupted["heard"] < len(interrupted["text"])
    later = program.shown.index(interrupted)
    assert program.wait(reply, later + 1)["text"]
    program.wait(phase("listening"), later)


def _a_killed_engine_comes_back_in_mid_sentence(program: Program) -> None:
    since = len(program.shown)
    program.ask("type Tell me about winter.")
    program.wait(phase("speaking"), since)
    program.ask("kill-engine")
    answer = program.wait(reply, since)
    assert answer["heard"] == len(answer["text"]) > 20
    program.wait(phase("listening"), since)


def _unplugged_and_plugged_in_again_it_goes_on(card: SoundCard, program: Program) -> None:
    since = len(program.shown)

    def devices(there: bool) -> Callable[[dict[str, Any]], bool]:
        return lambda one: one["shown"] == "DevicesChanged" and bool(one["microphone"]) == there

    card.stop()
    program.wait(devices(False), since)
    card.start()
    program.wait(devices(True), len(program.shown) - 1)
    since = len(program.shown)
    card.feed(question(3))
    assert re.search(r"fifty|56", program.wait(reply, since)["text"].lower())


def _the_session_was_recorded(program: Program) -> None:
    [session] = [path for path in (program.folder / "sessions").iterdir() if path.is_dir()]
    sound, rate = soundfile.read(session / "session.wav", dtype="float32")
    assert (rate, sound.shape[1]) == (48_000, 3)
    # Something was heard, and something was played.
    assert np.abs(sound[:, 0]).max() > 0.05
    assert np.abs(sound[:, 2]).max() > 0.05
    lines = [json.loads(line) for line in (session / "events.jsonl").read_text().splitlines()]
    assert sum(line["kind"] == "turn" for line in lines) >= 3
    assert [line["kind"] for line in lines].count("sound_lost") >= 1
