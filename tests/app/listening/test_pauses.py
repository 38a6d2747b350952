"""Cutting a turn at its long pauses, and making one text of it again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.files import FileReader
from app.listening.guards import WINDOW_S
from app.listening.pauses import cut_at_pauses, join_phrases
from app.listening.whisper import WhisperRecogniser
from app.settings import paths


def turn(*runs: tuple[float, bool]) -> tuple[np.ndarray, np.ndarray]:
    """A ramp that tells its place, and the voice in it."""
    voice = [1.0 if loud else 0.0 for s, loud in runs for _ in range(round(s / WINDOW_S))]
    return np.arange(len(voice) * 512, dtype=np.float32), np.array(voice, np.float32)


def test_short_pauses_stay_and_long_ones_part() -> None:
    parts = cut_at_pauses(*turn((0.5, False), (1.0, True), (0.4, False), (1.0, True), (0.3, False)))
    assert len(parts) == 1
    one, other = cut_at_pauses(
        *turn((0.5, False), (1.0, True), (1.0, False), (1.0, True), (0.3, False))
    )
    assert one[0] / 16_000 == pytest.approx(0.25, abs=0.04)
    assert one[-1] / 16_000 == pytest.approx(1.75, abs=0.04)
    assert other[0] / 16_000 == pytest.approx(2.25, abs=0.04)


def test_no_voice_no_parts() -> None:
    assert cut_at_pauses(*turn((1.0, False))) == []
    assert cut_at_pauses(np.zeros(0, np.float32), np.zeros(0, np.float32)) == []


@given(st.lists(st.booleans(), max_size=60))
def test_all_voice_is_in_one_part_or_another(loud: list[bool]) -> None:
    sound, voice = turn(*((WINDOW_S, each) for each in loud))
    parts = cut_at_pauses(sound, voice)
    kept = set(np.concatenate(parts).astype(int)) if parts else set()
    voiced = {
        place for window in np.flatnonzero(voice) for place in (window * 512, window * 512 + 511)
    }
    assert voiced <= kept


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        (
            ["Can you tell me what the?", "Weather is like?"],
            "Can you tell me what the weather is like?",
        ),
        (["I think and.", "I'm sure."], "I think and I'm sure."),
        (["We went to the.", "BBC."], "We went to the BBC."),
        (["Hello there.", "How are you?"], "Hello there. How are you?"),
        (["", "Hello.", ""], "Hello."),
        ([], ""),
    ],
)
def test_a_sentence_that_went_on_is_made_whole(texts: list[str], whole: str) -> None:
    assert join_phrases(texts) == whole


def test_the_built_in_recogniser_hears_what_comes_after_a_pause() -> None:
    blocks = FileReader().blocks(paths.samples() / "question-3.flac", lambda line: None)
    sound = np.concatenate([block.at_16k for block in blocks])
    recogniser = WhisperRecogniser(paths.nano() / "whisper")
    once = recogniser.transcribe(sound)
    twice = recogniser.transcribe(np.concatenate([sound, np.zeros(16_000, np.float32), sound]))
    assert once
    assert twice == f"{once} {once}"
