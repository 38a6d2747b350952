"""The shipped whisper-nano in stock faster-whisper: one spoken sentence, silence, and the trap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from engine.evaluation.wer import word_errors
from engine.training.whisper.config import (
    FRAMES_PER_S,
    HOP_SAMPLES,
    MEL_BANDS,
    SAMPLE_RATE_HZ,
    TRAP_POSITIONS,
    safe_frames,
)
from engine.training.whisper.evaluate import load_model, transcribe, word_error_rate

Samples = NDArray[np.float32]
NANO = Path(__file__).parents[4] / "assets" / "nano" / "whisper"
SENTENCE = Path(__file__).parent / "data" / "weather.flac"  # a held-out voice
TEXT = "What is the weather like in London today?"


@pytest.fixture(scope="module")
def stock() -> Any:
    return load_model(NANO)


@pytest.fixture(scope="module")
def sound() -> Samples:
    samples, rate_hz = soundfile.read(SENTENCE, dtype="float32")
    assert rate_hz == SAMPLE_RATE_HZ
    return np.asarray(samples, np.float32)


def test_size_and_settings(stock: Any) -> None:
    assert sum(path.stat().st_size for path in NANO.iterdir()) <= 6_000_000
    assert stock.feature_extractor.hop_length == HOP_SAMPLES
    assert not stock.model.is_multilingual


def test_understands_an_unseen_voice(sound: Samples) -> None:
    result = word_error_rate(NANO, [(sound, TEXT)])
    assert result.words == 8
    assert result.errors <= 1, result.heard


def test_quiet_speech_reads_the_same(stock: Any, sound: Samples) -> None:
    assert word_errors(transcribe(stock, sound), transcribe(stock, np.float32(0.1) * sound))[0] <= 1


@pytest.mark.parametrize("level", [0.0, 1e-3, 1e-2])
def test_no_words_in_silence_and_quiet_noise(stock: Any, level: float) -> None:
    """Louder than this (-40 dBFS) white noise gets words: voice detection stands in front."""
    noise = np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE_HZ)
    assert transcribe(stock, (level * noise).astype(np.float32)) == ""


def test_trimmed_padding_reads_as_the_stock_class_does(stock: Any, sound: Samples) -> None:
    """Trimming padding is ten times cheaper; safe_frames keeps it clear of the length that breaks it."""
    import ctranslate2

    features = stock.feature_extractor(sound)
    wanted = 2 * TRAP_POSITIONS  # the very length of the trap
    assert features.shape[1] < wanted < features.shape[1] + 2 * FRAMES_PER_S
    padded = np.zeros((1, MEL_BANDS, safe_frames(wanted)), np.float32)
    padded[0, :, : features.shape[1]] = features
    encoded = stock.model.encode(ctranslate2.StorageView.from_array(padded))
    specials = ("<|startoftranscript|>", "<|notimestamps|>")
    prompt = [stock.hf_tokenizer.token_to_id(token) for token in specials]
    answer = stock.model.generate(encoded, [prompt], beam_size=5)[0].sequences_ids[0]
    heard = stock.hf_tokenizer.decode(answer)
    assert word_errors(TEXT, heard)[0] <= 1, heard
