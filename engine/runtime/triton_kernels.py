# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false
# pyright: reportMissingParameterType=false, reportIndexIssue=false
# ruff: noqa: ANN001, ANN202  (Triton reads annotations and knows only its own)
"""Kernels in Triton, for cards that have it. Import only where that is allowed to fail.

A depth step's attention is six or seven small kernels in PyTorch (rotation, cache, softmax); here it is
one. Another joins the two of SwiGLU; a third multiplies by int8 weights, reading them once as they are.
Everything is computed in fp32 and rounded where PyTorch rounds; sums differ in their order alone.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 1024
_ROWS, _COLUMNS = 8, 512
"""Of int8 weights that one program holds at a time."""


@triton.jit
def _attend(  # noqa: PLR0913, PLR0917  (a kernel has no objects)
    qkv,
    cos,
    sin,
    kv,
    out,
    place,
    scale,
    POSITIONS: tl.constexpr,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    KEYS: tl.constexpr,
):
    """One query head: rotate, store the new key and value, attend to all up to ``place``."""
    head = tl.program_id(0)
    group = HEADS // KV_HEADS
    kv_head = head // group
    one = tl.arange(0, SIZE)
    other = (one + SIZE // 2) % SIZE
    turn, lean = tl.load(cos + one), tl.load(sin + one)
    kind = kv.dtype.element_ty

    query = tl.load(qkv + head * SIZE + one).to(tl.float32) * turn
    query += tl.load(qkv + head * SIZE + other).to(tl.float32) * lean
    query = query.to(kind).to(tl.float32)
    place_k = qkv + (HEADS + kv_head) * SIZE
    key = tl.load(place_k + one).to(tl.float32) * turn
    key = (key + tl.load(place_k + other).to(tl.float32) * lean).to(kind)
    value = tl.load(qkv + (HEADS + KV_HEADS + kv_head) * SIZE + one)

    keys = kv + kv_head * POSITIONS * SIZE
    values = keys + KV_HEADS * POSITIONS * SIZE
    # The others of the group read only what lies before ``place``, so nobody waits for this.
    if head % group == 0:
        tl.store(keys + place * SIZE + one, key)
        tl.store(values + place * SIZE + one, value)

    spots = tl.arange(0, KEYS)
    at = spots[:, None] * SIZE + one[None, :]
    old = (spots < place)[:, None] & (one >= 0)[None, :]
    here = (spots == place)[:, None]
    seen = tl.load(keys + at, mask=old, other=0.0).to(tl.float32)
    seen = tl.where(here, key.to(tl.float32)[None, :], seen)
    scores = tl.sum(seen * query[None, :], axis=1) * scale
    scores = tl.where(spots <= place, scores, -float("inf"))
    weights = tl.exp(scores - tl.max(scores, axis=0))
    weights = weights / tl.sum(weights, axis=0)
    heard = tl.load(values + at, mask=old, other=0.0).to(tl.float32)
    heard = tl.where(here, value.to(tl.float32)[None, :], heard)
    tl.store(out + head * SIZE + one, tl.sum(weights[:, None] * heard, axis=0).to(kind))


@triton.jit
def _silu_mul(both, out, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    place = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = place < WIDTH
    gate = tl.load(both + row * 2 * WIDTH + place, mask=inside, other=0.0).to(tl.float32)
    up = tl.load(both + row * 2 * WIDTH + WIDTH + place, mask=inside, other=0.0).to(tl.float32)
    kind = out.dtype.element_ty
    gate = (gate / (1.0 + tl.exp(-gate))).to(kind).to(tl.float32)
    tl.store(out + row * WIDTH + place, (gate * up).to(kind), mask=inside)


@triton.jit
def _int8_rows(
    x,
    weight,
    scales,
    out,
    N,
    M: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Some outputs for one row of ``x``."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    inside = rows < N
    here = x + tl.program_id(1) * M
    total = tl.zeros((ROWS, COLUMNS), dtype=tl.float32)
    for start in range(0, M, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        known = columns < M
        # 64 bits: a product of rows and columns may be larger than 31 bits hold.
        at = rows.to(tl.int64)[:, None] * M + columns[None, :]
        codes = tl.load(weight + at, mask=inside[:, None] & known[None, :], other=0)
        given = tl.load(here + columns, mask=known, other=0.0).to(tl.float32)
        total += codes.to(tl.float32) * given[None, :]
    scaled = tl.sum(total, axis=1) * tl.load(scales + rows, mask=inside, other=0.0).to(tl.float32)
    kind = out.dtype.element_ty
    tl.store(out + tl.program_id(1) * N + rows, scaled.to(kind), mask=inside)


def attend(qkv: Tensor, cos: Tensor, sin: Tensor, kv: Tensor, place: int, heads: int) -> Tensor:
    """Attention of one new position.

    Args:
        qkv: (1, (H + 2 Hkv) · d), not rotated yet.
        cos: (d,) fp32 of the position.
        sin: (d,) fp32, with the sign of the half that is turned.
        kv: (2, Hkv, S, d), into which the position is written; its last axes are contiguous.
        place: the position, below S.
        heads: H.

    Returns:
        (1, H · d).
    """
    _, kv_heads, positions, size = kv.shape
    out = torch.empty((1, heads * size), dtype=qkv.dtype, device=qkv.device)
    _attend[(heads,)](
        qkv,
        cos,
        sin,
        kv,
        out,
        place,
        size**-0.5,
        POSITIONS=positions,
        HEADS=heads,
        KV_HEADS=kv_heads,
        SIZE=size,
        KEYS=triton.next_power_of_2(positions),
        num_warps=4,
    )
    return out


def silu_mul(both: Tensor) -> Tensor:
    """``silu(gate) * up`` of both (T, 2 F), contiguous: (T, F)."""
    rows, width = both.shape[0], both.shape[1] // 2
    out = torch.empty((rows, width), dtype=both.dtype, device=both.device)
    _silu_mul[(rows, triton.cdiv(width, _BLOCK))](both, out, WIDTH=width, BLOCK=_BLOCK)
    return out


def int8_product(x: Tensor, weight: Tensor, scales: Tensor) -> Tensor:
    """x (T, M) times int8 weight (N, M) with a scale per row: (T, N). For a few rows of x."""
    rows, outputs = x.shape[0], weight.shape[0]
    out = torch.empty((rows, outputs), dtype=x.dtype, device=x.device)
    _int8_rows[(triton.cdiv(outputs, _ROWS), rows)](
        x.contiguous(),
        weight,
        scales,
        out,
        outputs,
        M=x.shape[1],
        ROWS=_ROWS,
        COLUMNS=_COLUMNS,
        num_warps=4,
    )
    return out
