"""transformers' CSM with random weights: the reference that the engine is measured against.

Everything is written out by hand here (configuration, names, row orders), so that a mistake in the
engine's own reading or writing cannot cancel itself out.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CsmConfig, CsmForConditionalGeneration

from engine.config import tiny
from engine.csm.model import CsmModel

AUDIO_TOKEN, AUDIO_EOS_TOKEN = 258, 259
K, V = 4, 35
BACKBONE_HEADS, DEPTH_HEADS = (6, 2, 8), (4, 2, 16)  # query heads, kv heads, head size


def reference_config() -> CsmConfig:
    """The sizes of ``engine.config.tiny()`` in transformers' words."""

    def rope(positions: int) -> dict[str, object]:
        share = positions / 8192  # only ratios count; (8192, 1, 4) is Llama 3's way to write them
        return {
            "rope_type": "llama3",
            "rope_theta": 500_000.0,
            "factor": 32.0,
            "low_freq_factor": share,
            "high_freq_factor": 4 * share,
            "original_max_position_embeddings": positions,
        }

    return CsmConfig(
        num_codebooks=K,
        vocab_size=V,
        text_vocab_size=300,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=256,
        rope_parameters=rope(128),
        bos_token_id=None,
        pad_token_id=None,
        codebook_pad_token_id=34,
        audio_token_id=AUDIO_TOKEN,
        audio_eos_token_id=AUDIO_EOS_TOKEN,
        depth_decoder_config={
            "num_codebooks": K,
            "backbone_hidden_size": 48,
            "vocab_size": V,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": K + 1,
            "rope_parameters": rope(4),
        },
        codec_config={
            "model_type": "mimi",
            "num_filters": 4,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "intermediate_size": 64,
            "sliding_window": 16,
            "codebook_size": 32,
            "codebook_dim": 16,
            "vector_quantization_hidden_dimension": 16,
            "num_quantizers": K,
            "upsample_groups": 32,
        },
    )


def reference_model(seed: int = 0) -> CsmForConditionalGeneration:
    """Random weights large enough that every one of them moves the logits; norms are random too."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CsmForConditionalGeneration(reference_config()).eval()
        with torch.no_grad():
            for name, tensor in model.named_parameters():
                if "norm" in name:
                    tensor.uniform_(0.5, 1.5)
                elif "codec_model" not in name:
                    fan_in = 1 if "embed" in name.rsplit(".", 2)[-2] else tensor.shape[-1]
                    tensor.normal_(std=fan_in**-0.5)
            for name, tensor in model.named_buffers():
                if name.endswith("embed_sum"):
                    tensor.normal_()
                elif name.endswith("cluster_usage"):
                    tensor.fill_(1.0)
            model.depth_decoder.model.inputs_embeds_projector.weight.normal_(std=0.15)
    # transformers 5 does not reliably tie these; the published checkpoints have one table.
    model.backbone_model.embed_tokens.embed_audio_tokens.weight = (
        model.depth_decoder.model.embed_tokens.weight
    )
    return model


ORIGINAL_NAMES = {
    "input_layernorm.weight": "sa_norm.scale",
    "post_attention_layernorm.weight": "mlp_norm.scale",
    "self_attn.q_proj.weight": "attn.q_proj.weight",
    "self_attn.k_proj.weight": "attn.k_proj.weight",
    "self_attn.v_proj.weight": "attn.v_proj.weight",
    "self_attn.o_proj.weight": "attn.output_proj.weight",
    "mlp.gate_proj.weight": "mlp.w1.weight",
    "mlp.up_proj.weight": "mlp.w3.weight",
    "mlp.down_proj.weight": "mlp.w2.weight",
}


def original_state(model: CsmForConditionalGeneration) -> dict[str, Tensor]:
    """The same network under torchtune's names and with torchtune's row order."""
    state = model.state_dict()
    result = {
        "text_embeddings.weight": state["embed_text_tokens.weight"],
        "audio_embeddings.weight": state["depth_decoder.model.embed_tokens.weight"],
        "projection.weight": state["depth_decoder.model.inputs_embeds_projector.weight"],
        "codebook0_head.weight": state["lm_head.weight"],
        "audio_head": state["depth_decoder.codebooks_head.weight"],
        "backbone.norm.scale": state["backbone_model.norm.weight"],
        "decoder.norm.scale": state["depth_decoder.model.norm.weight"],
    }
    for theirs, prefix, (heads, kv_heads, size) in (
        ("backbone", "backbone_model", BACKBONE_HEADS),
        ("decoder", "depth_decoder.model", DEPTH_HEADS),
    ):
        for layer in range(2):
            for name, original in ORIGINAL_NAMES.items():
                tensor = state[f"{prefix}.layers.{layer}.{name}"]
                if "q_proj" in name:
                    tensor = tensor[adjacent_rows(heads, size)]
                if "k_proj" in name:
                    tensor = tensor[adjacent_rows(kv_heads, size)]
                result[f"{theirs}.layers.{layer}.{original}"] = tensor
    return {name: tensor.clone().contiguous() for name, tensor in result.items()}


def adjacent_rows(heads: int, size: int) -> list[int]:
    """For each row in adjacent-pair order, the row that holds it in half-split order."""
    rows: list[int] = []
    for head in range(heads):
        for pair in range(size // 2):
            rows += [head * size + pair, head * size + pair + size // 2]
    return rows


def save_original_by_hand(model: CsmForConditionalGeneration, folder: Path) -> Path:
    """A folder in the original layout, with a configuration that states the tiny sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(original_state(model), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()), encoding="utf-8")
    return folder


def ours_from(model: CsmForConditionalGeneration) -> CsmModel:
    """The engine's network with the reference's weights, name by name."""
    theirs = model.state_dict()
    state = {
        "text_embedding.weight": theirs["embed_text_tokens.weight"],
        "audio_embedding.weight": theirs["depth_decoder.model.embed_tokens.weight"],
        "projection.weight": theirs["depth_decoder.model.inputs_embeds_projector.weight"],
        "codebook0_head.weight": theirs["lm_head.weight"],
        "audio_head": theirs["depth_decoder.codebooks_head.weight"].transpose(1, 2).contiguous(),
    }
    for stack, prefix in (("backbone", "backbone_model."), ("depth", "depth_decoder.model.")):
        state[f"{stack}.norm.scale"] = theirs[f"{prefix}norm.weight"]
        for layer in range(2):
            to, at = f"{stack}.layers.{layer}.", f"{prefix}layers.{layer}."
            state[f"{to}attn_norm.scale"] = theirs[f"{at}input_layernorm.weight"]
            state[f"{to}mlp_norm.scale"] = theirs[f"{at}post_attention_layernorm.weight"]
            for part in "qkvo":
                state[f"{to}attn.{part}.weight"] = theirs[f"{at}self_attn.{part}_proj.weight"]
            for part in ("gate", "up", "down"):
                state[f"{to}mlp.{part}.weight"] = theirs[f"{at}mlp.{part}_proj.weight"]
    ours = CsmModel(tiny()).eval()
    ours.load_state_dict(state)
    return ours
