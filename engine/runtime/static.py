"""One frame as a function of fixed buffers: the same kernels at the same addresses every time.

Nothing in ``frame`` or ``draw`` looks at a value from Python, so both can be captured into a CUDA graph
once and replayed; on a CPU they run as they are, which is how they are tested. What the operations are
made of, PyTorch or fused kernels, is ``engine.runtime.kernels``; here is only their order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.config import TransformerConfig
from engine.csm.sampling import candidates
from engine.runtime.fused import Fused, Layer, Stack
from engine.runtime.kernels import Drawing, Kernels, drawing_buffers
from engine.runtime.plain import PlainKernels, normed, rotated
from engine.types import Sampling

_BUCKETS = (256, 512, 1024)

Take = Callable[[int, Tensor], Tensor | None]
"""Codebook and its logits (T, V) to the rows (T, d) that the next step begins with."""


class StaticFrame:
    """Fused weights and the buffers of one frame. Everything is on one device.

    Its rows (T) are candidates for the same frame; ``codes``, ``noise``, ``out`` and ``kv`` are those
    of the first, which is the only one unless more were asked for.

    Attributes:
        hidden: (T, D) state that the next frame is drawn from.
        before: (T, D) ``hidden`` as it was before the last ``advance``.
        position: (1,) where ``advance`` puts the frame.
        cache: (L, 2, T, Hkv, S, d) keys and values of the backbone.
        kv: (L, 2, Hkv, S, d), a view of it.
        drawing: the buffers that are drawn from and into.
        codes: (K,) the frame drawn last, which ``advance`` puts into the cache.
        noise: (K, C) exponential noise of the next frame.
        out: (K + 1,) codes and 1 when they end the line: what the host copies.
        count: C.
        fused: whether other kernels than PyTorch's are at work.
    """

    def __init__(self, weights: Fused, kernels: Kernels | None = None, rows: int = 1) -> None:
        """Args: kernels in place of PyTorch's, those that ``weights`` were bound with; rows T."""
        self.config, self.weights, self.rows = weights.config, weights, rows
        config, device, dtype = weights.config, weights.device, weights.dtype
        self._plain = PlainKernels(config, device, dtype)
        self._kernels: Kernels = self._plain if kernels is None else kernels
        self.fused = kernels is not None
        self.buckets = buckets(config.backbone.max_positions)
        self.hidden = torch.zeros(rows, config.backbone.width, device=device, dtype=dtype)
        self.before = torch.zeros_like(self.hidden)
        self.position = torch.zeros(1, device=device, dtype=torch.int64)
        self.cache = _cache(config.backbone, config.backbone.max_positions, weights, rows)
        self._depth_cache = _cache(config.depth, config.codebooks, weights, rows)
        self.drawing = drawing_buffers(config, rows, device)
        self.count = self.drawing.ranks.shape[0]
        self.kv, self.codes = self.cache[:, :, 0], self.drawing.codes[0]
        self.noise, self.out = self.drawing.noise[0], self.drawing.out[0]

    def set_sampling(self, sampling: Sampling) -> None:
        """How ``draw`` draws from now on; nothing is captured anew."""
        count = min(candidates(self.config.audio_vocab, sampling.top_k), self.count)
        depth, drawing = sampling.depth_temperature, self.drawing
        drawing.temperature[:1].fill_(sampling.temperature)
        drawing.temperature[1:].fill_(sampling.temperature if depth is None else depth)
        drawing.last_kept.fill_(_last_kept(sampling.top_k, count))
        drawing.ranks[:count].fill_(0.0)
        drawing.ranks[count:].fill_(-torch.inf)

    def set_may_end(self, may_end: bool) -> None:
        """Whether the next frames may end the line."""
        self.drawing.first_mask[:1].fill_(0.0 if may_end else -torch.inf)

    def frame(self, bucket: int) -> None:
        """Put ``codes`` into the cache and draw the frame after it."""
        self.advance(bucket)
        self.draw()

    def advance(self, bucket: int) -> None:
        """Put ``codes`` into the cache at ``position``, which must be below ``bucket``."""
        run, stack = self._kernels, self.weights.backbone
        table, codes = self.weights.audio_table, self.drawing.codes
        x = run.embed(codes, table, self.hidden, self.before)
        spot = run.spot(self.position, bucket)
        for index, layer in enumerate(stack.layers):
            qkv = run.product(x, layer.qkv, layer.attn_norm)
            self._finish_layer(layer, x, run.far(qkv, self.cache[index], spot))
        run.finish(x, stack.norm, self.hidden, self.position)

    def draw(self) -> None:
        """Draw ``codes`` from ``hidden`` with ``noise``."""
        self._draw(self._kernels, self.drawing)

    def draw_wide(self, noise: Tensor, top_k: int) -> None:
        """``draw`` with noise (K, any count): for more than ``count`` candidates."""
        count, device = noise.shape[1], noise.device
        last = torch.tensor([_last_kept(top_k, count)], device=device)
        ranks = torch.zeros(count, device=device)
        wide = replace(self.drawing, noise=noise[None], last_kept=last, ranks=ranks)
        self._draw(self._plain, wide)

    def logits(self, codes: Tensor) -> Tensor:
        """(K, V) fp32: what every codebook of the frame ``codes`` (K,) was drawn from."""
        rows: list[Tensor] = []

        def known(book: int, logits: Tensor) -> Tensor | None:
            rows.append(logits[0])
            if book + 1 == self.config.codebooks:
                return None
            place = codes[book : book + 1] + book * self.config.audio_vocab
            return F.embedding(place.expand(self.rows), self.weights.depth_table)

        self._codebooks(known)
        return torch.stack(rows).float()

    def prefill(self, x: Tensor, start: int) -> None:
        """Put embedded positions x (time, D) into the first row's cache from ``start`` on.

        Sets ``hidden``, of all rows. ``x`` is used up.
        """
        stack, time = self.weights.backbone, x.shape[0]
        end = start + time
        rows = self._plain.rope.rows(torch.arange(start, end, device=x.device))
        mask = None
        if start and time > 1:
            mask = torch.ones(time, end, dtype=torch.bool, device=x.device).tril(start)
        for index, layer in enumerate(stack.layers):
            out = _read(layer, stack, x, rows, self.kv[index, :, :, :end], mask)
            x = layer.out.add_to(x, out)
            gate, up = layer.gate_up(normed(x, layer.mlp_norm)).chunk(2, dim=-1)
            x = layer.down.add_to(x, F.silu(gate) * up)
        self.hidden.copy_(normed(x[-1:], stack.norm))

    def _draw(self, picker: Kernels, drawing: Drawing) -> None:
        table = self.weights.depth_table
        self._codebooks(lambda book, logits: picker.pick(logits, drawing, book, table))

    def _codebooks(self, take: Take) -> None:
        """Every codebook in its turn: ``take`` is given its logits and gives the next step's input."""
        run, weights, stack = self._kernels, self.weights, self.weights.depth
        zeroth = run.product(self.hidden, weights.projection)
        row = take(0, run.product(self.hidden, weights.head))
        assert row is not None
        x = self._depth_start(torch.cat((zeroth, row)))
        for book in range(1, self.config.codebooks):
            row = take(book, run.product(x, weights.depth_heads[book - 1], stack.norm))
            if row is not None:
                x = self._depth_step(row, book + 1)

    def _depth_start(self, x: Tensor) -> Tensor:
        """Positions 0 and 1, (2 T, d) → (T, d): of the last layer, position 0 is only read."""
        run, layers = self._kernels, self.weights.depth.layers
        for index, layer in enumerate(layers):
            last = index + 1 == len(layers)
            qkv = run.product(x, layer.qkv, layer.attn_norm)
            x = x[self.rows :] if last else x
            self._finish_layer(layer, x, run.start(qkv, self._depth_cache[index], last=last))
        return x

    def _depth_step(self, x: Tensor, place: int) -> Tensor:
        """One position, (T, d) → (T, d)."""
        run = self._kernels
        for index, layer in enumerate(self.weights.depth.layers):
            qkv = run.product(x, layer.qkv, layer.attn_norm)
            self._finish_layer(layer, x, run.near(qkv, self._depth_cache[index], place))
        return x

    def _finish_layer(self, layer: Layer, x: Tensor, attended: Tensor) -> None:
        """The rest of a block after its attention: x (T, D), changed in place, with (T, H · d)."""
        run = self._kernels
        run.product_add(x, attended, layer.out)
        run.product_add(x, run.gated(x, layer.gate_up, layer.mlp_norm), layer.down)


