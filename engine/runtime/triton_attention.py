# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false
# pyright: reportMissingParameterType=false, reportIndexIssue=false
# pyright: reportCallIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false
# ruff: noqa: ANN001, ANN202  (Triton reads annotations and knows only its own)
"""Attention of one new position in Triton: rotation, the write into the cache and the rest in one.

In the depth decoder there are 32 keys at most: one program per query head holds them all. In the
backbone there are up to 2048: their keys are split over programs, each of which gives the softmax of
its own share with its largest score and its sum, and a second kernel joins the shares (the way of
flash-decoding). The position is read on the card there, so that one graph serves every length.

Every candidate (T of them) has a cache of its own, and all stand at the same position. Everything is
computed in fp32 and rounded where PyTorch rounds.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from engine.runtime.triton_launch import Card, follow

Rope = tuple[Tensor, Tensor]

SHARE = 64
"""Keys of one program of the backbone: 32 heads at 256 positions are 128 programs."""


@triton.jit
def _turned(straight, other, cos, sin):
    """One head's numbers and those half a head away, rotated, in their own type."""
    turned = straight.to(tl.float32) * cos + other.to(tl.float32) * sin
    return turned.to(straight.dtype)


@triton.jit(do_not_specialize=["place"])
def _near(  # noqa: PLR0913, PLR0917  (a kernel has no objects)
    qkv,
    cos,
    sin,
    cache,
    out,
    place,
    scale,
    T: tl.constexpr,
    POSITIONS: tl.constexpr,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    KEYS: tl.constexpr,
    AHEAD: tl.constexpr,
):
    """One query head of one candidate: rotate, store the new key and value, attend up to ``place``."""
    follow(AHEAD)
    head, row = tl.program_id(0), tl.program_id(1)
    kv_head = head // (HEADS // KV_HEADS)
    one = tl.arange(0, SIZE)
    other = (one + SIZE // 2) % SIZE
    qkv += row * (HEADS + 2 * KV_HEADS) * SIZE
    keys = cache + (row * KV_HEADS + kv_head) * POSITIONS * SIZE
    values = keys + T * KV_HEADS * POSITIONS * SIZE
    spots = tl.arange(0, KEYS)
    at = spots[:, None] * SIZE + one[None, :]
    old = (spots < place)[:, None] & (one >= 0)[None, :]
    here = (spots == place)[:, None]
    # Asked for before anything is computed, which would be waited for first.
    seen = tl.load(keys + at, mask=old, other=0.0)
    heard = tl.load(values + at, mask=old, other=0.0)
    query, query_too = tl.load(qkv + head * SIZE + one), tl.load(qkv + head * SIZE + other)
    qkv += (HEADS + kv_head) * SIZE
    key, key_too = tl.load(qkv + one), tl.load(qkv + other)
    value = tl.load(qkv + KV_HEADS * SIZE + one)
    turn, lean = tl.load(cos + place * SIZE + one), tl.load(sin + place * SIZE + one)
    query = _turned(query, query_too, turn, lean).to(tl.float32)
    key = _turned(key, key_too, turn, lean)
    # The others of the group read only what lies before ``place``, so nobody waits for this.
    if head % (HEADS // KV_HEADS) == 0:
        tl.store(keys + place * SIZE + one, key)
        tl.store(values + place * SIZE + one, value)
    seen = tl.where(here, key[None, :], seen).to(tl.float32)
    heard = tl.where(here, value[None, :], heard).to(tl.float32)
    scores = tl.sum(seen * query[None, :], axis=1) * scale
    scores = tl.where(spots <= place, scores, -float("inf"))
    weights = tl.exp(scores - tl.max(scores, axis=0))
    weights = weights / tl.sum(weights, axis=0)
    result = tl.sum(weights[:, None] * heard, axis=0)
    tl.store(out + (row * HEADS + head) * SIZE + one, result.to(out.dtype.element_ty))


@triton.jit
def _start(  # noqa: PLR0913, PLR0917
    qkv,
    cos,
    sin,
    cache,
    out,
    scale,
    T: tl.constexpr,
    POSITIONS: tl.constexpr,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    LAST: tl.constexpr,
    AHEAD: tl.constexpr,
):
    """One query head of one candidate at positions 0 and 1: rows t and T + t of ``qkv``.

    Position 0 is turned by nothing and hears itself alone. Where ``LAST``, only position 1 is wanted.
    """
    follow(AHEAD)
    head, row = tl.program_id(0), tl.program_id(1)
    kv_head = head // (HEADS // KV_HEADS)
    one = tl.arange(0, SIZE)
    other = (one + SIZE // 2) % SIZE
    kind = out.dtype.element_ty
    first = qkv + row * (HEADS + 2 * KV_HEADS) * SIZE
    second = first + T * (HEADS + 2 * KV_HEADS) * SIZE
    key, value = (HEADS + kv_head) * SIZE, (HEADS + KV_HEADS + kv_head) * SIZE
    key0 = tl.load(first + key + one)
    value0 = tl.load(first + value + one)
    turn, lean = tl.load(cos + SIZE + one), tl.load(sin + SIZE + one)
    key1, key_too = tl.load(second + key + one), tl.load(second + key + other)
    value1 = tl.load(second + value + one)
    query, too = tl.load(second + head * SIZE + one), tl.load(second + head * SIZE + other)
    key1 = _turned(key1, key_too, turn, lean)
    query = _turned(query, too, turn, lean).to(tl.float32)
    if head % (HEADS // KV_HEADS) == 0:
        keys = cache + (row * KV_HEADS + kv_head) * POSITIONS * SIZE
        values = keys + T * KV_HEADS * POSITIONS * SIZE
        tl.store(keys + one, key0)
        tl.store(keys + SIZE + one, key1)
        tl.store(values + one, value0)
        tl.store(values + SIZE + one, value1)
    score0 = tl.sum(key0.to(tl.float32) * query, axis=0) * scale
    score1 = tl.sum(key1.to(tl.float32) * query, axis=0) * scale
    most = tl.maximum(score0, score1)
    weight0, weight1 = tl.exp(score0 - most), tl.exp(score1 - most)
    result = weight0 * value0.to(tl.float32) + weight1 * value1.to(tl.float32)
    result = (result / (weight0 + weight1)).to(kind)
    if LAST:
        tl.store(out + (row * HEADS + head) * SIZE + one, result)
    else:
        tl.store(out + (row * HEADS + head) * SIZE + one, value0)
        tl.store(out + ((T + row) * HEADS + head) * SIZE + one, result)


@triton.jit
def _far(  # noqa: PLR0913, PLR0917
    qkv,
    cos,
    sin,
    cache,
    position,
    shares,
    parts,
    scale,
    T: tl.constexpr,
    POSITIONS: tl.constexpr,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    KEYS: tl.constexpr,
    MOST: tl.constexpr,
    AHEAD: tl.constexpr,
):
    """``KEYS`` keys of one query head of one candidate.

    Writes the weighted sum of the values (SIZE), and beside it the largest score and the sum of the
    weights (2). The share that holds the position stores it in the cache. Heads that share keys read
    them anew, but out of the card's cache: one program for all of them takes as long as each in turn.
    """
    follow(AHEAD)
    share, head, row = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    kv_head = head // (HEADS // KV_HEADS)
    place = tl.load(position)
    begin = share * KEYS
    if begin <= place:
        one = tl.arange(0, SIZE)
        other = (one + SIZE // 2) % SIZE
        spots = begin + tl.arange(0, KEYS)
        qkv += row * (HEADS + 2 * KV_HEADS) * SIZE
        keys = cache + (row * KV_HEADS + kv_head) * POSITIONS * SIZE
        values = keys + T * KV_HEADS * POSITIONS * SIZE
        at = spots[:, None] * SIZE + one[None, :]
        old = (spots < place)[:, None] & (one >= 0)[None, :]
        here = (spots == place)[:, None]
        seen = tl.load(keys + at, mask=old, other=0.0)
        heard = tl.load(values + at, mask=old, other=0.0)
        query, query_too = tl.load(qkv + head * SIZE + one), tl.load(qkv + head * SIZE + other)
        qkv += (HEADS + kv_head) * SIZE
        key, key_too = tl.load(qkv + one), tl.load(qkv + other)
        value = tl.load(qkv + KV_HEADS * SIZE + one)
        turn, lean = tl.load(cos + place * SIZE + one), tl.load(sin + place * SIZE + one)
        query = _turned(query, query_too, turn, lean).to(tl.float32)
        key = _turned(key, key_too, turn, lean)
        if (place < begin + KEYS) & (head % (HEADS // KV_HEADS) == 0):
            tl.store(keys + place * SIZE + one, key)
            tl.store(values + place * SIZE + one, value)
        seen = tl.where(here, key[None, :], seen).to(tl.float32)
        heard = tl.where(here, value[None, :], heard).to(tl.float32)
        scores = tl.sum(seen * query[None, :], axis=1) * scale
        scores = tl.where(spots <= place, scores, -float("inf"))
        most = tl.max(scores, axis=0)
        weights = tl.exp(scores - most)
        into = (row * HEADS + head) * MOST + share
        tl.store(shares + into * SIZE + one, tl.sum(weights[:, None] * heard, axis=0))
        tl.store(parts + into * 2, most)
        tl.store(parts + into * 2 + 1, tl.sum(weights, axis=0))


@triton.jit
def _join(  # noqa: PLR0913, PLR0917
    shares,
    parts,
    position,
    out,
    HEADS: tl.constexpr,
    SIZE: tl.constexpr,
    KEYS: tl.constexpr,
    MOST: tl.constexpr,
    AHEAD: tl.constexpr,
):
    """The shares of one query head of one candidate; those beyond the position were never written."""
    follow(AHEAD)
    which = tl.program_id(1) * HEADS + tl.program_id(0)
    one, share = tl.arange(0, SIZE), tl.arange(0, MOST)
    known = share * KEYS <= tl.load(position)
    into = which * MOST + share
    most = tl.load(parts + into * 2, mask=known, other=-float("inf"))
    total = tl.load(parts + into * 2 + 1, mask=known, other=0.0)
    at = into[:, None] * SIZE + one[None, :]
    sums = tl.load(shares + at, mask=known[:, None] & (one >= 0)[None, :], other=0.0)
    weights = tl.exp(most - tl.max(most, axis=0))
    result = tl.sum(weights[:, None] * sums, axis=0) / tl.sum(weights * total, axis=0)
    tl.store(out + which * SIZE + one, result.to(out.dtype.element_ty))


def near(card: Card, qkv: Tensor, rope: Rope, cache: Tensor, heads: int, place: int) -> Tensor:
    """Attention of a short cache.

    Args:
        card: where.
        qkv: (T, (H + 2 Hkv) · d), not rotated yet.
        rope: cosine and sine (positions, d) fp32, the sine with the sign of the half that is turned.
        cache: (2, T, Hkv, S, d), contiguous, into which the position is written.
        heads: H.
        place: the position, below S.

    Returns:
        (T, H · d).
    """
    time, positions, size = cache.shape[1], cache.shape[3], cache.shape[4]
    out = torch.empty((time, heads * size), dtype=qkv.dtype, device=qkv.device)
    _near[heads, time](
        qkv,
        *rope,
        cache,
        out,
        place,
        size**-0.5,
        T=time,
        POSITIONS=positions,
        HEADS=heads,
        KV_HEADS=cache.shape[2],
        SIZE=size,
        KEYS=triton.next_power_of_2(positions),
        num_warps=4,
        **card.options(),
    )
    return out


def start(card: Card, qkv: Tensor, rope: Rope, cache: Tensor, heads: int, *, last: bool) -> Tensor:
    """Attention of positions 0 and 1: qkv (2 T, ...), position 0 of all rows first.

    Returns (2 T, H · d) likewise, or (T, H · d) of position 1 alone where ``last``.
    """
    time, positions, size = cache.shape[1], cache.shape[3], cache.shape[4]
    rows = time if last else 2 * time
    out = torch.empty((rows, heads * size), dtype=qkv.dtype, device=qkv.device)
    _start[heads, time](
        qkv,
        *rope,
        cache,
        out,
        size**-0.5,
        T=time,
        POSITIONS=positions,
        HEADS=heads,
        KV_HEADS=cache.shape[2],
        SIZE=size,
        LAST=last,
        num_warps=1,
        **card.options(),
    )
    return out


def far(
    card: Card,
    qkv: Tensor,
    rope: Rope,
    cache: Tensor,
    heads: int,
    position: Tensor,
    bucket: int,
) -> Tensor:
    """Attention of a long cache at ``position`` (1,) int64 on the card, which is below ``bucket``.

    The others as in ``near``. Returns (T, H · d).
    """
    _, time, kv_heads, positions, size = cache.shape
    most = triton.next_power_of_2(triton.cdiv(positions, SHARE))
    device = qkv.device
    shares = torch.empty((time, heads, most, size), dtype=torch.float32, device=device)
    parts = torch.empty((time, heads, most, 2), dtype=torch.float32, device=device)
    out = torch.empty((time, heads * size), dtype=qkv.dtype, device=device)
    _far[triton.cdiv(bucket, SHARE), heads, time](
        qkv,
        *rope,
        cache,
        position,
        shares,
        parts,
        size**-0.5,
        T=time,
        POSITIONS=positions,
        HEADS=heads,
        KV_HEADS=kv_heads,
        SIZE=size,
        KEYS=SHARE,
        MOST=most,
        num_warps=4,
        **card.options(),
    )
    _join[heads, time](
        shares,
        parts,
        position,
        out,
        HEADS=heads,
        SIZE=size,
        KEYS=SHARE,
        MOST=most,
        num_warps=1,
        **card.options(),
    )
    return out
