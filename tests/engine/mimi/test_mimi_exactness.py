"""The codec's own networks against moshi's modules with the same weights: every shape, every cut."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from moshi.utils.compile import no_compile

from engine.config import MIMI, MIMI_NANO, MimiConfig, tiny
from engine.mimi.codec import MimiCodec
from engine.mimi.lanes import CHUNK_FRAMES
from engine.mimi.packed import Precision, reads_half
from engine.types import CodeArray, FloatArray
from tests.engine.mimi.conftest import noise, trained_looking

TINY = tiny().mimi
SHAPES = {
    "tiny": TINY,
    "grouped, deep": replace(TINY, heads=4, kv_heads=2, residual_layers=2, codebooks=3),
    "two semantic": replace(TINY, semantic_codebooks=2, kernel=5, last_kernel=5, compress=1),
    "nano": MIMI_NANO,
}


@pytest.fixture(scope="module", params=list(SHAPES.values()), ids=list(SHAPES))
def pair(request: pytest.FixtureRequest) -> tuple[MimiCodec, CodeArray]:
    """A codec and codes that are longer than its attention looks back."""
    config: MimiConfig = request.param
    codec = filled(config)
    frames = config.context * 3 // 4 + 5  # of two steps each
    codes = np.random.default_rng(0).integers(0, config.codebook_size, (frames, config.codebooks))
    return codec, codes


def filled(config: MimiConfig, precision: Precision = "auto") -> MimiCodec:
    """Random weights with codebooks that say something and branches that count."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        codec = MimiCodec(config, precision=precision)
        for name, tensor in codec.model.state_dict().items():
            if name.endswith(".scale"):
                tensor.uniform_(0.1, 0.5)
            elif name.endswith(("norm1.bias", "norm2.bias", "cluster_usage")):
                tensor.uniform_(0.1, 2.0)
            elif name.endswith("embedding_sum"):
                tensor.normal_()
            elif name.endswith(("convtr.bias", "conv.bias")):
                tensor.normal_(0, 0.05)
            elif tensor.dim() > 1 and "quantizer" not in name:
                tensor.mul_(1.7)
    return codec


@contextmanager
def moshis() -> Generator[None]:
    with torch.inference_mode(), no_compile():
        yield


def moshi_decode(model: Any, codes: CodeArray) -> FloatArray:
    """Sound of ``codes``, by the modules, in whatever streaming state they are."""
    latent = model.upsample(model.quantizer.decode(torch.from_numpy(codes.T.copy())[None]))
    (latent,) = model.decoder_transformer(latent)
    return model.decoder(latent)[0, 0].numpy()


def moshi_encode(model: Any, sound: FloatArray) -> CodeArray:
    """Codes of ``sound``, by the modules."""
    (latent,) = model.encoder_transformer(model.encoder(torch.from_numpy(sound)[None, None]))
    return model.quantizer.encode(model.downsample(latent))[0].T.numpy()


def relative(ours: FloatArray, theirs: FloatArray) -> float:
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize("size", [1, 2, 4, 7, CHUNK_FRAMES, 1000])
def test_decodes_like_moshi_at_once(pair: tuple[MimiCodec, CodeArray], size: int) -> None:
    codec, codes = pair
    with moshis():
        theirs = moshi_decode(codec.model, codes)
    stream = codec.stream()
    ours = [stream.decode(codes[start : start + size]) for start in range(0, len(codes), size)]
    assert relative(np.concatenate(ours), theirs) < 1e-5


def test_decodes_like_moshi_in_a_stream(pair: tuple[MimiCodec, CodeArray]) -> None:
    codec, codes = pair
    codes = codes[: codec.config.context // 2]  # beyond, its stream forgets a step too early
    stream, model = codec.stream(), codec.model
    with moshis(), model.streaming(1):
        theirs = [moshi_decode(model, codes[index : index + 1]) for index in range(len(codes))]
    ours = [stream.decode(codes[index : index + 1]) for index in range(len(codes))]
    assert relative(np.concatenate(ours), np.concatenate(theirs)) < 1e-5


@pytest.mark.parametrize("size", [1, 3, 40])
@pytest.mark.parametrize("shape", ["tiny", "grouped, deep", "two semantic"])
def test_encodes_like_moshi(shape: str, size: int) -> None:
    config = SHAPES[shape]
    codec, sound = trained_looking(config), noise(40, config)
    with moshis():
        theirs = moshi_encode(codec.model, sound)
    stream, step = codec.stream(), size * config.frame_samples
    ours = [stream.encode(sound[start : start + step]) for start in range(0, len(sound), step)]
    np.testing.assert_array_equal(np.concatenate(ours), theirs)
    np.testing.assert_array_equal(codec.encode(sound), theirs)


@pytest.mark.skipif(not reads_half(), reason="this processor multiplies fp32 with fp16 no faster")
def test_half_weights_are_not_heard() -> None:
    codes = np.random.default_rng(0).integers(0, MIMI_NANO.codebook_size, (20, 4))
    full = filled(MIMI_NANO, "fp32").decode(codes)
    half = filled(MIMI_NANO, "fp16").decode(codes)
    assert 60 < decibels(full, half) < 110  # above it, nothing would have been halved


def decibels(signal: FloatArray, other: FloatArray) -> float:
    noise_power = np.square(signal - other, dtype=np.float64).sum()
    return float(10 * np.log10(np.square(signal, dtype=np.float64).sum() / noise_power))


def test_a_new_stream_has_the_weights_of_now() -> None:
    codec = filled(TINY)
    codes = np.random.default_rng(0).integers(0, TINY.codebook_size, (4, TINY.codebooks))
    before = codec.decode(codes)
    with torch.no_grad():
        for name, tensor in codec.model.named_parameters():
            if name.endswith("decoder.model.0.conv.conv.weight"):
                tensor.mul_(-1.5)
    with moshis():
        theirs = moshi_decode(codec.model, codes)
    assert relative(before, theirs) > 1e-2
    assert relative(codec.decode(codes), theirs) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_full_size(precision: Precision) -> None:
    """The 79 million parameters of Kyutai's Mimi, over more frames than its attention sees."""
    codec = filled(MIMI, precision)
    assert sum(p.numel() for p in codec.model.parameters()) > 70_000_000
    codes = np.random.default_rng(0).integers(0, 2048, (140, 32))
    with moshis():
        theirs = moshi_decode(codec.model, codes)
    stream = codec.stream()
    parts = [
        stream.decode(codes[:130]),
        *(stream.decode(codes[i : i + 1]) for i in range(130, 140)),
    ]
    if precision == "fp32":
        assert relative(np.concatenate(parts), theirs) < 1e-5
    else:
        assert decibels(theirs, np.concatenate(parts)) > 60
    assert codec.encode(theirs[: 4 * 1920]).shape == (4, 32)
