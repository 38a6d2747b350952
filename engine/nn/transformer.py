"""The Llama-style decoder that both halves of CSM are made of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import TransformerConfig
from engine.nn.kv_cache import KVCache
from engine.nn.norm import RMSNorm
from engine.nn.rope import rope_tables, rotate


class Attention(nn.Module):
    """Grouped-query attention with rotary positions and no biases."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.heads, config.kv_heads, config.head_dim
        inner, inner_kv = config.heads * config.head_dim, config.kv_heads * config.head_dim
        self.q = nn.Linear(config.width, inner, bias=False)
        self.k = nn.Linear(config.width, inner_kv, bias=False)
        self.v = nn.Linear(config.width, inner_kv, bias=False)
        self.o = nn.Linear(inner, config.width, bias=False)

    def qk(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """Rotated queries (B, H, T, d) and keys (B, Hkv, T, d) of x (B, T, D)."""
        return (
            rotate(self._split(self.q(x), self.heads), cos, sin),
            rotate(self._split(self.k(x), self.kv_heads), cos, sin),
        )

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        layer: int,
        cache: KVCache | None,
        mask: Tensor | None,
    ) -> Tensor:
        """Attend from x (B, T, D) to the cache and itself; mask (T, S) is True where allowed."""
        queries, keys = self.qk(x, cos, sin)
        values = self._split(self.v(x), self.kv_heads)
        if cache is not None:
            keys, values = cache.write(layer, keys, values)
        causal = cache is None
        out = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=mask,
            is_causal=causal,
            enable_gqa=self.heads != self.kv_heads,
        )
        return self.o(out.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor, heads: int) -> Tensor:
        batch, time, _ = x.shape
        return x.view(batch, time, heads, self.head_dim).transpose(1, 2)


class MLP(nn.Module):
    """SwiGLU: ``down(silu(gate x) * up x)``."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.width, config.ffn, bias=False)
        self.up = nn.Linear(config.width, config.ffn, bias=False)
        self.down = nn.Linear(config.ffn, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Args: x (..., width)."""
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    """Pre-norm: ``x += attn(norm(x)); x += mlp(norm(x))``."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attn_norm = RMSNorm(config.width, config.norm_eps)
        self.attn = Attention(config)
        self.mlp_norm = RMSNorm(config.width, config.norm_eps)
        self.mlp = MLP(config)

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        layer: int,
        cache: KVCache | None,
        mask: Tensor | None,
    ) -> Tensor:
        """Args as ``Attention.forward``."""
        x = x + self.attn(self.attn_norm(x), cos, sin, layer, cache, mask)
        return x + self.mlp(self.mlp_norm(x))


class Transformer(nn.Module):
    """A stack of blocks and a final norm, over embeddings that the caller made."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.norm_eps)
        self._tables: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor, cache: KVCache | None = None) -> Tensor:
        """Hidden states after the final norm.

        Args:
            x: (B, T, width) embeddings of the new positions.
            cache: positions before them; advanced by T. Without it the T positions stand alone.

        Returns:
            (B, T, width), causal.
        """
        start, time = (cache.length if cache is not None else 0), x.shape[1]
        cos, sin = self.tables(x.device)
        if start + time > cos.shape[0]:
            raise IndexError(f"position {start + time} is beyond the model's {cos.shape[0]}")
        cos, sin = cos[start : start + time], sin[start : start + time]
        mask = None
        if cache is not None and time > 1:
            mask = torch.ones(time, start + time, dtype=torch.bool, device=x.device).tril(start)
        for index, block in enumerate(self.layers):
            x = block(x, cos, sin, index, cache, mask)
        if cache is not None:
            cache.length = start + time
        return self.norm(x)

    def tables(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """The rotary tables, built on first use (weights may have been made on ``meta``)."""
        if self._tables is None or self._tables[0].device != device:
            self._tables = rope_tables(self.config, device)
        return self._tables
