"""``config.json`` of either layout → ``CsmConfig``. The writing side is ``config_write``.

What a transformers file leaves out has csm-1b's value there (old versions store only differences from
the defaults), so it does here. Knows no tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.config import (
    CSM_1B,
    MIMI,
    PRESETS,
    CsmConfig,
    MimiConfig,
    RopeScaling,
    TransformerConfig,
)
from engine.errors import ModelError
from engine.mimi.config_json import mimi_config_from_json
from engine.weights.flavors import FLAVORS, SPACED_FLAVOR

Values = Mapping[str, object]

_ROPE_BASE = 500_000.0


def is_original(values: Values) -> bool:
    """Whether this is the original's short configuration and nothing more."""
    return "backbone_flavor" in values and "depth_decoder_config" not in values


def read_config(values: Values, name: str) -> CsmConfig | None:
    """The sizes that a ``config.json`` states.

    Args:
        values: the parsed file.
        name: for a model whose sizes are not a preset's.

    Returns:
        None when it names a transformer of unknown size (the tensors may still tell).

    Raises:
        ModelError: when a value is of the wrong kind, or describes a network that CSM is not.
    """
    try:
        config = _original(values, name) if is_original(values) else _transformers(values, name)
    except ValueError as error:
        raise ModelError(f"The config.json of {name} does not hold together: {error}.") from error
    return config if config is None else named(config, name)


def named(config: CsmConfig, name: str) -> CsmConfig:
    """``config`` under the preset's name when the sizes are a preset's, else under ``name``."""
    for known in PRESETS:
        if _canonical(config) == _canonical(known):
            return replace(config, name=known.name)
    return replace(config, name=name)


def assembled(
    backbone: TransformerConfig,
    depth: TransformerConfig,
    *,
    codebooks: int,
    audio_vocab: int,
    text_vocab: int,
    name: str,
) -> CsmConfig:
    """A CSM of two known transformers, with the codec that its code range fits."""
    spaced = FLAVORS[SPACED_FLAVOR].width == backbone.width
    return CsmConfig(
        name=name,
        backbone=backbone,
        depth=replace(depth, max_positions=codebooks + 1),
        text_vocab=text_vocab,
        audio_vocab=audio_vocab,
        codebooks=codebooks,
        mimi=replace(MIMI, codebooks=max(codebooks, MIMI.codebooks)),
        template_space=spaced,
    )


def _original(values: Values, name: str) -> CsmConfig | None:
    backbone = FLAVORS.get(str(values.get("backbone_flavor")))
    depth = FLAVORS.get(str(values.get("decoder_flavor")))
    if backbone is None or depth is None:
        return None
    return assembled(
        backbone,
        depth,
        codebooks=_whole(values, "audio_num_codebooks", CSM_1B.codebooks),
        audio_vocab=_whole(values, "audio_vocab_size", CSM_1B.audio_vocab),
        text_vocab=_whole(values, "text_vocab_size", CSM_1B.text_vocab),
        name=name,
    )


def _transformers(values: Values, name: str) -> CsmConfig:
    depth = _section(values, "depth_decoder_config")
    codebooks = _whole(values, "num_codebooks", CSM_1B.codebooks)
    audio_vocab = _whole(values, "vocab_size", CSM_1B.audio_vocab)
    backbone_sizes = _transformer(values, CSM_1B.backbone, "")
    for key, expected in (
        ("num_codebooks", codebooks),
        ("vocab_size", audio_vocab),
        ("backbone_hidden_size", backbone_sizes.width),
    ):
        if _whole(depth, key, expected) != expected:
            raise ModelError(
                f"The config.json of {name} gives the depth decoder {key} {depth[key]}, but the "
                f"backbone's is {expected}."
            )
    return CsmConfig(
        name=name,
        backbone=backbone_sizes,
        depth=_transformer(depth, CSM_1B.depth, "depth_decoder_config."),
        text_vocab=_whole(values, "text_vocab_size", CSM_1B.text_vocab),
        audio_vocab=audio_vocab,
        codebooks=codebooks,
        mimi=_codec(values, codebooks, name),
        template_space=values.get("template_space") is True,
    )


