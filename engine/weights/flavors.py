"""Transformers that the original checkpoints know by name instead of by size."""

from __future__ import annotations

from dataclasses import replace

from engine.config import CSM_1B, MISO_8B, TransformerConfig

FLAVORS: dict[str, TransformerConfig] = {
    "llama-1B": CSM_1B.backbone,
    "llama-100M": CSM_1B.depth,
    # The larger relative: sizes as published; its names for them are not verified here, which
    # matters little because shapes alone identify a flavor as well (``load._inferred``).
    "llama-8B": MISO_8B.backbone,
    "llama-300M": MISO_8B.depth,
}

SPACED_FLAVOR = "llama-8B"
"""Backbone whose text template has a space after the bracket."""


def flavor_name(sizes: TransformerConfig) -> str | None:
    """The original's name for these sizes, whatever the number of positions; None without one."""
    for name, known in FLAVORS.items():
        if replace(known, max_positions=sizes.max_positions) == sizes:
            return name
    return None


def flavor_of_shapes(
    layers: int, query: tuple[int, ...], key: tuple[int, ...], gate: tuple[int, ...]
) -> str | None:
    """The flavor whose matrices have these shapes: heads cannot be read from a shape."""
    for name, known in FLAVORS.items():
        shapes = (
            (known.heads * known.head_dim, known.width),
            (known.kv_heads * known.head_dim, known.width),
            (known.ffn, known.width),
        )
        if layers == known.layers and (query, key, gate) == shapes:
            return name
    return None
