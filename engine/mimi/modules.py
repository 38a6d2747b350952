"""Kyutai's Mimi modules (package ``moshi``), put together from our sizes instead of its built-in ones."""

from __future__ import annotations

import math
from typing import Any

import torch
from moshi.models.compression import MimiModel
from moshi.modules.seanet import SEANetDecoder, SEANetEncoder
from moshi.modules.transformer import ProjectedTransformer
from moshi.quantization.vq import SplitResidualVectorQuantizer

from engine.config import MimiConfig


def seanet_arguments(config: MimiConfig) -> dict[str, Any]:
    """What moshi's SEANet encoder and decoder are built with."""
    return {
        "channels": 1,
        "dimension": config.width,
        "causal": True,
        "n_filters": config.filters,
        "n_residual_layers": config.residual_layers,
        "activation": "ELU",
        "compress": config.compress,
        "dilation_base": config.dilation_base,
        "disable_norm_outer_blocks": 0,
        "kernel_size": config.kernel,
        "residual_kernel_size": config.residual_kernel,
        "last_kernel_size": config.last_kernel,
        "norm": "none",
        "pad_mode": "constant",
        "ratios": list(config.ratios),
        "true_skip": True,
    }


def build_mimi(config: MimiConfig, device: torch.device | str = "cpu") -> MimiModel:
    """A Mimi of the sizes in ``config`` with fresh weights, in evaluation mode, fp32.

    Its codebooks are all zero until they are trained or loaded.
    """
    seanet = seanet_arguments(config)
    quantizer = SplitResidualVectorQuantizer(
        n_q=config.codebooks,
        n_q_semantic=config.semantic_codebooks,
        dimension=config.codebook_dim,
        bins=config.codebook_size,
        input_dimension=config.width,
        output_dimension=config.width,
    )
    model = MimiModel(
        SEANetEncoder(**seanet),
        SEANetDecoder(**seanet),
        quantizer,
        frame_rate=config.frame_rate_hz,
        encoder_frame_rate=config.sample_rate_hz / math.prod(config.ratios),
        sample_rate=config.sample_rate_hz,
        channels=1,
        causal=True,
        encoder_transformer=_transformer(config),
        decoder_transformer=_transformer(config),
        resample_method="conv",
    )
    return model.to(device).eval()


def _transformer(config: MimiConfig) -> ProjectedTransformer:
    return ProjectedTransformer(
        input_dimension=config.width,
        output_dimensions=(config.width,),
        d_model=config.width,
        conv_layout=True,
        num_heads=config.heads,
        kv_repeat=config.heads // config.kv_heads,
        num_layers=config.layers,
        dim_feedforward=config.ffn,
        causal=True,
        context=config.context,
        layer_scale=config.layer_scale,
        max_period=config.rope_base,
        positional_embedding="rope",
        norm="layer_norm",
        gating="none",
    )
