"""The codec under training: moshi's Mimi with one code and one dimension held back.

CSM marks the end of speech by a frame of zeros, so code 0 must never come out of the encoder. Training
therefore uses `codebook_size - 1` entries in `codebook_dim - 1` dimensions; `export.py` puts entry 0 in front,
far away in the dimension that nothing else uses and that the output projection ignores: it can never be the
nearest, and decoding it adds nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from moshi.models import loaders
from moshi.utils.compile import no_compile
from torch import Tensor, nn

from engine.config import MimiConfig
from engine.mimi.modules import seanet_arguments

MimiNetwork = Any
"""moshi's `MimiModel`. Its sub-modules are untyped, so a checker could only complain about them."""


def moshi_config(config: MimiConfig, *, training: bool) -> dict[str, Any]:
    """The keyword arguments of moshi's `get_mimi` for our sizes; `training` holds back code and dimension 0."""
    held_back = 1 if training else 0
    quantizer = {
        "dimension": config.codebook_dim - held_back,
        "n_q": config.codebooks,
        "bins": config.codebook_size - held_back,
        "input_dimension": config.width,
        "output_dimension": config.width,
        "decay": 0.985,
    }
    transformer = {
        "d_model": config.width,
        "num_heads": config.heads,
        "num_layers": config.layers,
        "causal": True,
        "layer_scale": config.layer_scale,
        "context": config.context,
        "conv_layout": True,
        "max_period": int(config.rope_base),
        "gating": "none",
        "norm": "layer_norm",
        "positional_embedding": "rope",
        "dim_feedforward": config.ffn,
        "input_dimension": config.width,
        "output_dimensions": [config.width],
    }
    return {
        "sample_rate": config.sample_rate_hz,
        "channels": 1,
        "frame_rate": config.frame_rate_hz,
        "seanet": seanet_arguments(config),
        "quantizer": quantizer,
        "transformer": transformer,
    }


def build(config: MimiConfig, *, training: bool) -> MimiNetwork:
    """An untrained codec in eval mode. With `training`, layer scales start at 0.2 instead of 0.01.

    The published 0.01 suits a million steps; a few thousand would leave the transformers unused.
    """
    kwargs = moshi_config(config, training=training)
    if training:
        kwargs["transformer"]["layer_scale"] = 0.2
    model = loaders.get_mimi(None, kwargs, device="cpu", num_codebooks=config.codebooks)
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.zero_()
    for name, buffer in model.named_buffers():
        if name.endswith("cluster_usage"):
            buffer.fill_(1.0)
    if training:
        _start_convolutions(model)
    return model


def _start_convolutions(model: MimiNetwork) -> None:
    """Keep the signal's size through SEANet: torch's default shrinks it by 0.58 at each of 15 layers.

    The first convolution also brings speech (about 0.1) to unit size. Without this the encoder learns
    nothing in its first hundred steps.
    """
    for side in (model.encoder, model.decoder):
        for name, module in side.named_modules():
            if isinstance(module, nn.Conv1d):
                inputs = module.weight[0].numel()
            elif isinstance(module, nn.ConvTranspose1d):
                inputs = module.weight.shape[0] * module.kernel_size[0] // module.stride[0]
            else:
                continue
            gain = 0.3 if ".block.3." in name else 1.25
            if module.in_channels == 1:
                gain = 10.0
            if module.out_channels == 1:
                gain = 0.1
            nn.init.normal_(module.weight, std=gain / inputs**0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class MelHead(nn.Module):
    """A throw-away head: decoder latents (B, W, T) at 25 Hz to log-mel (B, 4T, M) at 100 Hz."""

    def __init__(self, width: int, mels: int) -> None:
        super().__init__()
        self.mels = mels
        self.inner = nn.Linear(width, 2 * width)
        self.outer = nn.Linear(2 * width, 4 * mels)

    def forward(self, latents: Tensor) -> Tensor:
        hidden = nn.functional.gelu(self.inner(latents.transpose(1, 2)))
        out = self.outer(hidden)  # (B, T, 4M)
        return out.reshape(out.shape[0], -1, self.mels)


class PhonemeHead(nn.Module):
    """A throw-away head: vectors (B, T, D) to the logits (B, T·L, P) of `labels` L phonemes for each."""

    def __init__(self, dim: int, phonemes: int, labels: int, width: int = 256) -> None:
        super().__init__()
        self.phonemes = phonemes
        self.inner = nn.Linear(dim, width)
        self.outer = nn.Linear(width, labels * phonemes)

    def forward(self, vectors: Tensor) -> Tensor:
        out = self.outer(nn.functional.gelu(self.inner(vectors)))
        return out.reshape(out.shape[0], -1, self.phonemes)


def latents_of(model: MimiNetwork, waves: Tensor) -> Tensor:
    """Waves (B, N) to unquantised latents (B, W, N/1920)."""
    # moshi would start torch's compiler for its rotary embedding: slower here than doing without.
    with no_compile():
        hidden = model.encoder(waves[:, None])
        (hidden,) = model.encoder_transformer(hidden)
        return model.downsample(hidden)


def decoder_latents(model: MimiNetwork, quantised: Tensor) -> Tensor:
    """Quantised latents (B, W, T) at 12.5 Hz to the SEANet decoder's input (B, W, 2T) at 25 Hz."""
    with no_compile():
        (hidden,) = model.decoder_transformer(model.upsample(quantised))
    return hidden


@torch.no_grad()
def codebook_vectors(model: MimiNetwork) -> list[Tensor]:
    """The codebooks in order, each (entries, D)."""
    layers = [*model.quantizer.rvq_first.vq.layers, *model.quantizer.rvq_rest.vq.layers]
    return [layer._codebook.embedding for layer in layers]
