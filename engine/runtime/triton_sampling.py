# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false
# pyright: reportMissingParameterType=false, reportIndexIssue=false
# pyright: reportCallIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false
# ruff: noqa: ANN001, ANN202  (Triton reads annotations and knows only its own)
"""Everything of a frame that is neither product nor attention, in Triton.

``_pick`` draws one code and fetches the row that the next step begins with: some fifteen kernels in
PyTorch. One program does it all, so what counts is how often its threads wait for each other. Sorting
2048 numbers takes a hundred such steps; all that is needed is the order of the likeliest 64. So:

1. A threshold by bisection over the numbers' bits, which stops as soon as exactly 64 lie above it:
   about ten rounds, each one count. It begins between the largest number and the least of 64 maxima
   (of ids 64 apart), below which there cannot be.
2. Those 64, the lowest ids first among equals, are laid side by side, through memory.
3. Each one's rank is the number of those before it, counted in one square of 64 x 64.

Softmax, noise by rank and the end test follow. The order is by value, then by id.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.csm.frame import END_CODES, END_PROBABILITY
from engine.runtime.kernels import MOST_CANDIDATES, Drawing
from engine.runtime.triton_launch import Card, follow


@triton.jit
def _ordered(value, COARSE: tl.constexpr):
    """Whole numbers in the order of fp32 ``value``; of those that were bf16 the upper half is all."""
    bits = (value + 0.0).to(tl.int32, bitcast=True)  # + 0.0: minus zero is zero
    key = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return key >> 16 if COARSE else key


@triton.jit
def _bar(key, BLOCK: tl.constexpr, WANT: tl.constexpr):
    """The largest number that ``WANT`` of the keys or more reach; often a little below it."""
    maxima = tl.max(tl.reshape(key, (BLOCK // WANT, WANT)), axis=0)
    low = tl.min(maxima, axis=0).to(tl.int64)
    high = tl.max(maxima, axis=0).to(tl.int64) + 1
    while high - low > 1:
        middle = (low + high) >> 1
        above = tl.sum((key >= middle).to(tl.int32), axis=0)
        low = tl.where(above >= WANT, middle, low)
        high = tl.where(above >= WANT, high, middle)
        high = tl.where(above == WANT, low + 1, high)
    return low


@triton.jit(do_not_specialize=["BOOK"])
def _pick(  # noqa: PLR0913, PLR0915, PLR0917  (a kernel has no objects)
    logits,
    noise,
    temperature,
    last_kept,
    ranks,
    first_mask,
    ending,
    scratch,
    codes,
    out,
    table,
    following,
    BOOK,
    VOCAB: tl.constexpr,
    CODES: tl.constexpr,
    BOOKS: tl.constexpr,
    COUNT: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    WANT: tl.constexpr,
    ROW: tl.constexpr,
    COARSE: tl.constexpr,
    FIRST: tl.constexpr,
    FINAL: tl.constexpr,
    END_CODES: tl.constexpr,
    END_PROBABILITY: tl.constexpr,
    AHEAD: tl.constexpr,
):
    """Codebook ``BOOK`` of one candidate: its code, and the row of ``table`` for the next step."""
    follow(AHEAD)
    row = tl.program_id(0)
    ids = tl.arange(0, BLOCK)
    value = tl.load(logits + row * VOCAB + ids, mask=ids < CODES, other=-float("inf"))
    value = value.to(tl.float32)
    # Asked for now, though used late: each would be waited for on its own.
    slot = tl.arange(0, WANT)
    looked_at = slot < COUNT
    noises = tl.load(noise + (row * BOOKS + BOOK) * COUNT + slot, mask=looked_at, other=1.0)
    candidates = tl.sum((tl.load(ranks + slot, mask=looked_at, other=-1.0) == 0.0).to(tl.int32))
    last = tl.load(last_kept).to(tl.int32)
    if FIRST:
        value += tl.where(ids == 0, tl.load(first_mask), 0.0)
        heat = tl.load(temperature)
        drawn = heat > 0.0
    else:
        heat = tl.load(temperature + 1)
        drawn = (heat > 0.0) & (tl.load(ending + row) == 0)
    heat = tl.where(drawn, heat, 1.0)

    key = _ordered(value, COARSE)
    bar = _bar(key, BLOCK, WANT)
    over, tied = key > bar, key == bar
    room = WANT - tl.sum(over.to(tl.int32), axis=0)
    before = tl.cumsum(over.to(tl.int32) + (tied.to(tl.int32) << 16), axis=0)
    place = (before & 0xFFFF) + tl.minimum(before >> 16, room) - 1
    chosen = over | (tied & ((before >> 16) <= room))
    packed = (value.to(tl.int32, bitcast=True).to(tl.int64) << 32) | ids
    tl.store(scratch + row * WANT + place, packed, mask=chosen)
    tl.debug_barrier()  # what other threads stored is read next

    packed = tl.load(scratch + row * WANT + slot)
    best = (packed >> 32).to(tl.int32).to(tl.float32, bitcast=True)
    order = _ordered(best, COARSE).to(tl.int64) * WANT - slot  # no two alike
    # Summed over the first axis: so a thread holds two of the 64, not sixteen.
    rank = tl.sum((order[:, None] > order[None, :]).to(tl.int32), axis=0)
    waits = tl.sum(tl.where(slot[:, None] == rank[None, :], noises[:, None], 0.0), axis=0)
    best = tl.div_rn(best, heat)
    least = tl.sum(tl.where(rank == last, best, 0.0), axis=0)
    kept = (rank < candidates) & (best >= least)
    chance = tl.where(kept, tl.exp(best - tl.max(best, axis=0)), 0.0)
    chance = tl.div_rn(tl.div_rn(chance, tl.sum(chance, axis=0)), waits)
    chance = tl.where(drawn, chance, (rank == 0).to(tl.float32))
    # The lowest rank wins among equals. A model that gives no numbers must not read beyond a table.
    wins = tl.where(chance == tl.max(chance, axis=0), rank * BLOCK, BLOCK * BLOCK)
    code = tl.min(wins + (packed & (BLOCK - 1)).to(tl.int32), axis=0) % BLOCK
    code = tl.minimum(code, CODES - 1)
    if FIRST:
        chances = tl.exp(value - tl.max(value, axis=0))
        zero = tl.sum(tl.where(ids == 0, chances, 0.0), axis=0) / tl.sum(chances, axis=0)
        code = tl.where(zero > END_PROBABILITY, 0, code)
        # Where the end is forbidden, code 0 has no probability: this is False then.
        ended = code == 0
        tl.store(ending + row, ended.to(tl.int64))
    else:
        ended = tl.load(ending + row) != 0
    code = code.to(tl.int64)
    tl.store(codes + row * BOOKS + BOOK, code)
    tl.store(out + row * (BOOKS + 1) + BOOK, code)
    if FINAL:
        book = tl.arange(0, 8)
        early = tl.load(
            codes + row * BOOKS + book, mask=book < tl.minimum(END_CODES, BOOK), other=0
        )
        zeros = (tl.sum((early != 0).to(tl.int32), axis=0) == 0) & (
            (code == 0) | (BOOK >= END_CODES)
        )
        tl.store(out + row * (BOOKS + 1) + BOOKS, (zeros & ended).to(tl.int64))
    else:
        column = tl.arange(0, ROW)
        there = table + (code + BOOK * VOCAB) * WIDTH + column
        given = tl.load(there, mask=column < WIDTH, other=0.0)
        tl.store(following + row * WIDTH + column, given, mask=column < WIDTH)


@triton.jit
def _embed(  # noqa: PLR0913, PLR0917
    codes,
    table,
    hidden,
    before,
    out,
    VOCAB: tl.constexpr,
    BOOKS: tl.constexpr,
    WIDTH: tl.constexpr,
    MANY: tl.constexpr,
    BLOCK: tl.constexpr,
    AHEAD: tl.constexpr,
):
    """Part of one candidate's frame: the sum of its rows; and ``hidden`` as it was, set aside."""
    follow(AHEAD)
    row = tl.program_id(1)
    book = tl.arange(0, MANY)
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = column < WIDTH
    code = tl.load(codes + row * BOOKS + book, mask=book < BOOKS, other=0) + book * VOCAB
    at = code[:, None] * WIDTH + column[None, :]
    rows = tl.load(table + at, mask=(book < BOOKS)[:, None] & inside[None, :], other=0.0)
    total = tl.sum(rows.to(tl.float32), axis=0)
    tl.store(out + row * WIDTH + column, total.to(out.dtype.element_ty), mask=inside)
    kept = tl.load(hidden + row * WIDTH + column, mask=inside, other=0.0)
    tl.store(before + row * WIDTH + column, kept, mask=inside)


