# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false
# pyright: reportMissingParameterType=false, reportIndexIssue=false
# pyright: reportCallIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false
# ruff: noqa: ANN001, ANN202  (Triton reads annotations and knows only its own)
"""Few rows times a matrix in Triton, at the speed at which a card reads its memory.

A frame is nothing but such products, one after another, and each is over in one to eight
microseconds. What counts is that all of a matrix is asked for at once: a program holds a few whole rows
of weights in its registers (no loop, no stages, all loads in flight before the first is used), and then
multiplies every row of ``x`` with them. So 2 to 4 candidates cost no more reading than one.

Every program normalises ``x`` anew: that reads 4 KB from the cache where a kernel of its own would
cost a launch, and it happens while the weights are on their way, since those are asked for first.

Weights are floating point, int8 with a scale per row, or int4 in groups. Sums are fp32 and rounded where
PyTorch rounds; they differ from its sums in their order alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.runtime.triton_launch import Card, follow

MOST_ROWS = 8
"""Rows of ``x`` at most: four candidates at the two positions that a depth decoder starts with."""

_HELD = 128
"""Weights of one thread: 256 bytes of bf16 on their way, in 64 of its 255 registers."""

_OF_A_ROW = 16
"""Of them those of one row. A row's sum over the threads takes ten instructions, however few they are,
and normalising x takes six of each number: so neither many rows with little of each, nor the reverse.
With 8 of a row and 64 in all, gate and up took 8.6 instructions per weight, now 5.8; an H200 has time
for 14 while it reads one of bf16, for 7 of int8 and 4 of int4."""

_LEAST_PROGRAMS = 2
"""Programs per multiprocessor at least, where there are rows enough: with one, its first wait is
nobody else's time to compute. 1024 rows on 132 multiprocessors become 512 programs of two."""

