"""Invented words are dropped; a real "thank you" never is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.listening.guards import Decoded, believed, repeats, too_fast, voiced_s


def windows(*runs: tuple[int, float]) -> np.ndarray:
    return np.concatenate([np.full(count, value, np.float32) for count, value in runs])


@pytest.mark.parametrize("text", ["Thank you.", "Thanks!", "You?", "Bye.", "Okay.", "Yes."])
@pytest.mark.parametrize("no_speech", [0.0, 0.05, 0.3, 0.59])
def test_a_real_short_answer_is_kept(text: str, no_speech: float) -> None:
    """Voiced for half a second and read with confidence, whatever Whisper thinks of the silence."""
    assert believed(Decoded(text, no_speech, -0.4), 0.5) == text


@pytest.mark.parametrize(
    ("decoded", "voiced"),
    [
        (Decoded("Thank you.", 0.3, -0.9), 0.5),
        (Decoded("Thanks for watching!", 0.1, -0.8), 1.2),
        (Decoded("Thank you.", 0.1, -0.3), 0.2),
    ],
)
def test_a_stock_phrase_in_doubt_is_dropped(decoded: Decoded, voiced: float) -> None:
    assert believed(decoded, voiced) == ""


def test_other_words_survive_the_doubt_that_a_stock_phrase_does_not() -> None:
    assert believed(Decoded("A blue one.", 0.3, -0.9), 0.5)


@pytest.mark.parametrize(
    ("decoded", "voiced"),
    [
        (Decoded("What is it?", 0.61, -1.01), 2.0),
        (Decoded("Our dough nobody belt.", 0.0, -0.2), 0.1),
        (Decoded("Yes.", 0.0, -0.1), 0.064),
        (Decoded("Ah, um.", 0.0, -0.9), 0.2),
        (Decoded("thank you " * 30, 0.0, -0.1), 60.0),
        (Decoded("...", 0.0, 0.0), 2.0),
        (Decoded("", 0.0, 0.0), 2.0),
    ],
)
def test_what_cannot_be_speech_is_dropped(decoded: Decoded, voiced: float) -> None:
    assert believed(decoded, voiced) == ""


def test_either_doubt_alone_also_meets_real_speech() -> None:
    assert believed(Decoded("What is it?", 0.9, -0.9), 2.0)
    assert believed(Decoded("What is it?", 0.5, -2.0), 2.0)


def test_nobody_speaks_faster_than_that() -> None:
    assert too_fast("a sentence of thirty characters", 0.5)
    assert not too_fast("a sentence of thirty characters", 1.2)
    assert not too_fast("", 0.0)


def test_repetition_is_noticed() -> None:
    assert repeats("thank you " * 30)
    assert not repeats("Thank you, thank you, thank you very much for all of this.")
    assert not repeats("")


def test_voice_is_counted_in_runs_that_are_certain_somewhere() -> None:
    assert voiced_s(windows((5, 0.1), (10, 0.4), (5, 0.1))) == 0
    assert voiced_s(windows((5, 0.1), (4, 0.4), (1, 0.5), (5, 0.36), (5, 0.34))) == pytest.approx(
        0.32
    )
    assert voiced_s(windows((3, 0.9), (2, 0.0), (3, 0.9))) == pytest.approx(0.192)
    assert voiced_s(np.zeros(0, np.float32)) == 0


@given(st.text(max_size=80), st.floats(0, 1), st.floats(-5, 0), st.floats(0, 5))
def test_the_text_is_kept_whole_or_not_at_all(
    text: str, no_speech: float, log_probability: float, voiced: float
) -> None:
    assert believed(Decoded(text, no_speech, log_probability), voiced) in ("", text.strip())
