"""Models and conversations for the tests of the native engine."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from engine.config import CSM_NANO, CsmConfig, TransformerConfig, tiny
from engine.csm.model import CsmModel
from engine.native.decoder import NativeDecoder, NativeModel
from engine.native.weights import linears, unpack
from engine.nn.transformer import Block
from engine.runtime.decoder import Decoder
from engine.types import CodeArray, FloatArray, Sampling

NO_CODES = np.zeros((0, 4), np.int64)


def odd() -> CsmConfig:
    """Sizes that are no multiple of anything: all the code for what is left over."""
    config = tiny(5)
    backbone = replace(config.backbone, width=50, head_dim=18, heads=3, kv_heads=1, ffn=77)
    return replace(config, backbone=backbone, depth=replace(config.depth, width=30, ffn=41))


def wide() -> CsmConfig:
    """Rows of several packed steps, several chunks of work, and heads of eight vectors."""
    layers = TransformerConfig(
        layers=2, width=512, heads=8, kv_heads=2, head_dim=64, ffn=1024, max_positions=200
    )
    depth = replace(layers, width=256, heads=4, kv_heads=1, head_dim=128, max_positions=5)
    return replace(tiny(), backbone=layers, depth=depth, audio_vocab=515)


CONFIGS = {"tiny": tiny(), "odd": odd(), "wide": wide(), "nano": CSM_NANO}


def make_model(config: CsmConfig, dtype: torch.dtype = torch.float32) -> CsmModel:
    """Random weights, always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return CsmModel(config).eval().to(dtype)


def native(
    model: CsmModel,
    precision: str = "fp32",
    *,
    threads: int = 1,
    path: Path | None = None,
    sampling: Sampling | None = None,
    seed: int = 3,
) -> NativeDecoder:
    """A decoder of its own."""
    engine = NativeModel(model, precision, threads, path=path)
    return engine.decoder(sampling or Sampling(), seed)


def history(config: CsmConfig, texts: int = 7, frames: int = 9) -> tuple[list[int], CodeArray]:
    """A line of text and its frames."""
    rng = np.random.default_rng(2)
    ids = [int(one) for one in rng.integers(0, config.text_vocab, texts)]
    return ids, rng.integers(0, config.mimi.codebook_size, (frames, config.codebooks))


def forced(decoder: Decoder, ids: list[int], codes: CodeArray) -> FloatArray:
    """Logits (T, K, V) of all frames, each given those before it."""
    out: list[FloatArray] = []
    decoder.read(ids, codes[:0])
    for frame in codes:
        out.append(decoder.force(frame))
        decoder.feed()
    return np.stack(out)


def dequantised(decoder: NativeDecoder, model: CsmModel) -> CsmModel:
    """``model`` with the weights that the decoder's packed ones stand for, in fp32."""
    lib, weights = decoder.model.library, decoder.model.weights.description
    out = copy.deepcopy(model).float()
    with torch.no_grad():
        for module, described in ((out.backbone, weights.backbone), (out.depth, weights.depth)):
            for index, block in enumerate(module.layers):
                assert isinstance(block, Block)
                layer = described.layer[index]
                names = ("q", "k", "v", "o", "gate", "up", "down")
                for name, linear in zip(names, linears(block), strict=True):
                    linear.weight.copy_(unpack(lib, getattr(layer, name)))
        out.codebook0_head.weight.copy_(unpack(lib, weights.head0))
        for index in range(model.config.codebooks - 1):
            out.audio_head[index].copy_(unpack(lib, weights.heads[index]))
    return out


def divergence(ours: FloatArray, theirs: FloatArray) -> float:
    """Mean KL divergence from ``theirs`` to ``ours`` in nats, over all frames and codebooks."""
    p = torch.from_numpy(theirs).double().log_softmax(-1)
    q = torch.from_numpy(ours).double().log_softmax(-1)
    return float((p.exp() * (p - q)).sum(-1).mean())
