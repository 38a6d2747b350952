"""Weight matrices in the order in which the processor reads them, laid out once.

One frame of the codec is a few hundred million bytes of weights against very few rows, so the speed
is that of reading the weights. On x86 oneDNN's blocked layout is read at about twice the speed of a
plain one, and FBGEMM's half-precision layout (fp16 weights, fp32 everything else) at twice that:
taken wherever it loses nothing, because the weights were stored in 16 bits, and elsewhere on demand.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import torch
from torch import Tensor
from torch.nn import functional

Precision = Literal["auto", "fp32", "fp16"]
"""Number format of the decoder's large weights; ``auto`` is the fastest that nobody can hear."""

_HALF_LIMIT: Final = 6e4
"""Weights beyond this do not fit fp16 and stay in fp32."""

_HALF_ROWS: Final = 32
"""With more rows the time goes into computing, not into reading weights, and fp16 gains nothing."""

_BLOCKED_FROM: Final = 150_000
"""Multiply-adds of a call below which oneDNN's own ten microseconds are not worth its speed."""


class Packed:
    """``x @ weight.T + bias`` for rows ``x`` (M, in), with a weight (out, in) that does not change.

    Args:
        weight: (out, in), on the device where the rows will be.
        bias: (out,), or none.
        rows: how many rows there are at least, for one frame (a hint; any number is right).
        half: keep the weight in fp16 where that is faster, even if it must be rounded for it.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None = None, *, rows: int = 2, half: bool = False
    ) -> None:
        self._weight: Any = weight.detach().to(torch.float32).contiguous()
        self._bias = None if bias is None else bias.detach().to(torch.float32).contiguous()
        self._kind: Literal["plain", "blocked", "half"] = "plain"
        if weight.device.type != "cpu" or rows * weight.numel() < _BLOCKED_FROM:
            return
        if rows <= _HALF_ROWS and reads_half() and _fits_half(self._weight, half):
            self._kind = "half"
            self._weight = torch.ops.quantized.linear_prepack_fp16(self._weight, self._bias)
        elif torch.backends.mkldnn.is_available():
            self._kind = "blocked"
            self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight, rows)

    def __call__(self, rows: Tensor) -> Tensor:
        """The products (M, out) of ``rows`` (M, in)."""
        if self._kind == "half":
            return torch.ops.quantized.linear_dynamic_fp16.default(rows, self._weight)
        if self._kind == "blocked":  # naming the overload saves a third of the call's overhead
            return torch.ops.mkldnn._linear_pointwise.default(
                rows, self._weight, self._bias, "none", [], ""
            )
        return functional.linear(rows, self._weight, self._bias)

    def onto(self, rows: Tensor, base: Tensor, scale: Tensor | None = None) -> Tensor:
        """``base`` (M, out) plus the products (times ``scale`` (out,)), as a new tensor."""
        if scale is not None:
            return torch.addcmul(base, self(rows), scale)
        if self._kind == "blocked":
            return torch.ops.mkldnn._linear_pointwise.binary(
                rows, base, self._weight, self._bias, "add"
            )
        return base + self(rows)


def reads_half() -> bool:
    """Whether this machine has FBGEMM's products of fp32 rows with fp16 weights."""
    return "fbgemm" in torch.backends.quantized.supported_engines


def _fits_half(weight: Tensor, rounded: bool) -> bool:
    """Whether fp16 can hold ``weight``: ``rounded``, or with no loss beyond fp32's own rounding."""
    largest = float(weight.abs().max())
    if rounded or largest >= _HALF_LIMIT:
        return largest < _HALF_LIMIT
    lost = (weight.to(torch.float16).to(torch.float32) - weight).abs().max()
    return float(lost) <= largest * 2.0**-22  # bf16's smallest values are below fp16's finest step
