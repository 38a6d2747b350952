"""``CsmConfig`` as the ``config.json`` of either layout. The reading side is ``config_read``."""

from __future__ import annotations

from collections.abc import Mapping

from engine.config import CsmConfig, RopeScaling, TransformerConfig
from engine.mimi.config_json import mimi_config_json
from engine.weights.flavors import flavor_name

Json = dict[str, object]

_AUDIO_TOKENS = (128_002, 128_003)
"""Reserved ids of the Llama 3 tokenizer that transformers relabels for audio and its end."""


def transformers_config(config: CsmConfig, special_ids: Mapping[str, object] | None = None) -> Json:
    """``config.json`` for transformers' ``CsmConfig``.

    Rotary parameters are written twice: as transformers 5 reads them (``rope_parameters``) and as 4.52
    does (``rope_theta`` and ``rope_scaling``), because either silently ignores the other's.

    Args:
        config: the sizes.
        special_ids: ``bos_token_id`` and the like, where they are not those of the Llama 3 tokenizer.
    """
    roomy = config.text_vocab > max(_AUDIO_TOKENS)
    ids: Json = {
        "audio_token_id": _AUDIO_TOKENS[0] if roomy else None,
        "audio_eos_token_id": _AUDIO_TOKENS[1] if roomy else None,
        "pad_token_id": _AUDIO_TOKENS[0] if roomy else None,
        "bos_token_id": 128_000 if roomy else None,
    }
    ids.update({key: value for key, value in (special_ids or {}).items() if key in ids})
    result: Json = {
        "architectures": ["CsmForConditionalGeneration"],
        "model_type": "csm",
        "num_codebooks": config.codebooks,
        "vocab_size": config.audio_vocab,
        "text_vocab_size": config.text_vocab,
        "codebook_eos_token_id": 0,
        "codebook_pad_token_id": config.audio_vocab - 1,
        "tie_codebooks_embeddings": True,
        **ids,
        **_transformer(config.backbone),
        "depth_decoder_config": {
            "model_type": "csm_depth_decoder_model",
            "num_codebooks": config.codebooks,
            "vocab_size": config.audio_vocab,
            "backbone_hidden_size": config.backbone.width,
            **_transformer(config.depth),
        },
        "codec_config": mimi_config_json(config.mimi),
    }
    if config.template_space:
        result["template_space"] = True
    return result


def original_config(config: CsmConfig) -> Json | None:
    """The original's short ``config.json``; None when it has no names for these sizes."""
    backbone, depth = flavor_name(config.backbone), flavor_name(config.depth)
    if backbone is None or depth is None:
        return None
    return {
        "audio_num_codebooks": config.codebooks,
        "audio_vocab_size": config.audio_vocab,
        "backbone_flavor": backbone,
        "decoder_flavor": depth,
        "text_vocab_size": config.text_vocab,
    }


def _transformer(sizes: TransformerConfig) -> Json:
    result: Json = {
        "num_hidden_layers": sizes.layers,
        "hidden_size": sizes.width,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_dim,
        "intermediate_size": sizes.ffn,
        "max_position_embeddings": sizes.max_positions,
        "rms_norm_eps": sizes.norm_eps,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "rope_theta": sizes.rope_base,
    }
    if sizes.rope_scaling is None:
        plain: Json = {"rope_type": "default", "rope_theta": sizes.rope_base}
        return {**result, "rope_scaling": None, "rope_parameters": plain}
    scaling = _renumbered(sizes.rope_scaling, sizes.max_positions)
    rope: Json = {
        "rope_type": "llama3",
        "factor": scaling.factor,
        "low_freq_factor": scaling.low_frequency,
        "high_freq_factor": scaling.high_frequency,
        "original_max_position_embeddings": scaling.original_positions,
    }
    parameters: Json = {**rope, "rope_theta": sizes.rope_base}
    return {**result, "rope_scaling": rope, "rope_parameters": parameters}


def _renumbered(scaling: RopeScaling, max_positions: int) -> RopeScaling:
    """The same rule with the original context below ``max_positions``, as transformers demands.

    Halving is exact in binary, so the frequencies stay the same to the last bit.
    """
    positions, low, high = (
        scaling.original_positions,
        scaling.low_frequency,
        scaling.high_frequency,
    )
    while positions >= max_positions and positions % 2 == 0:
        positions, low, high = positions // 2, low / 2, high / 2
    return RopeScaling(scaling.factor, low, high, positions)
