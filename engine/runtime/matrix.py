"""A stored matrix, bound to the fastest product for it on its device that rounds no activation.

No new dependency, by measurement on a CPU (csm-1b's matrices, one row, AVX-512 without AMX): torchao's
int8 is 4 to 12 times slower eager, since it unpacks the weights at every call, and compiled it ends in
the kernel of PyTorch that is called here, as its int4 does; its kernel for int4 with 8-bit activations
is not in its wheels and wants AMX. oneDNN with 8-bit activations is up to twice as fast as the int8
here, and no faster than the compiled engine (``engine.native``), which takes this place on a CPU.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.runtime.precision import Format
from engine.runtime.quantise import Stored

_FEW_ROWS = 16
"""Up to here the quantised kernels win; a prefill unpacks the weights once instead."""

_INNER_TILES = (8, 4, 2)
"""Tilings of the int4 kernel on a card; the largest that divides the row is the fastest."""


class Matrix(Protocol):
    """``x @ weight.T`` for x (T, M)."""

    def __call__(self, x: Tensor) -> Tensor:
        """(T, M) → (T, N)."""
        ...

    def add_to(self, base: Tensor, x: Tensor) -> Tensor:
        """``base`` (T, N), to which the product was added in place."""
        ...


def bind(stored: Stored, dtype: torch.dtype) -> Matrix:
    """The product of PyTorch for ``stored``, for activations of ``dtype``.

    Where there is no kernel for the format, the weights are unpacked here, once: the numbers are the
    same, and no slower than weights that were never quantised.
    """
    device = stored.weight.device
    if stored.format is Format.INT8 and _has("_weight_int8pack_mm", device):
        product = _Int8(stored, dtype)
        if _works(product, stored, dtype):
            return product
    if stored.format is Format.INT4:
        if device.type == "cpu":
            return _Int4(stored, dtype, _pack_for_cpu(stored), "_weight_int4pack_mm_for_cpu")
        tiles = next((n for n in _INNER_TILES if stored.shape[1] % (16 * n) == 0), 0)
        if tiles and dtype == torch.bfloat16 and _has("_weight_int4pack_mm", device):
            packed = torch.ops.aten._convert_weight_to_int4pack(stored.weight, tiles)
            product = _Int4(stored, dtype, packed, "_weight_int4pack_mm")
            if _works(product, stored, dtype):
                return product
    weight = stored.dense(dtype)
    if device.type == "cpu" and dtype == torch.bfloat16 and torch.backends.mkldnn.is_available():
        return _OneDnn(weight)
    return _Dense(weight)


class _Dense:
    """Plain floating point."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight
        self._adds = weight.is_cuda  # one kernel less there; elsewhere two are as fast

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self._weight)

    def add_to(self, base: Tensor, x: Tensor) -> Tensor:
        return base.addmm_(x, self._weight.t()) if self._adds else base.add_(self(x))


class _OneDnn:
    """bf16 on a CPU, laid out for oneDNN's product of one row, which reads twice as fast."""

    def __init__(self, weight: Tensor) -> None:
        ops: Any = torch.ops.mkldnn
        self._weight = ops._reorder_linear_weight(weight, 1)
        self._product = ops._linear_pointwise

    def __call__(self, x: Tensor) -> Tensor:
        return self._product(x, self._weight, None, "none", [], "")

    def add_to(self, base: Tensor, x: Tensor) -> Tensor:
        return base.add_(self(x))


class _Int8:
    """One scale per row."""

    def __init__(self, stored: Stored, dtype: torch.dtype) -> None:
        assert stored.scales is not None
        self._weight, self._scales = stored.weight, stored.scales.to(dtype)
        self._product: Any = torch.ops.aten._weight_int8pack_mm

    def __call__(self, x: Tensor) -> Tensor:
        if x.shape[0] <= _FEW_ROWS:
            return self._product(x, self._weight, self._scales)
        return F.linear(x, self._weight.to(x.dtype)) * self._scales

    def add_to(self, base: Tensor, x: Tensor) -> Tensor:
        return base.add_(self(x))


class _Int4:
    """One scale and one offset per group, in the layout of PyTorch's kernel."""

    def __init__(self, stored: Stored, dtype: torch.dtype, packed: Tensor, kernel: str) -> None:
        assert stored.scales is not None and stored.offsets is not None
        both = torch.stack((stored.scales, stored.offsets), dim=-1)  # (N, groups, 2)
        self._packed, self._group = packed, stored.group
        self._both = both.transpose(0, 1).contiguous().to(dtype)
        self._kernel: Any = getattr(torch.ops.aten, kernel)

    def __call__(self, x: Tensor) -> Tensor:
        return self._kernel(x, self._packed, self._group, self._both)

    def add_to(self, base: Tensor, x: Tensor) -> Tensor:
        return base.add_(self(x))


def _pack_for_cpu(stored: Stored) -> Tensor:
    return torch.ops.aten._convert_weight_to_int4pack_for_cpu(stored.codes().int(), 1)


def _works(product: Matrix, stored: Stored, dtype: torch.dtype) -> bool:
    """Whether this card has the kernel that is registered: some need newer ones."""
    try:
        product(torch.zeros(1, stored.shape[1], dtype=dtype, device=stored.weight.device))
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        return False
    return True


def _has(op: str, device: torch.device) -> bool:
    key = "CUDA" if device.type == "cuda" else "CPU"
    core: Any = torch
    return bool(core._C._dispatch_has_kernel_for_dispatch_key(f"aten::{op}", key))
