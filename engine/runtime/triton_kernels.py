"""``engine.runtime.kernels.Kernels`` in Triton: a frame of csm-1b in some 780 launches.

Import only where that is allowed to fail. The kernels themselves are in ``triton_products``,
``triton_attention`` and ``triton_sampling``; here they are put together for one model on one card.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.config import CsmConfig
from engine.runtime import triton_attention, triton_products, triton_sampling
from engine.runtime.kernels import MOST_CANDIDATES, Drawing, Norm
from engine.runtime.matrix import Matrix
from engine.runtime.plain import signed_tables
from engine.runtime.precision import Format
from engine.runtime.quantise import Stored
from engine.runtime.triton_launch import Card, may_overlap
from engine.runtime.triton_products import MOST_ROWS, Rows

OVERLAPS = False
"""Whether kernels are started into the end of those before. Off until a card has shown that the codes
are the same (``test_graphs``) and the frame is shorter."""

_INTERPRETED = 0
"""Multiprocessors of Triton's interpreter, where the fewest programs are the fastest."""


class TritonMatrix:
    """A matrix as the fused kernels read it; for the many rows of a prefill, unpacked for the time.

    Of any number of rows: a kernel for each would be compiled in the middle of a conversation.
    """

    def __init__(self, rows: Rows, dtype: torch.dtype) -> None:
        self.rows, self._dtype = rows, dtype

    def __call__(self, x: Tensor) -> Tensor:
        """See ``Matrix``."""
        return F.linear(x, self._dense())

    def add_to(self, base: Tensor, x: Tensor) -> Tensor:
        """See ``Matrix``."""
        return base.addmm_(x, self._dense().t())

    def _dense(self) -> Tensor:
        plain = self.rows.scales is None
        return self.rows.weight if plain else triton_products.unpack(self.rows, self._dtype)


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """Where ``TritonKernels.far`` stands."""

    position: Tensor
    bucket: int


class TritonKernels:
    """See ``Kernels``; with the constants of one model on one card."""

    def __init__(self, config: CsmConfig, device: torch.device, card: Card | None = None) -> None:
        """Args: card in place of what ``device`` is."""
        self._config = config
        self._far = signed_tables(config.backbone, device)
        self._near = signed_tables(config.depth, device)
        self._card = card or card_of(device)
        self._scratch = torch.zeros(MOST_ROWS, MOST_CANDIDATES, dtype=torch.int64, device=device)

    def bind(self, stored: Stored, dtype: torch.dtype, *, again: bool = False) -> Matrix:
        """See ``Kernels.bind``; int4 is laid out anew, the others are read where they are."""
        weight = stored.weight
        if stored.format is Format.INT4:
            weight = triton_products.pack_four(stored.codes(), stored.group)
        elif stored.format is not Format.INT8:
            weight = weight.to(dtype)
        rows = Rows(weight.contiguous(), stored.scales, stored.offsets, stored.shape, again)
        return TritonMatrix(rows, dtype)

    def embed(self, codes: Tensor, table: Tensor, hidden: Tensor, before: Tensor) -> Tensor:
        """See ``Kernels.embed``."""
        return triton_sampling.embed(
            self._card, codes, table, self._config.audio_vocab, hidden, before
        )

    def product(self, x: Tensor, matrix: Matrix, norm: Norm | None = None) -> Tensor:
        """See ``Kernels.product``."""
        given = None if norm is None else (norm.scale, norm.eps)
        return triton_products.multiply(x, _rows(matrix), self._card, norm=given)

    def product_add(self, base: Tensor, x: Tensor, matrix: Matrix) -> None:
        """See ``Kernels.product_add``."""
        triton_products.multiply(x, _rows(matrix), self._card, onto=base)

    def gated(self, x: Tensor, matrix: Matrix, norm: Norm) -> Tensor:
        """See ``Kernels.gated``."""
        given = norm.scale, norm.eps
        return triton_products.multiply(x, _rows(matrix), self._card, norm=given, gated=True)

    def spot(self, position: Tensor, bucket: int) -> Spot:
        """See ``Kernels.spot``."""
        return Spot(position, bucket)

    def far(self, qkv: Tensor, cache: Tensor, spot: Spot) -> Tensor:
        """See ``Kernels.far``."""
        heads = self._config.backbone.heads
        return triton_attention.far(
            self._card, qkv, self._far, cache, heads, spot.position, spot.bucket
        )

    def near(self, qkv: Tensor, cache: Tensor, place: int) -> Tensor:
        """See ``Kernels.near``."""
        heads = self._config.depth.heads
        return triton_attention.near(self._card, qkv, self._near, cache, heads, place)

    def start(self, qkv: Tensor, cache: Tensor, *, last: bool) -> Tensor:
        """See ``Kernels.start``."""
        heads = self._config.depth.heads
        return triton_attention.start(self._card, qkv, self._near, cache, heads, last=last)

    def pick(self, logits: Tensor, drawing: Drawing, book: int, table: Tensor) -> Tensor | None:
        """See ``Kernels.pick``."""
        return triton_sampling.pick(self._card, logits, drawing, self._scratch, book, table)

    def finish(self, x: Tensor, norm: Norm, hidden: Tensor, position: Tensor) -> None:
        """See ``Kernels.finish``."""
        triton_sampling.finish(self._card, x, norm.scale, norm.eps, hidden, position)


def card_of(device: torch.device, *, overlaps: bool = OVERLAPS) -> Card:
    """What the kernels want to know of ``device``; overlapping only where it can."""
    if device.type != "cuda":
        return Card(_INTERPRETED)
    found = torch.cuda.get_device_properties(device)
    can = may_overlap((found.major, found.minor))
    return Card(int(found.multi_processor_count), overlaps and can)


def _rows(matrix: Matrix) -> Rows:
    assert isinstance(matrix, TritonMatrix), type(matrix)
    return matrix.rows
