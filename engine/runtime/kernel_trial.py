"""Whether other kernels compute what PyTorch computes, at a model's own sizes.

Everything that a frame will call is called once here, with random numbers about 1, on matrices and
caches of the real shapes. For Triton that is also the compilation, so nothing is compiled later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from engine.config import CsmConfig, TransformerConfig
from engine.runtime.kernels import Kernels, Norm, drawing_buffers
from engine.runtime.plain import PlainKernels
from engine.runtime.precision import Format, Precision
from engine.runtime.quantise import Stored, store

_TOLERANCES = {torch.float32: 0.002, torch.bfloat16: 0.05}
"""Largest difference by the size of the numbers: a few roundings, of each format."""

_EPS, _MANY = 1e-5, 24
_WRITTEN = ("codes", "ending", "out")

_Both = tuple[Kernels, PlainKernels]


class Noise:
    """Random tensors, the same at every load."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self.source = torch.Generator(device).manual_seed(0)

    def __call__(self, *shape: int) -> Tensor:
        return torch.randn(shape, device=self.device, generator=self.source).to(self.dtype)


def trial(
    kernels: Kernels,
    config: CsmConfig,
    device: torch.device,
    dtype: torch.dtype,
    precision: Precision | None = None,
    rows: int = 1,
) -> bool:
    """Whether ``kernels`` agree with PyTorch for everything in a frame of ``config``.

    Args:
        kernels: to be tried.
        config: the sizes.
        device: where.
        dtype: of activations.
        precision: of the matrices; None for that of ``dtype``.
        rows: candidates T.
    """
    plain = Precision.FP32 if dtype == torch.float32 else Precision.BF16
    noise = Noise(device, dtype)
    both = kernels, PlainKernels(config, device, dtype)
    checks = (
        *_products(both, noise, config, precision or plain, rows),
        *attentions(both, noise, config, rows),
        *_frames(both, noise, config, rows),
    )
    return all(checks)


def _products(
    both: _Both, noise: Noise, config: CsmConfig, precision: Precision, rows: int
) -> Iterator[bool]:
    """Every shape of a matrix, for as many rows as it will be given."""
    for part, times in ((config.backbone, (rows,)), (config.depth, (rows, 2 * rows))):
        inner = part.heads * part.head_dim
        turned = inner + 2 * part.kv_heads * part.head_dim
        layers, again = precision.layers, part is config.depth
        for time in times:
            qkv = turned, part.width
            yield product(both, noise, qkv, layers, time, normed=True, again=again)
            yield added(both, noise, (part.width, inner), layers, time, again=again)
            yield added(both, noise, (part.width, part.ffn), layers, time, again=again)
            yield gated(both, noise, (2 * part.ffn, part.width), layers, time, again=again)
        # A prefill: of any other number of rows than these.
        for shape in ((part.width, inner), (part.width, part.ffn), (turned, part.width)):
            yield _read(both, noise, shape, layers)
        head = config.audio_vocab, part.width
        yield product(both, noise, head, precision.heads, rows, normed=part is config.depth)
    unquantised = Format.FP32 if noise.dtype == torch.float32 else Format.BF16
    across = config.depth.width, config.backbone.width
    yield product(both, noise, across, unquantised, rows)


def _matrix(noise: Noise, shape: tuple[int, int], wanted: Format) -> Stored:
    return store(noise(*shape) * shape[1] ** -0.5, wanted)


def product(
    both: _Both,
    noise: Noise,
    shape: tuple[int, int],
    wanted: Format,
    time: int,
    *,
    normed: bool = False,
    again: bool = False,
) -> bool:
    """Whether ``x @ weight.T`` agrees, for x (time, M) and a matrix of ``shape``."""
    stored, x = _matrix(noise, shape, wanted), noise(time, shape[1])
    norm = Norm(noise(shape[1]), _EPS) if normed else None
    results = [one.product(x, one.bind(stored, noise.dtype, again=again), norm) for one in both]
    return alike(*results)


def _read(both: _Both, noise: Noise, shape: tuple[int, int], wanted: Format) -> bool:
    stored, x = _matrix(noise, shape, wanted), noise(_MANY, shape[1])
    results = [one.bind(stored, noise.dtype)(x) for one in both]
    return alike(*results)


def added(
    both: _Both,
    noise: Noise,
    shape: tuple[int, int],
    wanted: Format,
    time: int,
    *,
    again: bool = False,
) -> bool:
    """Whether it agrees when it is added to something."""
    stored, x, base = _matrix(noise, shape, wanted), noise(time, shape[1]), noise(time, shape[0])
    results = [base.clone() for _ in both]
    for one, result in zip(both, results, strict=True):
        one.product_add(result, x, one.bind(stored, noise.dtype, again=again))
    return alike(*results)


