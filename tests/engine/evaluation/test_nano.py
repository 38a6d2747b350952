"""Who speaks in the nano pack's judgement, and what happens without a pack."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from engine.evaluation.__main__ import main
from engine.evaluation.nano import espeak_manner
from engine.evaluation.recognition import unseen_voices
from engine.training.espeak import EspeakVoice
from engine.training.whisper.voices import HELD_OUT_VARIANTS, TRAINING_VARIANTS


def test_judging_voices_are_unseen_and_evenly_drawn() -> None:
    drawn = [voice.name.split("+")[1] for voice in islice(unseen_voices(), 70)]
    assert Counter(drawn) == Counter(dict.fromkeys(HELD_OUT_VARIANTS, 10))
    assert not set(drawn) & set(TRAINING_VARIANTS)
    assert list(islice(unseen_voices(), 9)) == list(islice(unseen_voices(), 9))


def test_manner_is_read_from_the_voice(tmp_path: Path) -> None:
    manner = {"name": "en-us+f2", "rate_wpm": 150, "pitch": 44, "pitch_range": 33}
    (tmp_path / "voice.json").write_text(json.dumps({"espeak": manner}))
    assert espeak_manner(tmp_path) == EspeakVoice("en-us+f2", 150, 44, 33)


def test_recorded_voice_has_no_manner(tmp_path: Path) -> None:
    (tmp_path / "voice.json").write_text("{}")
    assert espeak_manner(tmp_path) is None


def test_without_a_pack_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.evaluation.nano.TRAINING_SAMPLE", 10)
    assert main(["nano", "--json", "--only", "llm", "--assets", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1].startswith(f"error: There is no {tmp_path / 'nano' / 'llm'}:")
