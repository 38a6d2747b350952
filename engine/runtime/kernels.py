"""The small operations between the products: fused where a card has Triton, else PyTorch's.

Triton compiles when it is first used and needs more than its import to work (on Linux, a C compiler),
so it is tried once, against PyTorch's numbers, and left alone when anything is wrong with it.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.config import TransformerConfig

_TOLERANCE = 0.02
"""Largest difference of the trial, whose numbers are about 1: a few roundings of bf16."""


class Kernels(Protocol):
    """What ``engine.runtime.triton_kernels`` offers."""

    def attend(
        self, qkv: Tensor, cos: Tensor, sin: Tensor, kv: Tensor, place: int, heads: int
    ) -> Tensor:
        """Attention of one new position, see there."""
        ...

    def silu_mul(self, both: Tensor) -> Tensor:
        """``silu(gate) * up``."""
        ...

    def int8_product(self, x: Tensor, weight: Tensor, scales: Tensor) -> Tensor:
        """``x @ weight.T * scales``."""
        ...


def fused_kernels(
    config: TransformerConfig, device: torch.device, dtype: torch.dtype
) -> Kernels | None:
    """The fused kernels for a depth decoder, or None where they cannot be used."""
    size = config.head_dim
    if device.type != "cuda" or size & (size - 1):
        return None
    try:
        from engine.runtime import triton_kernels
    except ImportError:
        return None
    kernels: Any = triton_kernels
    try:
        agree = trial(kernels, config, device, dtype)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, PyTorch does the same
        return None
    return kernels if agree else None


def trial(
    kernels: Kernels, config: TransformerConfig, device: torch.device, dtype: torch.dtype
) -> bool:
    """Whether ``kernels`` compute what PyTorch computes, at this model's sizes."""
    noise = torch.Generator(device).manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, device=device, generator=noise).to(dtype)

    heads, kv_heads, size = config.heads, config.kv_heads, config.head_dim
    kv = random(2, kv_heads, config.max_positions, size)
    same = True
    for place in (1, 2, config.max_positions - 1):
        qkv = random(1, (heads + 2 * kv_heads) * size)
        angles = torch.rand(size // 2, device=device, generator=noise)
        cos = torch.cat((angles.cos(), angles.cos()))
        sin = torch.cat((-angles.sin(), angles.sin()))
        mine = kv.clone()
        got = kernels.attend(qkv, cos, sin, mine, place, heads)
        expected, theirs = attended(qkv, cos, sin, kv, place, heads)
        same &= bool(torch.allclose(got, expected, atol=_TOLERANCE, rtol=_TOLERANCE))
        same &= bool(torch.allclose(mine, theirs, atol=_TOLERANCE, rtol=_TOLERANCE))
    codes = torch.arange(35 * config.width, device=device).view(35, -1) % 255 - 127
    scales, x = random(35).abs() / 127, random(2, config.width)
    product = x.float() @ codes.float().t() * scales.float()
    got = kernels.int8_product(x, codes.to(torch.int8), scales).float()
    same &= bool(((got - product).abs() <= _TOLERANCE * product.abs().amax()).all())
    both = random(2, 2 * config.ffn)
    gate, up = both.chunk(2, dim=-1)
    fused = kernels.silu_mul(both)
    return same and bool(torch.allclose(fused, F.silu(gate) * up, atol=_TOLERANCE, rtol=_TOLERANCE))


def attended(
    qkv: Tensor, cos: Tensor, sin: Tensor, kv: Tensor, place: int, heads: int
) -> tuple[Tensor, Tensor]:
    """What ``attend`` should give, and the cache afterwards, in PyTorch."""
    kv_heads, size = kv.shape[1], kv.shape[3]
    rows = qkv.view(-1, size)
    turned = (rows * cos + rows.roll(size // 2, -1) * sin).to(qkv.dtype)
    after = kv.clone()
    after[0, :, place] = turned[heads : heads + kv_heads]
    after[1, :, place] = rows[heads + kv_heads :]
    queries = turned[:heads].view(1, kv_heads, -1, size)
    known = after[:, :, : place + 1]
    out = F.scaled_dot_product_attention(queries, known[:1], known[1:])
    return out.reshape(1, -1), after