def gated(
    both: _Both,
    noise: Noise,
    shape: tuple[int, int],
    wanted: Format,
    time: int,
    *,
    again: bool = False,
) -> bool:
    """Whether gate and up agree once they are joined."""
    stored, x, norm = _matrix(noise, shape, wanted), noise(time, shape[1]), noise(shape[1])
    bound = [one.bind(stored, noise.dtype, again=again) for one in both]
    norms = Norm(norm, _EPS)
    results = [one.gated(x, matrix, norms) for one, matrix in zip(both, bound, strict=True)]
    return alike(*results)


def attentions(both: _Both, noise: Noise, config: CsmConfig, rows: int) -> Iterator[bool]:
    """Whether every kind of attention agrees, and what it leaves in the cache."""

    def cache(part: TransformerConfig, positions: int) -> Tensor:
        return noise(2, rows, part.kv_heads, positions, part.head_dim)

    def qkv(part: TransformerConfig, count: int) -> Tensor:
        return noise(count, (part.heads + 2 * part.kv_heads) * part.head_dim)

    part = config.backbone
    before, new, end = cache(part, part.max_positions), qkv(part, rows), part.max_positions
    for place, bucket in ((0, min(256, end)), (min(64, end - 1), min(256, end)), (end - 1, end)):
        caches = [before.clone() for _ in both]
        position = torch.full((1,), place, dtype=torch.int64, device=noise.device)
        outs = [
            one.far(new, kv, one.spot(position, bucket))
            for one, kv in zip(both, caches, strict=True)
        ]
        yield alike(*outs) and alike(*caches)
    part, books = config.depth, config.codebooks
    before, new = cache(part, books), qkv(part, rows)
    for place in {min(2, books - 1), books - 1}:
        caches = [before.clone() for _ in both]
        outs = [one.near(new, kv, place) for one, kv in zip(both, caches, strict=True)]
        yield alike(*outs) and alike(*caches)
    new = qkv(part, 2 * rows)
    for last in (False, True):
        caches = [before.clone() for _ in both]
        outs = [one.start(new, kv, last=last) for one, kv in zip(both, caches, strict=True)]
        yield alike(*outs) and alike(*caches)


def _frames(both: _Both, noise: Noise, config: CsmConfig, rows: int) -> Iterator[bool]:
    device, width, books = noise.device, config.backbone.width, config.codebooks
    vocab, whole = config.audio_vocab, torch.int64
    codes = torch.arange(rows * books, device=device).view(rows, books) % vocab
    table, hidden = noise(books * vocab, width), noise(rows, width)
    befores = [torch.zeros_like(hidden) for _ in both]
    sums = [
        one.embed(codes, table, hidden, before) for one, before in zip(both, befores, strict=True)
    ]
    yield alike(*sums) and all(torch.equal(before, hidden) for before in befores)
    norm, states = Norm(noise(width), _EPS), [torch.zeros_like(hidden) for _ in both]
    places = [torch.full((1,), 7, dtype=whole, device=device) for _ in both]
    for one, state, place in zip(both, states, places, strict=True):
        one.finish(hidden, norm, state, place)
    yield alike(*states) and all(int(place) == 8 for place in places)
    table = noise((books - 1) * vocab, config.depth.width)
    for heat, depth_heat, may_end in ((0.9, 0.9, True), (0.0, 0.7, False), (0.8, 0.0, True)):
        yield _same_draw(both, noise, config, rows, table, (heat, depth_heat), may_end=may_end)


def _same_draw(
    both: _Both,
    noise: Noise,
    config: CsmConfig,
    rows: int,
    table: Tensor,
    heats: tuple[float, float],
    *,
    may_end: bool,
) -> bool:
    """Whether both draw the same codes, of logits whose likeliest ids do not tie."""
    device, books, vocab = noise.device, config.codebooks, config.audio_vocab
    first = drawing_buffers(config, rows, device)
    first.noise.exponential_(1.0, generator=noise.source)
    first.temperature.copy_(torch.tensor(heats))
    first.last_kept.fill_(min(50, first.ranks.shape[0]) - 1)
    first.first_mask[:1].fill_(0.0 if may_end else -torch.inf)
    second = replace(first, **{name: getattr(first, name).clone() for name in _WRITTEN})
    # Steps that bf16 has between 4 and 8; the unlikely ones may tie.
    heights = (128 - torch.arange(vocab, device=device)).clamp_min(0) / 32 + 4
    for book in (0, 1, books - 1):
        order = torch.rand(rows, vocab, device=device, generator=noise.source).argsort(1)
        logits = heights[order].to(noise.dtype)
        drawn = zip(both, (first, second), strict=True)
        got, wanted = [one.pick(logits, into, book, table) for one, into in drawn]
        if got is not None and (wanted is None or not torch.equal(got, wanted)):
            return False
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in _WRITTEN)


def alike(got: Tensor, wanted: Tensor) -> bool:
    """Whether two results differ by roundings alone."""
    tolerance = _TOLERANCES[wanted.dtype]
    got, wanted = got.float(), wanted.float()
    bound = tolerance * (wanted.abs() + wanted.square().mean().sqrt())
    return got.shape == wanted.shape and bool(((got - wanted).abs() <= bound).all())
