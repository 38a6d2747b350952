"""The operations that a frame consists of: one protocol, in PyTorch and in Triton.

``engine.runtime.plain`` has them in plain PyTorch, for every device; ``engine.runtime.triton_kernels``
fuses each into one kernel, for cards with Triton. Triton compiles when it is first used and needs more
than its import to work (on Linux, a C compiler), so it is tried once, against PyTorch's numbers, and
left alone when anything is wrong with it.

T is the rows of a batch: candidates for the same frame, each with a cache of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from engine.config import CsmConfig

if TYPE_CHECKING:
    from engine.runtime.matrix import Matrix
    from engine.runtime.precision import Precision
    from engine.runtime.quantise import Stored

MOST_CANDIDATES = 64
"""Ids looked at per code; more (``top_k`` above 50, or all) are drawn by PyTorch."""


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """An RMS norm: its scale (D,) and epsilon."""

    scale: Tensor
    eps: float


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """What is drawn from, and into: buffers, so that a captured frame finds them again.

    Attributes:
        noise: (T, K, C) exponential noise of the next frame, by rank.
        temperature: (2,) fp32, of codebook 0 and of the others.
        last_kept: (1,) int64, the rank up to which codes are drawn, ties with it too.
        ranks: (C,) fp32, 0 for the candidates and -inf beyond them.
        mask: (V,) fp32, -inf for the ids that the codec lacks.
        first_mask: (V,) ``mask`` for codebook 0, with -inf for code 0 where the line must go on.
        codes: (T, K) int64.
        ending: (T,) int64, 1 once codebook 0 said that the line ends: the rest is greedy then.
        out: (T, K + 1) int64, codes and 1 when they end the line.
        codec_codes: ids that the codec has.
    """

    noise: Tensor
    temperature: Tensor
    last_kept: Tensor
    ranks: Tensor
    mask: Tensor
    first_mask: Tensor
    codes: Tensor
    ending: Tensor
    out: Tensor
    codec_codes: int


def drawing_buffers(config: CsmConfig, rows: int, device: torch.device) -> Drawing:
    """For as many candidates as a captured frame looks at."""
    books, vocab, whole = config.codebooks, config.audio_vocab, torch.int64
    count = min(vocab, MOST_CANDIDATES)
    mask = torch.zeros(vocab, device=device)
    mask[config.mimi.codebook_size :] = -torch.inf
    return Drawing(
        noise=torch.ones(rows, books, count, device=device),
        temperature=torch.ones(2, device=device),
        last_kept=torch.zeros(1, device=device, dtype=whole),
        ranks=torch.zeros(count, device=device),
        mask=mask,
        first_mask=mask.clone(),
        codes=torch.zeros(rows, books, device=device, dtype=whole),
        ending=torch.zeros(rows, device=device, dtype=whole),
        out=torch.zeros(rows, books + 1, device=device, dtype=whole),
        codec_codes=config.mimi.codebook_size,
    )


class Kernels(Protocol):
    """Nothing in them looks at a number from Python; tensors are contiguous."""

    def bind(self, stored: Stored, dtype: torch.dtype, *, again: bool = False) -> Matrix:
        """``stored`` in the layout that the products below read, for activations of ``dtype``.

        Args:
            stored: the matrix.
            dtype: of activations.
            again: whether a frame reads it for every codebook.
        """
        ...

    def embed(self, codes: Tensor, table: Tensor, hidden: Tensor, before: Tensor) -> Tensor:
        """Frames (T, K) to the sums of their rows of ``table`` (T, D); copies hidden into before."""
        ...

    def product(self, x: Tensor, matrix: Matrix, norm: Norm | None = None) -> Tensor:
        """``norm(x) @ matrix.T``: (T, M) → (T, N)."""
        ...

    def product_add(self, base: Tensor, x: Tensor, matrix: Matrix) -> None:
        """Add ``x @ matrix.T`` to ``base`` (T, N) in place."""
        ...

    def gated(self, x: Tensor, matrix: Matrix, norm: Norm) -> Tensor:
        """``silu(gate) * up`` of the two halves of ``norm(x) @ matrix.T``: (T, M) → (T, N / 2)."""
        ...

    def spot(self, position: Tensor, bucket: int) -> Any:
        """What ``far`` needs to know of ``position`` (1,), which is below ``bucket``."""
        ...

    def far(self, qkv: Tensor, cache: Tensor, spot: Any) -> Tensor:
        """Attention in the backbone, of one new position that it writes into the cache.

        Args:
            qkv: (T, (H + 2 Hkv) · d), not rotated yet.
            cache: (2, T, Hkv, S, d).
            spot: from ``spot``.

        Returns:
            (T, H · d).
        """
        ...

    def near(self, qkv: Tensor, cache: Tensor, place: int) -> Tensor:
        """The same in the depth decoder, at a position known beforehand."""
        ...

    def start(self, qkv: Tensor, cache: Tensor, *, last: bool) -> Tensor:
        """The same for the depth decoder's positions 0 and 1 together.

        Args:
            qkv: (2 T, ...), position 0 of all rows first.
            cache: as in ``far``.
            last: only position 1 is wanted.

        Returns:
            (2 T, H · d), or (T, H · d) where ``last``.
        """
        ...

    def pick(self, logits: Tensor, drawing: Drawing, book: int, table: Tensor) -> Tensor | None:
        """Draw ``book`` from logits (T, V); codebooks in order, from 0 on.

        Returns:
            (T, d) rows of ``table`` for the drawn codes; None after the last codebook.
        """
        ...

    def finish(self, x: Tensor, norm: Norm, hidden: Tensor, position: Tensor) -> None:
        """``norm(x)`` (T, D) into ``hidden``; ``position`` (1,) moves on by one."""
        ...


def fused_kernels(
    config: CsmConfig,
    device: torch.device,
    dtype: torch.dtype,
    precision: Precision | None = None,
    rows: int = 1,
) -> Kernels | None:
    """The fused kernels for a model, or None where they cannot be used.

    Args:
        config: its sizes.
        device: where it is.
        dtype: of activations.
        precision: of the matrices; None for that of ``dtype``.
        rows: T.

    Raises:
        torch.OutOfMemoryError: when not even one matrix more fits.
    """
    if device.type != "cuda" or not suits(config):
        return None
    try:
        from engine.runtime.kernel_trial import trial
        from engine.runtime.triton_kernels import TritonKernels

        with torch.cuda.device(device), torch.inference_mode():
            kernels = TritonKernels(config, device)
            agree = trial(kernels, config, device, dtype, precision, rows)
    except torch.OutOfMemoryError:
        raise
    except Exception:  # noqa: BLE001 - whatever is wrong with it, PyTorch does the same
        return None
    return kernels if agree else None


def suits(config: CsmConfig) -> bool:
    """Whether the fused kernels can have these sizes: they work in powers of two."""
    sizes = (config.backbone.head_dim, config.depth.head_dim)
    return all(size >= 8 and size & (size - 1) == 0 for size in sizes) and config.codebooks > 1