_STORES, _ADDS, _GATES = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A matrix (N, M) as the kernels read it.

    Attributes:
        weight: floating point or int8 (N, M); or uint8 (N, M / 2), see ``pack_four``.
        scales: None, (N,) of int8, or (N, groups) of int4.
        offsets: None or (N, groups): the value of code 8.
        shape: N and M.
        again: whether it is read for every codebook, not once a frame.
    """

    weight: Tensor
    scales: Tensor | None
    offsets: Tensor | None
    shape: tuple[int, int]
    again: bool = False


@triton.jit
def _weights(at, mask, EVEN: tl.constexpr, AGAIN: tl.constexpr):
    """What no other program reads. It must not push x out of the first cache.

    Nor the depth decoder's weights out of the second, where they fit: those (``AGAIN``) are read 31
    times a frame, the others once.
    """
    if AGAIN:
        if EVEN:  # a mask costs an instruction for every number that is not read
            result = tl.load(at, cache_modifier=".cg")
        else:
            result = tl.load(at, mask=mask, other=0, cache_modifier=".cg")
    elif EVEN:
        result = tl.load(at, eviction_policy="evict_first")
    else:
        result = tl.load(at, mask=mask, other=0, eviction_policy="evict_first")
    return result


@triton.jit
def _vector(at, mask, EVEN: tl.constexpr):
    """What every program reads."""
    result = tl.load(at) if EVEN else tl.load(at, mask=mask, other=0.0)
    return result


@triton.jit
def _written(out, at, inside, first, second, base, MODE: tl.constexpr):
    """The end of a product: stored, added to ``base``, or gate and up joined."""
    kind = out.dtype.element_ty
    if MODE == 1:
        first += base
    if MODE == 2:
        gate, up = first.to(kind).to(tl.float32), second.to(kind).to(tl.float32)
        first = (gate / (1.0 + tl.exp(-gate))).to(kind).to(tl.float32) * up
    tl.store(out + at, first.to(kind), mask=inside)


@triton.jit(do_not_specialize=["N"])
def _plain_rows(  # noqa: PLR0913, PLR0917  (a kernel has no objects)
    x,
    norm,
    weight,
    scales,
    out,
    N,
    M: tl.constexpr,
    EPS: tl.constexpr,
    T: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
    NORM: tl.constexpr,
    SCALED: tl.constexpr,
    MODE: tl.constexpr,
    EVEN: tl.constexpr,
    AGAIN: tl.constexpr,
    AHEAD: tl.constexpr,
):
    """``ROWS`` outputs of floating point or int8 weights, for ``T`` rows of x."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, BLOCK)
    inside, known = rows < N, columns < M
    at = rows[:, None] * M + columns[None, :]
    both = inside[:, None] & known[None, :]
    first = _weights(weight + at, both, EVEN, AGAIN)
    second = first
    if MODE == 2:
        second = _weights(weight + N * M + at, both, EVEN, AGAIN)
    scale, scale_up, evened = 1.0, 1.0, 1.0
    if SCALED:
        scale = _vector(scales + rows, inside, EVEN).to(tl.float32)
        if MODE == 2:
            scale_up = _vector(scales + N + rows, inside, EVEN).to(tl.float32)
    if NORM:
        evened = _vector(norm + columns, known, EVEN).to(tl.float32)
    # The assembler would put every load right before its use, and wait for each in its turn: no load may
    # pass a barrier.
    tl.debug_barrier()
    follow(AHEAD)
    for row in tl.static_range(T):
        at = row * N + rows
        base = 0.0
        if MODE == 1:
            base = tl.load(out + at, mask=inside, other=0.0).to(tl.float32)
        given = _vector(x + row * M + columns, known, EVEN)
        kind = given.dtype
        given = given.to(tl.float32)
        if NORM:
            size = tl.rsqrt(tl.sum(given * given, axis=0) / M + EPS)
            given = (given * size * evened).to(kind).to(tl.float32)
        one = tl.sum(first.to(tl.float32) * given[None, :], axis=1)
        two = one
        if MODE == 2:
            two = tl.sum(second.to(tl.float32) * given[None, :], axis=1) * scale_up
        _written(out, at, inside, one * scale, two, base, MODE)


@triton.jit
def _four_sum(  # noqa: PLR0913, PLR0917
    packed,
    low,
    high,
    sums,
    scale,
    offset,
    ROWS: tl.constexpr,
    GROUPS: tl.constexpr,
    HALF: tl.constexpr,
):
    """Packed codes (R, bytes) times the two halves of the groups of x: (R,).

    The lower code is never cut out: a byte is lower + 16 upper, so lower · a + upper · b is
    byte · a + upper · (b - 16 a), and ``high`` is given as the latter.

    A group's scale and offset are applied to its sum, not to each of its weights: with q a code, that
    is scale · Σ q x + (offset - 8 scale) · Σ x.
    """
    codes = packed.to(tl.float32) * low[None, :]
    codes += (packed >> 4).to(tl.float32) * high[None, :]
    codes = tl.sum(tl.reshape(codes, (ROWS, GROUPS, HALF)), axis=2)
    return tl.sum(scale * codes + (offset - 8.0 * scale) * sums[None, :], axis=1)


