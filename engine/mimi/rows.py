"""Causal convolutions over rows: each is one product of its last inputs with one matrix.

Sound and latents are (steps, channels). A convolution that looks at ``taps`` rows joins them to one
long row and multiplies; one of stride S with twice that kernel is the same over S rows taken as one,
with two taps; its transpose makes S rows out of two. What a stream must remember is then only the
inputs just before the present ones, for every layer alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine.mimi.packed import Packed

Weights = Mapping[str, Tensor]
"""The codec's tensors under Kyutai's names."""


@dataclass(frozen=True, slots=True)
class Conv:
    """One convolution: ``taps`` rows of ``channels``, ``dilation`` apart, through one matrix."""

    matrix: Packed
    channels: int
    taps: int = 1
    dilation: int = 1

    @property
    def context(self) -> tuple[int, int]:
        """Shape (rows, channels) of what it remembers."""
        return (self.taps - 1) * self.dilation, self.channels

    def windows(self, rows: Tensor, context: Tensor) -> Tensor:
        """Join each row of ``rows`` (M, channels) with those before it; ``context`` moves on."""
        steps = rows.shape[0]
        joined = torch.cat((context, rows))
        context.copy_(joined[steps:])
        channels = self.channels
        strides = (channels, self.dilation * channels, 1)
        windows = joined.as_strided((steps, self.taps, channels), strides)
        return windows.reshape(steps, self.taps * channels)

    def __call__(self, rows: Tensor, context: Tensor) -> Tensor:
        """Outputs (M, out) of ``rows`` (M, channels)."""
        return self.matrix(self.windows(rows, context))


@dataclass(frozen=True, slots=True)
class Residual:
    """SEANet's residual block: two convolutions, the second of one tap, beside a plain way."""

    narrow: Conv
    widen: Packed

    def __call__(self, rows: Tensor, context: Tensor) -> Tensor:
        hidden = functional.elu_(self.narrow(functional.elu(rows), context))
        return self.widen.onto(hidden, rows)


def conv(weights: Weights, name: str, *, rows: int, dilation: int = 1, half: bool = False) -> Conv:
    """The convolution of stride 1 with ``{name}.weight`` (out, in, kernel)."""
    weight = weights[f"{name}.weight"]
    matrix = weight.permute(0, 2, 1).flatten(1)
    packed = Packed(matrix, weights.get(f"{name}.bias"), rows=rows, half=half)
    return Conv(packed, weight.shape[1], weight.shape[2], dilation)


def down_conv(weights: Weights, name: str, *, rows: int) -> Conv:
    """The convolution of half its kernel's stride, over rows of that many input rows each."""
    weight = weights[f"{name}.weight"]
    matrix = weight.permute(0, 2, 1).flatten(1)
    packed = Packed(matrix, weights.get(f"{name}.bias"), rows=rows)
    return Conv(packed, matrix.shape[1] // 2, 2)


def up_conv(weights: Weights, name: str, *, rows: int, half: bool = False) -> Conv:
    """The transposed convolution of half its kernel's stride; a row out holds that many rows."""
    weight = weights[f"{name}.weight"]  # (in, out, 2 * stride)
    stride = weight.shape[2] // 2
    now, before = weight.split(stride, dim=2)
    matrix = torch.cat((before, now)).permute(2, 1, 0).flatten(0, 1)
    bias = weights[f"{name}.bias"].repeat(stride)
    return Conv(Packed(matrix, bias, rows=rows, half=half), weight.shape[0], 2)


def residual(weights: Weights, name: str, *, rows: int, dilation: int) -> Residual:
    """The residual block at ``name``."""
    narrow = conv(weights, f"{name}.block.1.conv.conv", rows=rows, dilation=dilation)
    widen = conv(weights, f"{name}.block.3.conv.conv", rows=rows)
    return Residual(narrow, widen.matrix)
