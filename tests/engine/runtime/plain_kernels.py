"""PyTorch in the shape of the fused kernels, so that their place in a frame is tested on any machine."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from engine.runtime.kernels import attended


class Plain:
    """With an error that can be asked for."""

    def __init__(self, wrong: str = "") -> None:
        self.wrong = wrong

    def attend(
        self, qkv: Tensor, cos: Tensor, sin: Tensor, kv: Tensor, place: int, heads: int
    ) -> Tensor:
        out, after = attended(qkv, cos, sin, kv, place, heads)
        if self.wrong != "cache":
            kv.copy_(after)
        return out.flip(-1) if self.wrong == "attention" else out

    def silu_mul(self, both: Tensor) -> Tensor:
        gate, up = both.chunk(2, dim=-1)
        return F.silu(up) * gate if self.wrong == "silu" else F.silu(gate) * up

    def int8_product(self, x: Tensor, weight: Tensor, scales: Tensor) -> Tensor:
        product = F.linear(x, weight.to(x.dtype)) * scales
        return product + scales.amax() * 1000 if self.wrong == "int8" else product
