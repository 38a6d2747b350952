"""llm-nano's network: a Llama block stack small enough to train on one core.

Knows nothing of text. Rotary embedding is interleaved (pairs 2i, 2i+1), which is what llama.cpp
applies to the ``llama`` architecture, so the weights are exported without any permutation.

Shapes: B batch, T tokens, D width, H heads, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """Sizes of the network; ``head_dim`` is ``width // heads``."""

    vocabulary: int = 3072
    width: int = 256
    layers: int = 5
    heads: int = 4
    hidden: int = 704
    context: int = 1024
    rope_base: float = 10000.0
    norm_eps: float = 1e-5

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


def rope_tables(shape: LlamaShape, length: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine tables, each (length, head_dim // 2)."""
    step = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    angle = torch.arange(length, dtype=torch.float32)[:, None] * shape.rope_base ** -step[None, :]
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (2i, 2i+1) of ``x`` (B, H, T, head_dim)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2).to(x.dtype)


class Block(nn.Module):
    """Pre-norm attention and SwiGLU, both residual."""

    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attn_norm = nn.RMSNorm(shape.width, eps=shape.norm_eps)
        self.attn_q = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_k = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_v = nn.Linear(shape.width, shape.width, bias=False)
        self.attn_output = nn.Linear(shape.width, shape.width, bias=False)
        self.ffn_norm = nn.RMSNorm(shape.width, eps=shape.norm_eps)
        self.ffn_gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.ffn_up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.ffn_down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """``x`` (B, T, D), causal."""
        batch, length, width = x.shape
        normed = self.attn_norm(x)

        def split(projected: Tensor) -> Tensor:
            return projected.view(batch, length, self.heads, -1).transpose(1, 2)

        q = rotate(split(self.attn_q(normed)), cos, sin)
        k = rotate(split(self.attn_k(normed)), cos, sin)
        v = split(self.attn_v(normed))
        # Written out: on a CPU in bf16 the fused kernel's backward takes a quarter more time.
        score = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        future = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        score = score.float().masked_fill(future, float("-inf"))
        mixed = torch.softmax(score, dim=-1).to(v.dtype) @ v
        x = x + self.attn_output(mixed.transpose(1, 2).reshape(batch, length, width))
        normed = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(normed)) * self.ffn_up(normed))


class Llama(nn.Module):
    """Token ids to logits; input and output embedding are tied."""

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: LlamaShape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.blk = nn.ModuleList([Block(shape) for _ in range(shape.layers)])
        self.output_norm = nn.RMSNorm(shape.width, eps=shape.norm_eps)
        cos, sin = rope_tables(shape, shape.context)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        """Small normal weights; residual outputs start at zero so that depth is harmless."""
        nn.init.normal_(self.token_embd.weight, std=0.02)
        for name, parameter in self.named_parameters():
            if name.endswith(("attn_output.weight", "ffn_down.weight")):
                nn.init.zeros_(parameter)
            elif parameter.dim() == 2 and "token_embd" not in name:
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)

    def features(self, ids: Tensor) -> Tensor:
        """Final normed states (B, T, D) of ids (B, T), positions from 0."""
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        x = self.token_embd(ids)
        for block in self.blk:
            x = block(x, cos, sin)
        return self.output_norm(x)

    def logits(self, features: Tensor) -> Tensor:
        """(…, D) to (…, V)."""
        return F.linear(features, self.token_embd.weight)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (B, T, V)."""
        return self.logits(self.features(ids))
