"""Keys and values of the positions seen so far. Rolling back is setting ``length``."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.config import TransformerConfig


class KVCache:
    """Preallocated keys and values for every layer of one transformer.

    Entries at or beyond ``length`` are never read, so ``rollback`` costs nothing and is exact:
    whatever is written next simply overwrites them.
    """

    def __init__(
        self,
        config: TransformerConfig,
        batch: int,
        device: torch.device,
        dtype: torch.dtype,
        positions: int | None = None,
    ) -> None:
        size = positions or config.max_positions
        shape = (config.layers, batch, config.kv_heads, size, config.head_dim)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)  # (L, B, Hkv, S, d)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.length = 0

    @property
    def capacity(self) -> int:
        """Positions that fit."""
        return self.keys.shape[3]

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store (B, Hkv, T, d) after ``length`` and return views of everything up to there.

        The caller advances ``length`` once, after the last layer (see ``Transformer``).
        """
        end = self.length + keys.shape[2]
        if end > self.capacity:
            raise IndexError(f"{end} positions do not fit a cache of {self.capacity}")
        self.keys[layer, :, :, self.length : end] = keys
        self.values[layer, :, :, self.length : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def rollback(self, length: int) -> None:
        """Forget every position from ``length`` on.

        Raises:
            ValueError: when ``length`` lies beyond what is stored.
        """
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot roll back to {length}: {self.length} positions are stored")
        self.length = length
