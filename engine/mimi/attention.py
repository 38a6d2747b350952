"""The transformer beside SEANet, step after step with a ring of keys and values.

Pre-norm layers with rotary positions (Su et al. 2021, arXiv 2104.09864), a window of ``context``
steps, GELU, and learnt scales on both branches (Touvron et al. 2021, arXiv 2103.17239). The
attention's 1/√d is multiplied into the queries' matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine.config import MimiConfig
from engine.mimi.memory import StreamMemory
from engine.mimi.packed import Packed
from engine.mimi.rows import Weights

_NORM_EPSILON = 1e-5


@dataclass(frozen=True, slots=True)
class _Layer:
    norm1: tuple[Tensor, Tensor]
    norm2: tuple[Tensor, Tensor]
    scale1: Tensor
    scale2: Tensor
    into: Packed
    out: Packed
    up: Packed
    down: Packed


@dataclass(frozen=True, slots=True)
class _Steps:
    """What all layers of one call share."""

    slots: Tensor
    """(M,), the places of the ring that are written."""
    turns: Tensor
    """(M, 1, head/2), the rotation of each step, complex."""
    mask: Tensor
    """(M · heads per key head, capacity), 0 where a step may look and -inf elsewhere."""


class RingTransformer:
    """A Mimi transformer over rows (steps, width); what it has seen is in a ``StreamMemory``."""

    def __init__(self, weights: Weights, name: str, config: MimiConfig, *, half: bool) -> None:
        self._config = config
        self._head = config.width // config.heads
        self._key_width = self._head * config.kv_heads
        stem = f"{name}.transformer.layers"
        self._layers = [
            self._layer(weights, f"{stem}.{index}", half) for index in range(config.layers)
        ]
        device = weights[f"{stem}.0.norm1.weight"].device
        pairs = torch.arange(self._head // 2, device=device, dtype=torch.float32)
        self._frequencies = torch.exp(pairs * (-math.log(config.rope_base) * 2 / self._head))

    @property
    def entry(self) -> tuple[int, int]:
        """What a layer keeps of a step: heads (all of the keys, then all of the values) and size."""
        return 2 * self._config.kv_heads, self._head

    def __call__(self, rows: Tensor, memory: StreamMemory) -> Tensor:
        """The next rows (M, width) of the stream."""
        steps = self._steps(rows.shape[0], memory)
        for layer, ring in zip(self._layers, memory.ring, strict=True):
            shape = (rows.shape[1],)
            normed = functional.layer_norm(rows, shape, *layer.norm1, _NORM_EPSILON)
            mixed = self._attend(layer.into(normed), ring, steps)
            rows = layer.out.onto(mixed, rows, layer.scale1)
            normed = functional.layer_norm(rows, shape, *layer.norm2, _NORM_EPSILON)
            rows = layer.down.onto(functional.gelu(layer.up(normed)), rows, layer.scale2)
        return rows

    def _steps(self, count: int, memory: StreamMemory) -> _Steps:
        positions = memory.now + torch.arange(count, device=memory.now.device)
        slots = positions % memory.held.shape[0]
        memory.held.index_copy_(0, slots, positions)
        memory.now.add_(count)
        age = positions[:, None] - memory.held
        seen = (age >= 0) & (age < self._config.context)
        mask = torch.zeros_like(age, dtype=torch.float32).masked_fill_(~seen, -math.inf)
        angles = positions[:, None].to(torch.float32) * self._frequencies
        turns = torch.polar(torch.ones_like(angles), angles)[:, None]
        sharing = self._config.heads // self._config.kv_heads
        return _Steps(slots, turns, mask.repeat_interleave(sharing, 0) if sharing > 1 else mask)

    def _attend(self, projected: Tensor, ring: Tensor, steps: _Steps) -> Tensor:
        """Attention output (M, width) of ``projected`` (M, queries + keys + values)."""
        config, head, keys_end = self._config, self._head, self._key_width
        count, width = projected.shape[0], config.width
        turned = projected[:, : width + keys_end].view(count, -1, head // 2, 2)
        torch.view_as_complex(turned).mul_(steps.turns)
        news = projected[:, width:].view(count, -1, head).transpose(0, 1)
        ring.index_copy_(1, steps.slots, news)
        keys, values = ring.chunk(2)
        heads, sharing = config.kv_heads, config.heads // config.kv_heads
        queries = projected[:, :width].view(count, heads, sharing, head).transpose(0, 1)
        mixed = functional.scaled_dot_product_attention(
            queries.reshape(1, heads, count * sharing, head),
            keys[None],
            values[None],
            attn_mask=steps.mask,
            scale=1.0,
        )
        return mixed.view(heads, count, sharing, head).transpose(0, 1).reshape(count, width)

    def _layer(self, weights: Weights, stem: str, half: bool) -> _Layer:
        def norm(index: int) -> tuple[Tensor, Tensor]:
            name = f"{stem}.norm{index}"
            return weights[f"{name}.weight"].clone(), weights[f"{name}.bias"].clone()

        into = weights[f"{stem}.self_attn.in_projs.0.weight"].clone()
        into[: self._config.width] *= self._head**-0.5
        return _Layer(
            norm1=norm(1),
            norm2=norm(2),
            scale1=weights[f"{stem}.layer_scale_1.scale"].clone(),
            scale2=weights[f"{stem}.layer_scale_2.scale"].clone(),
            into=Packed(into, half=half),
            out=Packed(weights[f"{stem}.self_attn.out_projs.0.weight"], half=half),
            up=Packed(weights[f"{stem}.linear1.weight"], half=half),
            down=Packed(weights[f"{stem}.linear2.weight"], half=half),
        )
