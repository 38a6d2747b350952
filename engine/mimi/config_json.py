"""``MimiConfig`` to and from the JSON that transformers keeps beside its Mimi weights.

The same dictionary stands alone in a Mimi folder's ``config.json`` and as ``codec_config`` inside a
CSM folder's. Torch-free, so that folders can be inspected without loading anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from engine.config import MimiConfig
from engine.errors import ModelError

_FIELDS: Final[dict[str, str]] = {
    "sampling_rate": "sample_rate_hz",
    "num_filters": "filters",
    "kernel_size": "kernel",
    "last_kernel_size": "last_kernel",
    "residual_kernel_size": "residual_kernel",
    "num_residual_layers": "residual_layers",
    "compress": "compress",
    "dilation_growth_rate": "dilation_base",
    "hidden_size": "width",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "num_key_value_heads": "kv_heads",
    "intermediate_size": "ffn",
    "sliding_window": "context",
    "num_quantizers": "codebooks",
    "num_semantic_quantizers": "semantic_codebooks",
    "codebook_size": "codebook_size",
    "codebook_dim": "codebook_dim",
}
"""Whole-number fields: transformers' name to ours."""

_FIXED: Final[dict[str, object]] = {
    "audio_channels": 1,
    "use_causal_conv": True,
    "pad_mode": "constant",
    "trim_right_ratio": 1.0,
    "use_conv_shortcut": False,
    "hidden_act": "gelu",
    "norm_eps": 1e-5,
    "attention_bias": False,
}
"""What every Mimi is; a file that says otherwise describes another codec."""


def mimi_config_json(config: MimiConfig) -> dict[str, Any]:
    """The sizes as transformers writes them (``config.json`` of Mimi, ``codec_config`` of CSM)."""
    values: dict[str, Any] = {"model_type": "mimi", "architectures": ["MimiModel"]}
    values |= {theirs: getattr(config, ours) for theirs, ours in _FIELDS.items()}
    values |= _FIXED
    values |= {
        "upsampling_ratios": list(config.ratios),
        "head_dim": config.width // config.heads,
        "vector_quantization_hidden_dimension": config.codebook_dim,
        "upsample_groups": config.width,
        "layer_scale_initial_scale": config.layer_scale,
        "max_position_embeddings": 8000,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_base},
        "frame_rate": config.frame_rate_hz,
    }
    return values


def mimi_config_from_json(values: Mapping[str, Any]) -> MimiConfig:
    """Read the sizes from a transformers Mimi dictionary; what it leaves out is as in ``MimiConfig``.

    Raises:
        ModelError: for a dictionary that describes another codec or holds values of wrong kind.
    """
    kind = values.get("model_type", "mimi")
    if kind != "mimi":
        raise ModelError(f"The codec configuration is of kind {kind!r}, not 'mimi'.")
    for name, expected in _FIXED.items():
        if values.get(name, expected) != expected:
            raise ModelError(
                f"The codec configuration has {name} = {values[name]!r}, but Mimi has {expected!r}."
            )
    changes: dict[str, Any] = {
        ours: _whole(values, theirs) for theirs, ours in _FIELDS.items() if theirs in values
    }
    ratios = values.get("upsampling_ratios")
    if ratios is not None:
        if not isinstance(ratios, list) or not all(_is_whole(ratio) for ratio in ratios):
            raise ModelError("The codec configuration needs a list of whole upsampling_ratios.")
        changes["ratios"] = tuple(ratios)
    if "layer_scale_initial_scale" in values:
        changes["layer_scale"] = _number(values, "layer_scale_initial_scale")
    rope = values.get("rope_parameters") or values
    if "rope_theta" in rope:
        changes["rope_base"] = _number(rope, "rope_theta")
    config = MimiConfig(**changes)
    return _checked(config, values)


def _checked(config: MimiConfig, values: Mapping[str, Any]) -> MimiConfig:
    """``config`` with its frame rate (two encoder steps per frame when unsaid), found coherent."""
    halved = config.sample_rate_hz / math.prod(config.ratios) / 2
    rate = _number(values, "frame_rate") if values.get("frame_rate") is not None else halved
    others = {
        "vector_quantization_hidden_dimension": config.codebook_dim,
        "upsample_groups": config.width,
        "head_dim": config.width // config.heads,
    }
    for name, expected in others.items():
        if values.get(name) not in (None, expected):
            raise ModelError(
                f"The codec configuration has {name} = {values[name]!r} where its other sizes "
                f"make it {expected}."
            )
    if config.width % config.heads or config.heads % config.kv_heads:
        raise ModelError(
            f"The codec configuration cannot divide width {config.width} over {config.heads} heads "
            f"and {config.kv_heads} key heads."
        )
    if not math.isclose(rate, halved):
        raise ModelError(
            f"The codec configuration says {rate:g} frames per second where its strides make "
            f"{halved:g}."
        )
    return replace(config, frame_rate_hz=rate)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _whole(values: Mapping[str, Any], name: str) -> int:
    value = values[name]
    if not _is_whole(value):
        raise ModelError(
            f"The codec configuration has {name} = {value!r}, not a whole number above 0."
        )
    return int(value)


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ModelError(f"The codec configuration has {name} = {value!r}, not a number above 0.")
    return float(value)
