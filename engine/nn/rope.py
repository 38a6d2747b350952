"""Rotary position embedding in the half-split convention, with llama3 scaling.

Inside the engine the pair that is rotated together is (i, i + d/2). Checkpoints whose pairs are
adjacent (2i, 2i + 1) are permuted when they are loaded (``engine.weights``).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.config import RopeScaling, TransformerConfig


def frequencies(head_dim: int, base: float, scaling: RopeScaling | None) -> Tensor:
    """Angular frequencies in radians per position, (head_dim / 2,) fp32."""
    exponent = torch.arange(0, head_dim, 2, dtype=torch.int64).float() / head_dim
    inverse = 1.0 / base**exponent
    if scaling is None:
        return inverse
    wavelength = 2 * math.pi / inverse
    ratio = scaling.original_positions / wavelength
    span = scaling.high_frequency - scaling.low_frequency
    keep = ((ratio - scaling.low_frequency) / span).clamp(0.0, 1.0)
    return (1 - keep) * inverse / scaling.factor + keep * inverse


def rope_tables(config: TransformerConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine for every position: two (max_positions, head_dim) fp32 tensors."""
    inverse = frequencies(config.head_dim, config.rope_base, config.rope_scaling)
    angles = torch.outer(torch.arange(config.max_positions).float(), inverse)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().to(device), angles.sin().to(device)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate ``x`` (B, H, T, d) by tables (T, d); computed in fp32, returned in x's type."""
    x32 = x.float()
    first, second = x32.chunk(2, dim=-1)
    turned = torch.cat((-second, first), dim=-1)
    return (x32 * cos + turned * sin).type_as(x)
