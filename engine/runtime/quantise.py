"""Weights in eight or four bits: how they are rounded. Knows no kernel.

int8: symmetric, one scale per row. int4: sixteen even steps from the least to the greatest weight
of a group. Scales are rounded to bf16 before the weights are rounded to them, since the kernels
take them so; the rounding of a scale then costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.runtime.precision import Format, group_of

_INT8_MOST = 127
_INT4_MOST = 15
_INT4_MIDDLE = 8
_ROWS_AT_ONCE = 4096
"""Rows that are rounded together: bounds the fp32 copies."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """One matrix (N outputs, M inputs) as it is kept.

    Attributes:
        format: which of the others are there.
        weight: (N, M) as it is; or int8 (N, M); or uint8 (N, M / 2), the even column in the high bits.
        scales: (N,) for int8, (N, groups) for int4.
        offsets: (N, groups) for int4: the value of code 8.
    """

    format: Format
    weight: Tensor
    scales: Tensor | None = None
    offsets: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        rows, columns = self.weight.shape
        return rows, columns * (2 if self.format is Format.INT4 else 1)

    @property
    def group(self) -> int:
        """Weights that share a scale."""
        groups = self.scales.shape[1] if self.scales is not None and self.scales.dim() > 1 else 1
        return self.shape[1] // groups

    def dense(self, dtype: torch.dtype) -> Tensor:
        """(N, M): the numbers that the stored ones stand for."""
        if self.scales is None:
            return self.weight.to(dtype)
        if self.offsets is None:
            return (self.weight.float() * self.scales.float()[:, None]).to(dtype)
        groups = self.codes().float().unflatten(1, (-1, self.group)) - _INT4_MIDDLE
        scaled = groups * self.scales.float()[..., None] + self.offsets.float()[..., None]
        return scaled.flatten(1).to(dtype)

    def codes(self) -> Tensor:
        """(N, M) int4 codes, 0 to 15, one per byte."""
        return torch.stack((self.weight >> 4, self.weight & 15), dim=-1).flatten(1)

    def to(self, device: torch.device) -> Stored:
        """The same on another device."""
        scales = None if self.scales is None else self.scales.to(device)
        offsets = None if self.offsets is None else self.offsets.to(device)
        return Stored(self.format, self.weight.to(device), scales, offsets)

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Everything under names that begin with ``name``."""
        parts = {"weight": self.weight, "scales": self.scales, "offsets": self.offsets}
        return {f"{name}.{part}": tensor for part, tensor in parts.items() if tensor is not None}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], name: str) -> Stored:
        """The inverse of ``tensors``."""
        weight = tensors[f"{name}.weight"]
        scales, offsets = tensors.get(f"{name}.scales"), tensors.get(f"{name}.offsets")
        stored = Format.FP32 if weight.dtype == torch.float32 else Format.BF16
        if scales is not None:
            stored = Format.INT8 if offsets is None else Format.INT4
        return cls(stored, weight, scales, offsets)


def store(weight: Tensor, wanted: Format) -> Stored:
    """``weight`` (N, M) rounded; int8 where its shape does not suit int4."""
    if wanted not in (Format.INT8, Format.INT4):
        return Stored(wanted, weight)
    group = group_of(weight.shape[1])
    four = wanted is Format.INT4 and group > 0 and weight.shape[0] % 16 == 0
    pieces = [
        _groups_of_four(rows, group) if four else _rows_of_eight(rows)
        for rows in weight.detach().split(_ROWS_AT_ONCE)
    ]
    joined = [torch.cat(parts) for parts in zip(*pieces, strict=True)]
    return Stored(Format.INT4 if four else Format.INT8, *joined)


def _rows_of_eight(rows: Tensor) -> tuple[Tensor, ...]:
    exact = rows.float()
    scales = _usable(exact.abs().amax(dim=1) / _INT8_MOST)
    codes = (exact / scales[:, None]).round_().clamp_(-_INT8_MOST, _INT8_MOST)
    return codes.to(torch.int8), scales.to(rows.dtype)


def _groups_of_four(rows: Tensor, group: int) -> tuple[Tensor, ...]:
    exact = rows.float().unflatten(1, (-1, group))  # (N, groups, group)
    least, most = exact.amin(dim=-1), exact.amax(dim=-1)
    # Steps finer than the offset's own rounding would be of no use.
    finest = torch.maximum(least.abs(), most.abs()) * 2**-8
    scales = _usable(torch.maximum((most - least) / _INT4_MOST, finest))
    offsets = (least + scales * _INT4_MIDDLE).bfloat16().float()
    codes = ((exact - offsets[..., None]) / scales[..., None]).round_().add_(_INT4_MIDDLE)
    nibbles = codes.clamp_(0, _INT4_MOST).to(torch.uint8).flatten(1)
    packed = (nibbles[:, ::2] << 4) | nibbles[:, 1::2]
    return packed.contiguous(), scales.to(rows.dtype), offsets.to(rows.dtype)


def _usable(scales: Tensor) -> Tensor:
    """Rounded to bf16 (kept in fp32), upwards where that would clip; rows of zeros get one."""
    rounded = scales.bfloat16().float()
    rounded = torch.where(rounded < scales, scales * (1 + 2**-8), rounded).bfloat16().float()
    return torch.where(rounded > 0, rounded, torch.ones_like(rounded))
