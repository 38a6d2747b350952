"""One frame as a function of fixed buffers: the same kernels at the same addresses every time.

Nothing in ``frame`` or ``draw`` looks at a value from Python, so both can be captured into a CUDA graph
once and replayed; on a CPU they run as they are, which is how they are tested. Every choice that
depends on data (the end of a line, greedy or drawn, how many candidates) is a ``torch.where``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.config import TransformerConfig
from engine.csm.frame import END_CODES, END_PROBABILITY
from engine.csm.sampling import candidates
from engine.nn.rope import rope_tables
from engine.runtime.fused import Fused, Layer
from engine.runtime.kernels import Kernels
from engine.types import Sampling

MOST_CANDIDATES = 64
"""Ids looked at per code in ``draw``; more (``top_k`` above 50, or all) need ``draw_wide``."""

_BUCKETS = (256, 512, 1024)

Pick = Callable[[int, Tensor], Tensor]
"""Codebook and its logits (V,) to a code (1,)."""


class StaticFrame:
    """Fused weights and the buffers of one frame. Everything is on one device.

    Attributes:
        hidden: (1, D) state that the next frame is drawn from.
        before: (1, D) ``hidden`` as it was before the last ``advance``.
        codes: (K,) the frame drawn last, which ``advance`` puts into the cache.
        position: (1,) where ``advance`` puts it.
        kv: (L, 2, Hkv, S, d) keys and values of the backbone.
        noise: (K, C) exponential noise of the next frame.
        out: (K + 1,) codes and 1 when they end the line: what the host copies.
    """

    def __init__(self, weights: Fused, kernels: Kernels | None = None) -> None:
        """Args: kernels to use in place of PyTorch's, see ``engine.runtime.kernels``."""
        self.config, self.weights, self._kernels = weights.config, weights, kernels
        config, device, dtype = weights.config, weights.device, weights.dtype
        books, vocab = config.codebooks, config.audio_vocab
        self.count = min(vocab, MOST_CANDIDATES)
        self.buckets = buckets(config.backbone.max_positions)
        self.hidden = torch.zeros(1, config.backbone.width, device=device, dtype=dtype)
        self.before = torch.zeros_like(self.hidden)
        self.codes = torch.zeros(books, device=device, dtype=torch.int64)
        self.position = torch.zeros(1, device=device, dtype=torch.int64)
        self.kv = _cache(config.backbone, config.backbone.max_positions, weights)
        self.out = torch.zeros(books + 1, device=device, dtype=torch.int64)
        self.noise = torch.ones(books, self.count, device=device)
        # What ``set_sampling`` writes.
        self._temperature = torch.ones(2, device=device)  # of codebook 0, of the others
        self._last_kept = torch.zeros(1, device=device, dtype=torch.int64)
        self._ranks = torch.zeros(self.count, device=device)  # -inf beyond the candidates
        self._first_mask = torch.zeros(vocab, device=device)  # of codebook 0
        # Constants.
        self._mask = torch.zeros(vocab, device=device)
        self._mask[config.mimi.codebook_size :] = -torch.inf
        self._first_mask.copy_(self._mask)
        self._minus_inf = torch.full((), -torch.inf, device=device)
        self._first_rank = _first_rank(self.count, device)
        self._allowed = torch.zeros((), device=device, dtype=dtype)
        self._hidden_away = torch.full((), -torch.inf, device=device, dtype=dtype)
        self._offsets = torch.arange(books, device=device) * vocab
        self._places = torch.arange(config.backbone.max_positions, device=device)
        self._depth_kv = _cache(config.depth, books, weights)
        self._rope = _Rope(config.backbone, device)
        self._depth_rope = _Rope(config.depth, device)
        self._depth_rows = [
            self._depth_rope.rows(torch.tensor([book], device=device)) for book in range(books)
        ]
        self._depth_start_rows = self._depth_rope.rows(torch.arange(2, device=device))
        both = torch.ones(2, 2, dtype=torch.bool, device=device).tril()
        self._start_mask = both.repeat(config.depth.heads // config.depth.kv_heads, 1)

    def set_sampling(self, sampling: Sampling) -> None:
        """How ``draw`` draws from now on; nothing is captured anew."""
        count = min(candidates(self.config.audio_vocab, sampling.top_k), self.count)
        depth = sampling.depth_temperature
        self._temperature[:1].fill_(sampling.temperature)
        self._temperature[1:].fill_(sampling.temperature if depth is None else depth)
        self._last_kept.fill_((min(sampling.top_k, count) if sampling.top_k > 0 else count) - 1)
        self._ranks[:count].fill_(0.0)
        self._ranks[count:].fill_(-torch.inf)

    def set_may_end(self, may_end: bool) -> None:
        """Whether the next frames may end the line."""
        self._first_mask[:1].fill_(0.0 if may_end else -torch.inf)

    def frame(self, bucket: int) -> None:
        """Put ``codes`` into the cache and draw the frame after it."""
        self.advance(bucket)
        self.draw()

    def advance(self, bucket: int) -> None:
        """Put ``codes`` into the cache at ``position``, which must be below ``bucket``."""
        self.before.copy_(self.hidden)
        weights, stack = self.weights, self.weights.backbone
        x = F.embedding(self.codes + self._offsets, weights.audio_table).sum(0, keepdim=True)
        cos, sin = self._rope.rows(self.position)
        seen = self._places[:bucket] <= self.position
        bias = torch.where(seen, self._allowed, self._hidden_away).view(1, 1, 1, bucket)
        bias = bias.expand(1, 1, stack.config.heads // stack.config.kv_heads, bucket)
        for index, layer in enumerate(stack.layers):
            queries, new = _rotated(layer, stack.config, x, cos, sin)
            self.kv[index].index_copy_(2, self.position, new)
            kv = self.kv[index, :, :, :bucket]
            out = F.scaled_dot_product_attention(queries, kv[:1], kv[1:], attn_mask=bias)
            x = self._finished(layer, stack.config, x, out.reshape(1, -1))
        self.hidden.copy_(_norm(x, stack.norm, stack.config))
        self.position.add_(1)

    def draw(self) -> None:
        """Draw ``codes`` from ``hidden`` with ``noise``."""
        self._draw(self.noise, self._ranks, self._last_kept, self._first_rank)

    def draw_wide(self, noise: Tensor, top_k: int) -> None:
        """``draw`` with noise (K, any count): for ``top_k`` beyond ``MOST_CANDIDATES``."""
        count = noise.shape[1]
        last = torch.tensor([(min(top_k, count) if top_k > 0 else count) - 1], device=noise.device)
        ranks = torch.zeros(count, device=noise.device)
        self._draw(noise, ranks, last, _first_rank(count, noise.device))

    def logits(self, codes: Tensor) -> Tensor:
        """(K, V) fp32: what every codebook of the frame ``codes`` (K,) was drawn from."""
        rows = [self.weights.head(self.hidden)[0]]

        def known(book: int, row: Tensor) -> Tensor:
            rows.append(row)
            return codes[book : book + 1]

        self._depth(codes[:1], known)
        return torch.stack(rows).float()

    def prefill(self, x: Tensor, start: int) -> None:
        """Put embedded positions x (T, D) into the cache from ``start`` on; sets ``hidden``."""
        stack, time = self.weights.backbone, x.shape[0]
        config, end = stack.config, start + x.shape[0]
        groups = config.heads // config.kv_heads
        cos, sin = self._rope.rows(self._places[start:end])
        mask = None
        if start and time > 1:
            mask = torch.ones(time, end, dtype=torch.bool, device=x.device).tril(start)
        for index, layer in enumerate(stack.layers):
            queries, new = _rotated(layer, config, x, cos, sin)
            self.kv[index, :, :, start:end] = new
            kv = self.kv[index, :, :, None, :end].expand(-1, -1, groups, -1, -1).flatten(1, 2)
            queries = queries.view(1, config.heads, time, config.head_dim)
            out = F.scaled_dot_product_attention(
                queries, kv[:1], kv[1:], attn_mask=mask, is_causal=mask is None and time > 1
            )
            x = self._finished(layer, config, x, out[0].transpose(0, 1).reshape(time, -1))
        self.hidden.copy_(_norm(x[-1:], stack.norm, config))

    def _draw(self, noise: Tensor, ranks: Tensor, last: Tensor, first_rank: Tensor) -> None:
        """Args: noise (K, C); ranks (C,) is -inf for those never drawn; last (1,) of the kept ranks;
        first_rank (C,) noise that lets only rank 0 win.
        """
        drawn, depth_drawn = self._temperature[:1] > 0, self._temperature[1:] > 0
        one = torch.ones_like(self._temperature[:1])

        def pick(row: Tensor, scale: Tensor, waits: Tensor) -> Tensor:
            best, ids = (row / scale).topk(ranks.shape[0])
            best = torch.where(best >= best.index_select(0, last), best, self._minus_inf) + ranks
            return ids.index_select(0, (best.softmax(0) / waits).argmax(0, keepdim=True))

        logits = torch.add(self._first_mask, self.weights.head(self.hidden)[0])
        scale = torch.where(drawn, self._temperature[:1], one)
        code = pick(logits, scale, torch.where(drawn, noise[0], first_rank))
        code = code.masked_fill(logits.softmax(0)[:1] > END_PROBABILITY, 0)
        # Where the end is forbidden, code 0 has no probability: this is False then.
        ending = code == 0
        drawn = depth_drawn & ~ending
        scale = torch.where(drawn, self._temperature[1:], one)
        noise = torch.where(drawn, noise, first_rank)
        codes = [code]

        def next_code(book: int, row: Tensor) -> Tensor:
            codes.append(pick(torch.add(self._mask, row), scale, noise[book]))
            return codes[-1]

        self._depth(code, next_code)
        frame = torch.cat(codes)
        over = ending & (frame[:END_CODES] == 0).all()
        self.codes.copy_(frame)
        self.out.copy_(torch.cat((frame, over.long())))

    def _depth(self, code0: Tensor, pick: Pick) -> None:
        """Run the depth decoder: ``pick`` is given the logits of each codebook from 1 on."""
        weights, stack = self.weights, self.weights.depth
        first = F.embedding(code0, weights.depth_table)
        x = self._depth_start(torch.cat((F.linear(self.hidden, weights.projection), first)))
        for book in range(1, self.config.codebooks):
            row = weights.depth_heads[book - 1](_norm(x, stack.norm, stack.config))[0]
            code = pick(book, row)
            if book + 1 < self.config.codebooks:
                place = code + book * self.config.audio_vocab
                x = self._depth_step(F.embedding(place, weights.depth_table), book + 1)

    def _depth_start(self, x: Tensor) -> Tensor:
        """Positions 0 and 1 together, (2, d) → (1, d): of the last layer, position 0 is only read."""
        stack = self.weights.depth
        config, groups = stack.config, stack.config.heads // stack.config.kv_heads
        last = len(stack.layers) - 1
        for index, layer in enumerate(stack.layers):
            queries, new = _rotated(layer, config, x, *self._depth_start_rows)
            self._depth_kv[index, :, :, :2] = new
            kv = self._depth_kv[index, :, :, :2]
            if index < last:
                out = F.scaled_dot_product_attention(
                    queries, kv[:1], kv[1:], attn_mask=self._start_mask
                )
                out = out.view(config.kv_heads, groups, 2, config.head_dim).permute(2, 0, 1, 3)
                x = self._finished(layer, config, x, out.reshape(2, -1))
            else:
                queries = queries.view(1, config.kv_heads, groups, 2, config.head_dim)[:, :, :, 1]
                out = F.scaled_dot_product_attention(queries, kv[:1], kv[1:])
                x = self._finished(layer, config, x[1:], out.reshape(1, -1))
        return x

    def _depth_step(self, x: Tensor, place: int) -> Tensor:
        """One position, (1, d) → (1, d)."""
        stack = self.weights.depth
        for index, layer in enumerate(stack.layers):
            if self._kernels is not None:
                qkv = layer.qkv(_norm(x, layer.attn_norm, stack.config))
                cos, sin = (rows[0, 0] for rows in self._depth_rows[place])
                kv = self._depth_kv[index]
                out = self._kernels.attend(qkv, cos, sin, kv, place, stack.config.heads)
            else:
                queries, new = _rotated(layer, stack.config, x, *self._depth_rows[place])
                self._depth_kv[index, :, :, place : place + 1] = new
                kv = self._depth_kv[index, :, :, : place + 1]
                out = F.scaled_dot_product_attention(queries, kv[:1], kv[1:]).reshape(1, -1)
            x = self._finished(layer, stack.config, x, out)
        return x

    def _finished(
        self, layer: Layer, config: TransformerConfig, x: Tensor, attended: Tensor
    ) -> Tensor:
        """The rest of a block after its attention: x (T, D), changed in place, with (T, H · d)."""
        x = layer.out.add_to(x, attended)
        both = layer.gate_up(_norm(x, layer.mlp_norm, config))
        if self._kernels is not None:
            return layer.down.add_to(x, self._kernels.silu_mul(both))
        gate, up = both.chunk(2, dim=-1)
        return layer.down.add_to(x, F.silu(gate) * up)


class _Rope:
    """Rotary tables for queries, keys and values at once: values are turned by nothing."""

    def __init__(self, config: TransformerConfig, device: torch.device) -> None:
        cos, sin = rope_tables(config, device)
        half = config.head_dim // 2
        still = torch.ones_like(cos[:1])
        self._cos = torch.cat((cos, still))
        # rotate() takes (-second, first): the sign goes into the table.
        self._sin = torch.cat((torch.cat((-sin[:, :half], sin[:, half:]), 1), still * 0))
        heads = torch.arange(config.heads + 2 * config.kv_heads, device=device)
        self._value = heads >= config.heads + config.kv_heads
        self._still = torch.tensor(len(cos), device=device)

    def rows(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine (T, H + 2 Hkv, d) at positions (T,)."""
        places = torch.where(self._value, self._still, positions[:, None])
        return F.embedding(places, self._cos), F.embedding(places, self._sin)


def buckets(capacity: int) -> tuple[int, ...]:
    """Lengths that attention over the backbone's cache is captured for."""
    return (*(size for size in _BUCKETS if size < capacity), capacity)


def _first_rank(count: int, device: torch.device) -> Tensor:
    waits = torch.full((count,), torch.inf, device=device)
    waits[0] = 1.0
    return waits


def _cache(config: TransformerConfig, positions: int, weights: Fused) -> Tensor:
    return torch.zeros(
        (config.layers, 2, config.kv_heads, positions, config.head_dim),
        device=weights.device,
        dtype=weights.dtype,
    )


def _rotated(
    layer: Layer, config: TransformerConfig, x: Tensor, cos: Tensor, sin: Tensor
) -> tuple[Tensor, Tensor]:
    """Of x (T, D): queries (1, Hkv, G · T, d) and new keys and values (2, Hkv, T, d).

    Query heads that share keys are rows of one attention, so no keys are repeated.
    """
    time, size = x.shape[0], config.head_dim
    all_heads = layer.qkv(_norm(x, layer.attn_norm, config)).view(time, -1, size)
    # In fp32, like ``rotate``: the tables are, and the products are taken in their type.
    turned = torch.empty_like(all_heads)
    torch.addcmul(all_heads * cos, all_heads.roll(size // 2, -1), sin, out=turned)
    queries, new = turned.split((config.heads, 2 * config.kv_heads), dim=1)
    queries = queries.transpose(0, 1).reshape(1, config.kv_heads, -1, size)
    return queries, new.view(time, 2, config.kv_heads, size).permute(1, 2, 0, 3)


def _norm(x: Tensor, scale: Tensor, config: TransformerConfig) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), scale, config.norm_eps)
