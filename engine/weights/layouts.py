"""The two checkpoint layouts, as rules from our tensor names to theirs and back.

The *original* layout has torchtune's names and rotates adjacent pairs (2i, 2i + 1) of each head; the
*transformers* layout has Hugging Face's names and rotates (i, i + d/2), which is also what this engine
does. Going between them regroups the rows of every query and key matrix; nothing else changes.
Knows no files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor

from engine.config import CsmConfig, TransformerConfig


class Layout(StrEnum):
    """Who named the tensors of a checkpoint."""

    ORIGINAL = "original"
    TRANSFORMERS = "transformers"


class Change(StrEnum):
    """How a stored tensor differs from ours."""

    NONE = "none"
    PAIRS = "pairs"
    """Rows of each head ordered for adjacent rotary pairs."""
    TRANSPOSED = "transposed"
    """The last two axes are swapped."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One tensor of ours and where a layout keeps it.

    Attributes:
        ours: name in ``CsmModel.state_dict()``.
        theirs: accepted names in the checkpoint; the first one is written.
        change: what has to be done to it.
        heads: rows are grouped into this many heads (``Change.PAIRS`` only).
    """

    ours: str
    theirs: tuple[str, ...]
    change: Change = Change.NONE
    heads: int = 0

    def stored_shape(self, shape: Iterable[int]) -> tuple[int, ...]:
        """The shape in the checkpoint of our tensor of ``shape``."""
        sizes = tuple(shape)
        if self.change is Change.TRANSPOSED:
            return (*sizes[:-2], sizes[-1], sizes[-2])
        return sizes

    def to_ours(self, stored: Tensor) -> Tensor:
        """The checkpoint's tensor as our model holds it (a view where that is possible)."""
        if self.change is Change.TRANSPOSED:
            return stored.transpose(-1, -2)
        if self.change is Change.PAIRS:
            return halves_from_pairs(stored, self.heads)
        return stored

    def to_theirs(self, tensor: Tensor) -> Tensor:
        """The inverse of ``to_ours``."""
        if self.change is Change.TRANSPOSED:
            return tensor.transpose(-1, -2)
        if self.change is Change.PAIRS:
            return pairs_from_halves(tensor, self.heads)
        return tensor


def halves_from_pairs(rows: Tensor, heads: int) -> Tensor:
    """Regroup (heads · d, in) from rotary pairs (2i, 2i + 1) to (i, i + d/2)."""
    return rows.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2)


def pairs_from_halves(rows: Tensor, heads: int) -> Tensor:
    """Regroup (heads · d, in) from rotary pairs (i, i + d/2) to (2i, 2i + 1)."""
    return rows.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def slots(layout: Layout, config: CsmConfig) -> list[Slot]:
    """Every tensor of a CSM of these sizes in the given layout."""
    if layout is Layout.ORIGINAL:
        return _original(config)
    return _transformers(config)


CODEC_PREFIX = "codec_model."
"""What the transformers layout writes in front of the names of the bundled codec."""

AUDIO_EMBEDDING_COPIES = (
    "depth_decoder.model.embed_tokens.weight",
    "backbone_model.embed_tokens.embed_audio_tokens.weight",
)
"""Either or both hold the one audio table; transformers 5 writes only the first."""

BUFFERS = (".inv_freq", "audio_tokens_offsets", ".rope.cache", ".pos_embeddings.cache")
"""Ends of names of computed tensors that old exports stored; they carry no information."""


def _original(config: CsmConfig) -> list[Slot]:
    result = [
        Slot("text_embedding.weight", ("text_embeddings.weight",)),
        Slot("audio_embedding.weight", ("audio_embeddings.weight",)),
        Slot("projection.weight", ("projection.weight",)),
        Slot("codebook0_head.weight", ("codebook0_head.weight",)),
        Slot("audio_head", ("audio_head",), Change.TRANSPOSED),
    ]
    for ours, theirs, sizes in (
        ("backbone", "backbone", config.backbone),
        ("depth", "decoder", config.depth),
    ):
        result.append(Slot(f"{ours}.norm.scale", (f"{theirs}.norm.scale",)))
        for layer in range(sizes.layers):
            result += _original_layer(f"{ours}.layers.{layer}.", f"{theirs}.layers.{layer}.", sizes)
    return result


def _original_layer(ours: str, theirs: str, sizes: TransformerConfig) -> list[Slot]:
    pairs = Change.PAIRS
    return [
        Slot(f"{ours}attn.q.weight", (f"{theirs}attn.q_proj.weight",), pairs, sizes.heads),
        Slot(f"{ours}attn.k.weight", (f"{theirs}attn.k_proj.weight",), pairs, sizes.kv_heads),
        Slot(f"{ours}attn.v.weight", (f"{theirs}attn.v_proj.weight",)),
        Slot(f"{ours}attn.o.weight", (f"{theirs}attn.output_proj.weight",)),
        Slot(f"{ours}mlp.gate.weight", (f"{theirs}mlp.w1.weight",)),
        Slot(f"{ours}mlp.down.weight", (f"{theirs}mlp.w2.weight",)),
        Slot(f"{ours}mlp.up.weight", (f"{theirs}mlp.w3.weight",)),
        Slot(f"{ours}attn_norm.scale", (f"{theirs}sa_norm.scale",)),
        Slot(f"{ours}mlp_norm.scale", (f"{theirs}mlp_norm.scale",)),
    ]


def _transformers(config: CsmConfig) -> list[Slot]:
    depth = "depth_decoder.model."
    result = [
        Slot(
            "text_embedding.weight",
            # Development exports kept the text table inside the backbone.
            ("embed_text_tokens.weight", "backbone_model.embed_tokens.embed_text_tokens.weight"),
        ),
        Slot("audio_embedding.weight", AUDIO_EMBEDDING_COPIES),
        Slot("projection.weight", (f"{depth}inputs_embeds_projector.weight",)),
        Slot("codebook0_head.weight", ("lm_head.weight",)),
        Slot("audio_head", ("depth_decoder.codebooks_head.weight",), Change.TRANSPOSED),
    ]
    for ours, theirs, sizes in (
        ("backbone", "backbone_model.", config.backbone),
        ("depth", depth, config.depth),
    ):
        result.append(Slot(f"{ours}.norm.scale", (f"{theirs}norm.weight",)))
        for layer in range(sizes.layers):
            result += _transformers_layer(f"{ours}.layers.{layer}.", f"{theirs}layers.{layer}.")
    return result


def _transformers_layer(ours: str, theirs: str) -> list[Slot]:
    return [
        Slot(f"{ours}attn.q.weight", (f"{theirs}self_attn.q_proj.weight",)),
        Slot(f"{ours}attn.k.weight", (f"{theirs}self_attn.k_proj.weight",)),
        Slot(f"{ours}attn.v.weight", (f"{theirs}self_attn.v_proj.weight",)),
        Slot(f"{ours}attn.o.weight", (f"{theirs}self_attn.o_proj.weight",)),
        Slot(f"{ours}mlp.gate.weight", (f"{theirs}mlp.gate_proj.weight",)),
        Slot(f"{ours}mlp.up.weight", (f"{theirs}mlp.up_proj.weight",)),
        Slot(f"{ours}mlp.down.weight", (f"{theirs}mlp.down_proj.weight",)),
        Slot(f"{ours}attn_norm.scale", (f"{theirs}input_layernorm.weight",)),
        Slot(f"{ours}mlp_norm.scale", (f"{theirs}post_attention_layernorm.weight",)),
    ]