def buckets(capacity: int) -> tuple[int, ...]:
    """Lengths that attention over the backbone's cache is captured for."""
    return (*(size for size in _BUCKETS if size < capacity), capacity)


def _last_kept(top_k: int, count: int) -> int:
    return (min(top_k, count) if top_k > 0 else count) - 1


def _cache(config: TransformerConfig, positions: int, weights: Fused, rows: int) -> Tensor:
    return torch.zeros(
        (config.layers, 2, rows, config.kv_heads, positions, config.head_dim),
        device=weights.device,
        dtype=weights.dtype,
    )


def _read(
    layer: Layer,
    stack: Stack,
    x: Tensor,
    rows: tuple[Tensor, Tensor],
    kv: Tensor,
    mask: Tensor | None,
) -> Tensor:
    """Attention of the positions x (time, D), the last of those in kv (2, Hkv, end, d)."""
    config, time = stack.config, x.shape[0]
    qkv = layer.qkv(normed(x, layer.attn_norm)).view(time, -1, config.head_dim)
    queries, new = rotated(qkv, *rows).split((config.heads, 2 * config.kv_heads), dim=1)
    kv[:, :, -time:] = new.view(time, 2, config.kv_heads, -1).permute(1, 2, 0, 3)
    groups = config.heads // config.kv_heads
    known = kv[:, :, None].expand(-1, -1, groups, -1, -1).flatten(1, 2)
    out = F.scaled_dot_product_attention(
        queries.transpose(0, 1)[None],
        known[:1],
        known[1:],
        attn_mask=mask,
        is_causal=mask is None and time > 1,
    )
    return out[0].transpose(0, 1).reshape(time, -1)
