"""talk with sound that cannot be used, or is unusual: one sentence, earlier turns kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from app.listening.spans import SpeechRules
from tests.fakes.commands import Run, one_sentence, seconds
from tests.fakes.parts import FakeFactory
from tests.fakes.sounds import long_wav, tone, write_question


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


def test_results_never_take_the_place_of_an_input(
    talk: Run, factory: FakeFactory, tmp_path: Path
) -> None:
    question = write_question(tmp_path / "reply.wav")
    code, result, err = talk(question)
    assert code == 2
    one_sentence(err, result, "both input and output")
    (tmp_path / "session").mkdir()
    inside = write_question(tmp_path / "session" / "turn-01-user.wav")
    code, result, err = talk(inside)
    assert code == 2
    one_sentence(err, result, "lies in the session folder")
    assert question.is_file()
    assert inside.is_file()
    assert factory.loads == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (cut_file, "cut short"),
        (head_only, "not a sound file"),
        (text_file, "not a sound file"),
        (empty_file, "is empty"),
        (lambda path: path.parent, "is a folder"),
    ],
)
def test_a_later_input_that_cannot_be_read_is_told_before_anything_is_loaded(
    talk: Run,
    factory: FakeFactory,
    tmp_path: Path,
    make: Callable[[Path], Path],
    words: str,
) -> None:
    code, result, err = talk(write_question(tmp_path / "q.wav"), make(tmp_path / "bad.wav"))
    assert code == 2
    one_sentence(err, result, words)
    assert factory.loads == []
