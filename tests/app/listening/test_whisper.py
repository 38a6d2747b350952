"""The recogniser: long speech is cut in quiet places, unusable folders are told."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.files import FileReader
from app.core.errors import ModelMissingError
from app.listening.short import padded_frames
from app.listening.whisper import WhisperRecogniser, split_long
from app.settings import paths
from tests.fakes.sounds import tone


@given(st.integers(1, 5000), st.sampled_from([80, 128]))
def test_padding_never_makes_the_length_that_is_taken_for_features(frames: int, mels: int) -> None:
    padded = padded_frames(frames, mels)
    assert padded % 2 == 0
    assert padded // 2 != mels
    assert frames + 50 <= padded <= frames + 53


@pytest.mark.parametrize("frames", [108, 109, 110, 111, 112])
def test_speech_of_the_bad_length_is_understood(frames: int) -> None:
    """At 110 frames the encoder's output would have 80 positions, one per mel band."""
    blocks = FileReader().blocks(paths.samples() / "question-3.flac", lambda line: None)
    sound = np.concatenate([block.at_16k for block in blocks])[2000:]
    heard = WhisperRecogniser(paths.nano() / "whisper").transcribe(sound[: frames * 320 - 160])
    assert heard.lower().startswith("what is")


@settings(max_examples=20)
@given(st.integers(0, 60 * 16_000))
def test_pieces_are_the_whole_and_none_is_too_long(samples: int) -> None:
    sound = np.arange(samples, dtype=np.float32) % 7
    pieces = split_long(sound)
    assert (np.concatenate(pieces) == sound).all()
    assert max(len(piece) for piece in pieces) <= 28 * 16_000


def test_the_cut_is_in_the_pause() -> None:
    sound = np.concatenate([tone(23.0, 16_000), np.zeros(8_000, np.float32), tone(10.0, 16_000)])
    first, second = split_long(sound)
    assert 23.0 <= len(first) / 16_000 <= 23.5
    assert len(first) + len(second) == len(sound)


def copy(to: Path, *, without: str = "", cut: str = "", replace: str = "") -> Path:
    shutil.copytree(paths.nano() / "whisper", to)
    if without:
        (to / without).unlink()
    if cut:
        data = (to / cut).read_bytes()
        (to / cut).write_bytes(data[: len(data) // 2])
    if replace:
        (to / replace).write_bytes(b"{}")
    return to


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json"])
def test_a_folder_that_lacks_a_file_is_told(tmp_path: Path, name: str) -> None:
    folder = copy(tmp_path / "m", without=name)
    with pytest.raises(ModelMissingError, match=f"lacks {name}"):
        WhisperRecogniser(folder).load()


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json"])
def test_a_half_copied_file_is_told(tmp_path: Path, name: str) -> None:
    folder = copy(tmp_path / "m", cut=name)
    with pytest.raises(ModelMissingError, match="damaged or of another kind"):
        WhisperRecogniser(folder).load()


@pytest.mark.parametrize("name", ["tokenizer.json", "model.bin"])
def test_a_file_of_another_kind_is_told(tmp_path: Path, name: str) -> None:
    folder = copy(tmp_path / "m", replace=name)
    with pytest.raises(ModelMissingError, match="damaged or of another kind"):
        WhisperRecogniser(folder).load()


def test_no_folder_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(ModelMissingError, match="speech recognition model"):
            WhisperRecogniser(path).load()


class Confirms:
    """A voice activity that calls everything speech, or nothing."""

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def reset(self) -> None:
        pass

    def probabilities(self, windows: np.ndarray) -> np.ndarray:
        return np.full(len(windows), self.probability, np.float32)


def coughs(seconds: float = 1.5) -> np.ndarray:
    """Two short bursts of noise: whisper-nano makes "Thank, outside." and the like of them."""
    noise = np.random.default_rng(4).normal(0, 0.1, round(seconds * 16_000))
    time_s = np.arange(len(noise)) / 16_000
    shape = np.exp(-((time_s % 0.6) / 0.08))
    return (noise * shape).astype(np.float32)


def test_without_a_voice_nothing_is_decoded() -> None:
    """The model alone reads words into the noise, so it is the voice activity that says no."""
    believing = WhisperRecogniser(paths.nano() / "whisper", vad=Confirms(1.0))
    believing.load()
    assert believing._decode(coughs())[0].text
    recogniser = WhisperRecogniser(paths.nano() / "whisper")
    assert recogniser.transcribe(coughs()) == ""
    assert recogniser.transcribe(np.zeros(16_000, np.float32)) == ""


def test_a_sentence_in_no_time_is_not_believed() -> None:
    blocks = FileReader().blocks(paths.samples() / "question-3.flac", lambda line: None)
    sound = np.concatenate([block.at_16k for block in blocks])

    class Blink(Confirms):
        def probabilities(self, windows: np.ndarray) -> np.ndarray:
            return (np.arange(len(windows)) < 4).astype(np.float32)

    assert WhisperRecogniser(paths.nano() / "whisper", vad=Confirms(1.0)).transcribe(sound)
    assert WhisperRecogniser(paths.nano() / "whisper", vad=Blink(0)).transcribe(sound) == ""