@triton.jit
def _finish(
    x,
    norm,
    hidden,
    position,
    WIDTH: tl.constexpr,
    EPS: tl.constexpr,
    BLOCK: tl.constexpr,
    AHEAD: tl.constexpr,
):
    """The norm of one candidate's last state; the first moves the position of all."""
    follow(AHEAD)
    row = tl.program_id(0)
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    given = tl.load(x + row * WIDTH + column, mask=inside, other=0.0).to(tl.float32)
    scale = tl.load(norm + column, mask=inside, other=0.0).to(tl.float32)
    size = tl.rsqrt(tl.sum(given * given, axis=0) / WIDTH + EPS)
    kind = hidden.dtype.element_ty
    tl.store(hidden + row * WIDTH + column, (given * size * scale).to(kind), mask=inside)
    if row == 0:
        tl.store(position, tl.load(position) + 1)


def pick(
    card: Card, logits: Tensor, drawing: Drawing, scratch: Tensor, book: int, table: Tensor
) -> Tensor | None:
    """Draw ``book`` of every candidate from logits (T, V) into ``drawing``.

    Args:
        card: where.
        logits: contiguous.
        drawing: noise of ``MOST_CANDIDATES`` or fewer.
        scratch: (T, MOST_CANDIDATES) int64, of use to nobody else meanwhile.
        book: the codebook.
        table: ((K - 1) · V, d).

    Returns:
        (T, d): the rows of ``table`` that the next step begins with; None after the last codebook.
    """
    time, vocab = logits.shape
    books, count = drawing.noise.shape[1:]
    width, final = table.shape[1], book == books - 1
    following = torch.empty((time, width), dtype=table.dtype, device=table.device)
    _pick[(time,)](
        logits,
        drawing.noise,
        drawing.temperature,
        drawing.last_kept,
        drawing.ranks,
        drawing.first_mask,
        drawing.ending,
        scratch,
        drawing.codes,
        drawing.out,
        table,
        following,
        book,
        VOCAB=vocab,
        CODES=drawing.codec_codes,
        BOOKS=books,
        COUNT=count,
        WIDTH=width,
        BLOCK=max(MOST_CANDIDATES, triton.next_power_of_2(drawing.codec_codes)),
        WANT=MOST_CANDIDATES,
        ROW=triton.next_power_of_2(width),
        COARSE=logits.dtype == torch.bfloat16,
        FIRST=book == 0,
        FINAL=final,
        END_CODES=END_CODES,
        END_PROBABILITY=END_PROBABILITY,
        num_warps=4,
        **card.options(),
    )
    return None if final else following


def embed(
    card: Card, codes: Tensor, table: Tensor, vocab: int, hidden: Tensor, before: Tensor
) -> Tensor:
    """Frames (T, K) to the sums of their rows (T, D); ``hidden`` (T, D) is copied into ``before``."""
    time, books = codes.shape
    width = table.shape[1]
    out = torch.empty((time, width), dtype=table.dtype, device=table.device)
    many = triton.next_power_of_2(books)
    block = max(16, 2048 // many)
    _embed[(triton.cdiv(width, block), time)](
        codes,
        table,
        hidden,
        before,
        out,
        VOCAB=vocab,
        BOOKS=books,
        WIDTH=width,
        MANY=many,
        BLOCK=block,
        num_warps=4,
        **card.options(),
    )
    return out


def finish(
    card: Card, x: Tensor, norm: Tensor, eps: float, hidden: Tensor, position: Tensor
) -> None:
    """The norm of x (T, D) into ``hidden``, and one more in ``position``."""
    time, width = x.shape
    _finish[(time,)](
        x,
        norm,
        hidden,
        position,
        WIDTH=width,
        EPS=eps,
        BLOCK=triton.next_power_of_2(width),
        num_warps=4,
        **card.options(),
    )