def _codec(values: Values, codebooks: int, name: str) -> MimiConfig:
    mimi = mimi_config_from_json(_section(values, "codec_config"))
    if mimi.codebooks < codebooks:
        raise ModelError(
            f"The config.json of {name} asks for {codebooks} codebooks, but its codec has only "
            f"{mimi.codebooks}."
        )
    return mimi


def _transformer(values: Values, known: TransformerConfig, where: str) -> TransformerConfig:
    for key, expected in (("hidden_act", "silu"), ("attention_bias", False), ("mlp_bias", False)):
        if values.get(key, expected) != expected:
            raise ModelError(
                f"config.json has {where}{key} {values[key]!r}, but a CSM has {expected!r}."
            )
    width = _whole(values, "hidden_size", known.width, where)
    heads = _whole(values, "num_attention_heads", known.heads, where)
    kv_heads = known.kv_heads
    if "num_key_value_heads" in values:
        # transformers takes null for "as many as there are query heads".
        kv_heads = _whole(values, "num_key_value_heads", heads, where)
    return TransformerConfig(
        layers=_whole(values, "num_hidden_layers", known.layers, where),
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=_whole(values, "head_dim", width // heads, where),
        ffn=_whole(values, "intermediate_size", known.ffn, where),
        max_positions=_whole(values, "max_position_embeddings", known.max_positions, where),
        norm_eps=_number(values, "rms_norm_eps", known.norm_eps, where),
        rope_base=_rope_base(values, where),
        rope_scaling=_rope_scaling(values, where),
    )


def _rope(values: Values) -> Values:
    """Rotary parameters where transformers 5 keeps them, else where version 4 did."""
    for key in ("rope_parameters", "rope_scaling"):
        if isinstance(section := values.get(key), Mapping) and section:
            return section
    return {}


def _rope_base(values: Values, where: str) -> float:
    outside = _number(values, "rope_theta", _ROPE_BASE, where)
    return _number(_rope(values), "rope_theta", outside, where)


def _rope_scaling(values: Values, where: str) -> RopeScaling | None:
    rope = _rope(values)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return None
    if kind != "llama3" or rope.get("partial_rotary_factor", 1.0) != 1.0:
        raise ModelError(
            f"config.json has {where}rope_type {kind!r}, of which this engine knows only 'llama3' "
            "and 'default'."
        )
    positions = _whole(values, "max_position_embeddings", CSM_1B.backbone.max_positions, where)
    return RopeScaling(
        factor=_number(rope, "factor", RopeScaling().factor, where),
        low_frequency=_number(rope, "low_freq_factor", RopeScaling().low_frequency, where),
        high_frequency=_number(rope, "high_freq_factor", RopeScaling().high_frequency, where),
        original_positions=_whole(rope, "original_max_position_embeddings", positions, where),
    )


def _canonical(config: CsmConfig) -> CsmConfig:
    """Without what may differ between two descriptions of one network."""
    return replace(
        config,
        name="",
        backbone=_canonical_rope(config.backbone),
        depth=replace(_canonical_rope(config.depth), max_positions=config.codebooks + 1),
    )


def _canonical_rope(sizes: TransformerConfig) -> TransformerConfig:
    scaling = sizes.rope_scaling
    if scaling is None:
        return sizes
    ratio = 8192 / scaling.original_positions
    same = RopeScaling(
        scaling.factor, scaling.low_frequency * ratio, scaling.high_frequency * ratio, 8192
    )
    return replace(sizes, rope_scaling=same)


def _section(values: Values, key: str) -> Values:
    section = values.get(key)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise ModelError(f"config.json has a {key} that is not a section of its own.")
    return section


def _whole(values: Values, key: str, default: int, where: str = "") -> int:
    value = values.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ModelError(f"config.json has {where}{key} {value!r}, not a whole number above 0.")
    return value


def _number(values: Values, key: str, default: float, where: str = "") -> float:
    value = values.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ModelError(f"config.json has {where}{key} {value!r}, not a number above 0.")
    return float(value)