@triton.jit(do_not_specialize=["N"])
def _four_rows(  # noqa: PLR0913, PLR0917
    x,
    norm,
    weight,
    scales,
    offsets,
    out,
    N,
    M: tl.constexpr,
    EPS: tl.constexpr,
    T: tl.constexpr,
    ROWS: tl.constexpr,
    GROUPS: tl.constexpr,
    GROUP: tl.constexpr,
    NORM: tl.constexpr,
    MODE: tl.constexpr,
    EVEN: tl.constexpr,
    AGAIN: tl.constexpr,
    AHEAD: tl.constexpr,
):
    """``ROWS`` outputs of int4 weights, for ``T`` rows of x."""
    HALF: tl.constexpr = GROUP // 2
    COUNT: tl.constexpr = M // GROUP
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    inside = rows < N
    byte = tl.arange(0, GROUPS * HALF)
    known = byte < M // 2
    place = rows[:, None] * (M // 2) + byte[None, :]
    both = inside[:, None] & known[None, :]
    first = _weights(weight + place, both, EVEN, AGAIN)
    second = first
    if MODE == 2:
        second = _weights(weight + N * (M // 2) + place, both, EVEN, AGAIN)
    group = tl.arange(0, GROUPS)
    at = rows[:, None] * COUNT + group[None, :]
    there = inside[:, None] & (group < COUNT)[None, :]
    scale = _vector(scales + at, there, EVEN).to(tl.float32)
    offset = _vector(offsets + at, there, EVEN).to(tl.float32)
    scale_up, offset_up = scale, offset
    if MODE == 2:
        at += N * COUNT
        scale_up = _vector(scales + at, there, EVEN).to(tl.float32)
        offset_up = _vector(offsets + at, there, EVEN).to(tl.float32)
    columns = byte // HALF * GROUP + byte % HALF
    low_evened, high_evened = 1.0, 1.0
    if NORM:
        low_evened = _vector(norm + columns, known, EVEN).to(tl.float32)
        high_evened = _vector(norm + HALF + columns, known, EVEN).to(tl.float32)
    tl.debug_barrier()  # as above
    follow(AHEAD)
    for row in tl.static_range(T):
        base = 0.0
        if MODE == 1:
            base = tl.load(out + row * N + rows, mask=inside, other=0.0).to(tl.float32)
        given = _vector(x + row * M + columns, known, EVEN)
        kind = given.dtype
        low = given.to(tl.float32)
        high = _vector(x + row * M + HALF + columns, known, EVEN).to(tl.float32)
        if NORM:
            size = tl.rsqrt(tl.sum(low * low + high * high, axis=0) / M + EPS)
            low = (low * size * low_evened).to(kind).to(tl.float32)
            high = (high * size * high_evened).to(kind).to(tl.float32)
        sums = tl.sum(tl.reshape(low + high, (GROUPS, HALF)), axis=1)
        high -= 16.0 * low  # see ``_four_sum``
        one = _four_sum(first, low, high, sums, scale, offset, ROWS, GROUPS, HALF)
        two = one
        if MODE == 2:
            two = _four_sum(second, low, high, sums, scale_up, offset_up, ROWS, GROUPS, HALF)
        _written(out, row * N + rows, inside, one, two, base, MODE)


@triton.jit
def _unpack(
    weight, scales, offsets, out, M: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr
):
    """Part of one row: int8 (``GROUP`` 0) or int4 codes to the numbers they stand for."""
    row = tl.program_id(1).to(tl.int64)
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    known = column < M
    if GROUP == 0:
        code = tl.load(weight + row * M + column, mask=known, other=0).to(tl.float32)
        value = code * tl.load(scales + row).to(tl.float32)
    else:
        HALF: tl.constexpr = GROUP // 2
        group, inner = column // GROUP, column % GROUP
        place = row * (M // 2) + group * HALF + inner % HALF
        byte = tl.load(weight + place, mask=known, other=0)
        code = tl.where(inner < HALF, byte & 15, byte >> 4).to(tl.float32) - 8.0
        at = row * (M // GROUP) + group
        scale = tl.load(scales + at, mask=known, other=0.0).to(tl.float32)
        value = code * scale + tl.load(offsets + at, mask=known, other=0.0).to(tl.float32)
    tl.store(out + row * M + column, value.to(out.dtype.element_ty), mask=known)


def plan(outputs: int, inputs: int, matrices: int, bits: int, processors: int) -> tuple[int, int]:
    """Rows of each of ``matrices`` (2 for gate and up) in one program, and its warps.

    As many rows as registers hold, but not so many that multiprocessors are left without work; and no
    more threads than have 16 bytes to read.
    """
    width = 1 << (inputs - 1).bit_length()
    warps = min(8, max(1, width // (32 * _OF_A_ROW)))
    rows = min(64, max(1, _HELD * 32 * warps // (width * matrices)))
    while rows > 1 and -(-outputs // rows) < _LEAST_PROGRAMS * processors:
        rows //= 2
    while warps > 1 and rows * width * bits // 8 < 16 * 32 * warps:
        warps //= 2
    return rows, warps


def pack_four(codes: Tensor, group: int) -> Tensor:
    """int4 codes (N, M), one per byte, to (N, M / 2): the first half of a group in the low bits.

    So the x of either half lies together in memory, and a thread reads its 16 bytes at once.
    """
    halves = codes.unflatten(1, (-1, 2, group // 2))
    return (halves[:, :, 0] | (halves[:, :, 1] << 4)).flatten(1).contiguous()


def multiply(
    x: Tensor,
    rows: Rows,
    card: Card,
    *,
    norm: tuple[Tensor, float] | None = None,
    onto: Tensor | None = None,
    gated: bool = False,
) -> Tensor:
    """``x @ weight.T`` for x (T, M), T ≤ ``MOST_ROWS``.

    Args:
        x: contiguous.
        rows: the matrix.
        card: where.
        norm: scale (M,) and epsilon of an RMS norm of x before.
        onto: (T, N), to which the product is added in place of being returned anew.
        gated: the matrix is gate over up, the result ``silu(gate) * up``, (T, N / 2).
    """
    outputs, inputs = rows.shape
    outputs = outputs // 2 if gated else outputs
    time = x.shape[0]
    assert time <= MOST_ROWS and x.is_contiguous(), (x.shape, x.stride())
    out = torch.empty((time, outputs), dtype=x.dtype, device=x.device) if onto is None else onto
    mode = _ADDS if onto is not None else _GATES if gated else _STORES
    bits = 8 * rows.weight.element_size() if rows.offsets is None else 4
    held, warps = plan(outputs, inputs, 2 if gated else 1, bits, card.processors)
    scale, eps = (x, 0.0) if norm is None else norm
    grid = (triton.cdiv(outputs, held),)
    even = outputs % held == 0 and inputs & (inputs - 1) == 0
    common = {"M": inputs, "EPS": eps, "T": time, "ROWS": held, "EVEN": even}
    common |= {"NORM": norm is not None, "AGAIN": rows.again}
    if rows.offsets is None:
        _plain_rows[grid](
            x,
            scale,
            rows.weight,
            x if rows.scales is None else rows.scales,
            out,
            outputs,
            **common,
            BLOCK=triton.next_power_of_2(inputs),
            SCALED=rows.scales is not None,
            MODE=mode,
            num_warps=warps,
            **card.options(),
        )
        return out
    assert rows.scales is not None
    groups = rows.scales.shape[1]
    _four_rows[grid](
        x,
        scale,
        rows.weight,
        rows.scales,
        rows.offsets,
        out,
        outputs,
        **common,
        GROUPS=triton.next_power_of_2(groups),
        GROUP=inputs // groups,
        MODE=mode,
        num_warps=warps,
        **card.options(),
    )
    return out


def unpack(rows: Rows, dtype: torch.dtype) -> Tensor:
    """(N, M): the numbers that quantised rows stand for."""
    assert rows.scales is not None
    outputs, inputs = rows.shape
    out = torch.empty(rows.shape, dtype=dtype, device=rows.weight.device)
    group = 0 if rows.offsets is None else inputs // rows.scales.shape[1]
    block = min(1024, triton.next_power_of_2(inputs))
    offsets = rows.scales if rows.offsets is None else rows.offsets
    _unpack[(triton.cdiv(inputs, block), outputs)](
        rows.weight, rows.scales, offsets, out, M=inputs, GROUP=group, BLOCK=block
    )
    return out
