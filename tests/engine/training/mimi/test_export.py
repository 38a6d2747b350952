"""Code 0 is nobody's: the encoder never produces it and decoding it is harmless."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from engine.config import MimiConfig
from engine.mimi.codec import MimiCodec
from engine.training.mimi.export import finished_state, rounded
from engine.training.mimi.network import build, codebook_vectors, latents_of

SMALL = MimiConfig(
    filters=4,
    width=32,
    layers=1,
    heads=2,
    kv_heads=2,
    ffn=64,
    context=16,
    codebooks=3,
    codebook_size=16,
    codebook_dim=8,
)


@pytest.fixture(scope="module")
def trained():
    """A codec with random weights and codebooks of the size of its latents."""
    torch.manual_seed(0)
    model = build(SMALL, training=True)
    with torch.no_grad():
        for group in (model.quantizer.rvq_first, model.quantizer.rvq_rest):
            for layer in group.vq.layers:
                layer._codebook.embedding_sum.normal_(std=0.3)
                layer._codebook.cluster_usage.fill_(1.0)
                layer._codebook.register_buffer("_embedding", None, persistent=False)
    return model


@pytest.fixture(scope="module")
def codec(trained) -> MimiCodec:
    codec = MimiCodec(SMALL)
    codec.load_state(finished_state(trained))
    return codec


def sound(seed: int, frames: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.3, frames * 1920).astype(np.float32)


@pytest.mark.parametrize("level", [0.0, 1e-3, 1.0, 100.0])
def test_code_zero_is_never_encoded(codec: MimiCodec, level: float) -> None:
    codes = codec.encode(sound(1) * np.float32(level))
    assert codes.min() >= 1 and codes.max() <= 15


def test_the_other_codes_are_those_of_the_trained_codec(trained, codec: MimiCodec) -> None:
    wave = sound(2)
    with torch.no_grad():
        codes = trained.quantizer.encode(latents_of(trained, torch.from_numpy(wave)[None]))
    assert (codec.encode(wave) == codes[0].T.numpy() + 1).all()


def test_decoding_zero_in_a_residual_book_adds_nothing(codec: MimiCodec) -> None:
    codes = codec.encode(sound(3))
    without = codes.copy()
    without[:, 1:] = 0
    quantizer: Any = codec.model.quantizer
    with torch.no_grad():
        first = quantizer.rvq_first.decode(torch.from_numpy(without[:, :1].T.copy())[None])
        all_of_it = quantizer.decode(torch.from_numpy(without.T.copy())[None])
    assert torch.allclose(first, all_of_it, atol=1e-6)
    assert np.abs(codec.decode(without)).max() < 10


def test_decoding_all_zeros_is_finite_and_quiet(codec: MimiCodec) -> None:
    silence = codec.decode(np.zeros((5, SMALL.codebooks), np.int64))
    usual = codec.decode(codec.encode(sound(4, 5)))
    assert np.isfinite(silence).all()
    assert np.abs(silence).max() <= 2 * np.abs(usual).max()


def test_rounding_to_half_keeps_code_zero_away(trained) -> None:
    codec = MimiCodec(SMALL)
    codec.load_state(rounded(finished_state(trained), torch.float16))
    assert codec.encode(sound(5)).min() >= 1


def test_training_codec_holds_one_entry_and_one_dimension_back(trained) -> None:
    assert [tuple(book.shape) for book in codebook_vectors(trained)] == [(15, 7)] * 3
