"""PyTorch in the place of the fused kernels, with an error that can be asked for."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.config import CsmConfig
from engine.runtime.kernels import Drawing, Norm
from engine.runtime.matrix import Matrix
from engine.runtime.plain import PlainKernels, Spot

CPU = torch.device("cpu")


class Wrong(PlainKernels):
    """Right in everything but one thing."""

    def __init__(self, config: CsmConfig, wrong: str, dtype: torch.dtype = torch.float32) -> None:
        super().__init__(config, CPU, dtype)
        self.wrong = wrong

    def embed(self, codes: Tensor, table: Tensor, hidden: Tensor, before: Tensor) -> Tensor:
        out = super().embed(codes, table, hidden, before)
        if self.wrong == "before":
            before.zero_()
        return out * 2 if self.wrong == "embed" else out

    def product(self, x: Tensor, matrix: Matrix, norm: Norm | None = None) -> Tensor:
        if self.wrong == "norm" and norm is not None:
            norm = Norm(norm.scale, 1.0)
        return super().product(x, matrix, norm)

    def product_add(self, base: Tensor, x: Tensor, matrix: Matrix) -> None:
        if self.wrong == "residual":
            base.zero_()
        super().product_add(base, x, matrix)

    def gated(self, x: Tensor, matrix: Matrix, norm: Norm) -> Tensor:
        out = super().gated(x, matrix, norm)
        return out.roll(1, -1) if self.wrong == "gate" else out

    def far(self, qkv: Tensor, cache: Tensor, spot: Spot) -> Tensor:
        if self.wrong == "position":
            spot = self.spot(spot.position.clamp_min(1) - 1, spot.bucket)
        return super().far(qkv, cache, spot)

    def near(self, qkv: Tensor, cache: Tensor, place: int) -> Tensor:
        before = cache.clone()
        out = super().near(qkv, cache, place)
        if self.wrong == "cache":
            cache.copy_(before)
        return out

    def start(self, qkv: Tensor, cache: Tensor, *, last: bool) -> Tensor:
        return super().start(qkv.flip(0) if self.wrong == "start" else qkv, cache, last=last)

    def pick(self, logits: Tensor, drawing: Drawing, book: int, table: Tensor) -> Tensor | None:
        row = super().pick(logits, drawing, book, table)
        if self.wrong == "code":
            drawing.codes[:, book] += 1
        return None if row is None else -row if self.wrong == "row" else row

    def finish(self, x: Tensor, norm: Norm, hidden: Tensor, position: Tensor) -> None:
        super().finish(x, norm, hidden, position)
        if self.wrong == "move":
            position.add_(1)


WAYS_TO_BE_WRONG = (
    *("embed", "before", "norm", "residual", "gate", "position", "cache", "start", "code", "row"),
    "move",
)
