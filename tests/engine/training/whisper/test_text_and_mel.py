"""The tokenizer and the features: round trips, and equality with what faster-whisper computes."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer as StockTokenizer
from hypothesis import given
from hypothesis import strategies as st

from engine.training.corpus import sentences
from engine.training.whisper.config import (
    FFT_SAMPLES,
    HOP_SAMPLES,
    MEL_BANDS,
    TRAP_POSITIONS,
    safe_frames,
)
from engine.training.whisper.mel import log_mel, normalise
from engine.training.whisper.text import TextTokenizer, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return train_tokenizer(islice(sentences(1), 1500), merges=200)


def test_corpus_text_comes_back(tokenizer: TextTokenizer) -> None:
    for text in islice(sentences(2), 300):
        ids = tokenizer.encode(text)
        assert max(ids) < tokenizer.eot
        assert tokenizer.decode([tokenizer.sot, *ids, tokenizer.eot]) == text


@given(st.text(max_size=30))
def test_any_text_comes_back(tokenizer: TextTokenizer, text: str) -> None:
    text = text.encode("utf-8", "ignore").decode().strip()
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_token_starts_lie_in_their_word(tokenizer: TextTokenizer) -> None:
    text = "Could you open the window, please?"
    ids, starts = tokenizer.encode_words(text)
    rebuilt: dict[int, str] = {}
    for token, start in zip(ids, starts, strict=True):
        word = len(text[: start + 1].split(" ")) - 1
        rebuilt[word] = rebuilt.get(word, "") + tokenizer.backend.decode([token])
    assert [rebuilt[i].strip() for i in range(6)] == text.split(" ")


def test_specials_follow_the_text_and_timestamps_come_last(tokenizer: TextTokenizer) -> None:
    assert tokenizer.eot < tokenizer.sot < tokenizer.no_speech < tokenizer.no_timestamps
    assert tokenizer.timestamp(0.0) == tokenizer.no_timestamps + 1
    assert tokenizer.timestamp(30.0) == tokenizer.size - 1 == tokenizer.timestamp(99.0)


def test_stock_suppression_spares_the_space(tokenizer: TextTokenizer) -> None:
    """The default suppress_tokens=[-1] must not take away a token that plain text needs."""
    banned = StockTokenizer(tokenizer.backend, multilingual=False).non_speech_tokens
    needed = {i for text in islice(sentences(3), 300) for i in tokenizer.encode(text)}
    assert tokenizer.space not in banned
    assert not needed & set(banned)


@pytest.mark.parametrize("samples", [100, 16_000, 51_234])
def test_features_equal_faster_whispers(samples: int) -> None:
    rng = np.random.default_rng(samples)
    sound = (0.1 * rng.standard_normal(samples)).astype(np.float32)
    if samples < FFT_SAMPLES // 2:
        sound = np.pad(sound, (0, FFT_SAMPLES // 2 - samples))
    stock = FeatureExtractor(hop_length=HOP_SAMPLES, n_fft=FFT_SAMPLES)(sound)
    ours = normalise(log_mel(sound))
    assert ours.shape == (stock.shape[1], MEL_BANDS)
    assert np.abs(ours.T - stock).max() < 1e-5


@given(st.integers(0, 3000))
def test_safe_frames_steps_over_the_trap(frames: int) -> None:
    safe = safe_frames(frames)
    assert safe % 2 == 0
    assert frames <= safe <= frames + 3
    assert safe // 2 != TRAP_POSITIONS
