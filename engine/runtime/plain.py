"""``engine.runtime.kernels.Kernels`` in plain PyTorch: any device, any format that it can multiply.

Every choice that depends on data (the end of a line, greedy or drawn, how many candidates) is a
``torch.where``, so a frame of these can be captured into a CUDA graph as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.config import CsmConfig, TransformerConfig
from engine.csm.frame import END_CODES, END_PROBABILITY
from engine.nn.rope import rope_tables
from engine.runtime.kernels import Drawing, Norm
from engine.runtime.matrix import Matrix, bind
from engine.runtime.quantise import Stored


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """Where ``PlainKernels.far`` stands: rotations, the keys that are heard, the position."""

    position: Tensor
    bucket: int
    cos: Tensor
    sin: Tensor
    bias: Tensor


class PlainKernels:
    """See ``Kernels``; with the constants of one model on one device."""

    def __init__(self, config: CsmConfig, device: torch.device, dtype: torch.dtype) -> None:
        self._config = config
        self.rope = Rope(config.backbone, device)
        depth = Rope(config.depth, device)
        self._near_rows = [
            depth.rows(torch.tensor([place], device=device)) for place in range(config.codebooks)
        ]
        cos, sin = depth.rows(torch.arange(2, device=device))
        self._start_rows = cos[:, None], sin[:, None]  # (2, 1, H + 2 Hkv, d)
        both = torch.ones(2, 2, dtype=torch.bool, device=device).tril()
        self._start_mask = both.repeat(config.depth.heads // config.depth.kv_heads, 1)
        self._offsets = torch.arange(config.codebooks, device=device) * config.audio_vocab
        self._places = torch.arange(config.backbone.max_positions, device=device)
        self._allowed = torch.zeros((), device=device, dtype=dtype)
        self._hidden_away = torch.full((), -torch.inf, device=device, dtype=dtype)
        self._minus_inf = torch.full((), -torch.inf, device=device)
        self._one = torch.ones(1, device=device)
        # Of the depth codes of the frame that is being drawn: temperature (T, 1), noise (T, K, C).
        self._heat, self._waits = self._one, self._one

    def bind(self, stored: Stored, dtype: torch.dtype, *, again: bool = False) -> Matrix:
        """See ``Kernels.bind``."""
        del again
        return bind(stored, dtype)

    def embed(self, codes: Tensor, table: Tensor, hidden: Tensor, before: Tensor) -> Tensor:
        """See ``Kernels.embed``."""
        before.copy_(hidden)
        return F.embedding(codes + self._offsets, table).sum(1)

    def product(self, x: Tensor, matrix: Matrix, norm: Norm | None = None) -> Tensor:
        """See ``Kernels.product``."""
        return matrix(x if norm is None else normed(x, norm))

    def product_add(self, base: Tensor, x: Tensor, matrix: Matrix) -> None:
        """See ``Kernels.product_add``."""
        matrix.add_to(base, x)

    def gated(self, x: Tensor, matrix: Matrix, norm: Norm) -> Tensor:
        """See ``Kernels.gated``."""
        gate, up = matrix(normed(x, norm)).chunk(2, dim=-1)
        return F.silu(gate) * up

    def spot(self, position: Tensor, bucket: int) -> Spot:
        """See ``Kernels.spot``."""
        config = self._config.backbone
        seen = self._places[:bucket] <= position
        bias = torch.where(seen, self._allowed, self._hidden_away).view(1, 1, 1, bucket)
        bias = bias.expand(1, 1, config.heads // config.kv_heads, bucket)
        return Spot(position, bucket, *self.rope.rows(position), bias)

    def far(self, qkv: Tensor, cache: Tensor, spot: Spot) -> Tensor:
        """See ``Kernels.far``."""
        queries, new = split(qkv, self._config.backbone, spot.cos, spot.sin)
        cache.index_copy_(3, spot.position, new)
        known = cache[:, :, :, : spot.bucket]
        out = F.scaled_dot_product_attention(queries, known[0], known[1], attn_mask=spot.bias)
        return out.reshape(len(qkv), -1)

    def near(self, qkv: Tensor, cache: Tensor, place: int) -> Tensor:
        """See ``Kernels.near``."""
        queries, new = split(qkv, self._config.depth, *self._near_rows[place])
        cache[:, :, :, place : place + 1] = new
        known = cache[:, :, :, : place + 1]
        return F.scaled_dot_product_attention(queries, known[0], known[1]).reshape(len(qkv), -1)

    def start(self, qkv: Tensor, cache: Tensor, *, last: bool) -> Tensor:
        """See ``Kernels.start``."""
        config, time = self._config.depth, cache.shape[1]
        heads, kv_heads, size = config.heads, config.kv_heads, config.head_dim
        turned = rotated(qkv.view(2, time, -1, size), *self._start_rows)
        queries, new = turned.split((heads, 2 * kv_heads), dim=2)
        new = new.view(2, time, 2, kv_heads, size).permute(2, 1, 3, 0, 4)
        cache[:, :, :, :2] = new
        known = cache[:, :, :, :2]
        if last:
            out = F.scaled_dot_product_attention(
                queries[1].view(time, kv_heads, -1, size), known[0], known[1]
            )
            return out.reshape(time, -1)
        queries = queries.permute(1, 2, 0, 3).reshape(time, kv_heads, -1, size)
        out = F.scaled_dot_product_attention(
            queries, known[0], known[1], attn_mask=self._start_mask
        )
        return out.view(time, heads, 2, size).permute(2, 0, 1, 3).reshape(2 * time, -1)

    def pick(self, logits: Tensor, drawing: Drawing, book: int, table: Tensor) -> Tensor | None:
        """See ``Kernels.pick``."""
        codes, books = drawing.codes, drawing.codes.shape[1]
        if book == 0:
            code = self._first(logits, drawing)
            codes[:, :1].copy_(code)
        else:
            code = codes[:, book : book + 1]
            logits = torch.add(drawing.mask, logits)
            self._drawn(logits, drawing, self._heat, self._waits[:, book], code)
        if book + 1 < books:
            place = code[:, 0] + book * self._config.audio_vocab if book else code[:, 0]
            return F.embedding(place, table)
        over = drawing.ending.bool() & (codes[:, :END_CODES] == 0).all(1)
        drawing.out[:, :books].copy_(codes)
        drawing.out[:, books].copy_(over)
        return None

    def finish(self, x: Tensor, norm: Norm, hidden: Tensor, position: Tensor) -> None:
        """See ``Kernels.finish``."""
        hidden.copy_(normed(x, norm))
        position.add_(1)

    def _first(self, logits: Tensor, drawing: Drawing) -> Tensor:
        """(T, 1) codebook 0; decides how the others are drawn."""
        drawn, depth_drawn = drawing.temperature[:1] > 0, drawing.temperature[1:] > 0
        first_rank = torch.full_like(drawing.ranks, torch.inf)
        first_rank[:1].fill_(1.0)  # noise that lets only rank 0 win
        logits = torch.add(drawing.first_mask, logits)
        heat = torch.where(drawn, drawing.temperature[:1], self._one)
        waits = torch.where(drawn, drawing.noise[:, 0], first_rank)
        code = self._drawn(logits, drawing, heat, waits)
        code = code.masked_fill(logits.softmax(1)[:, :1] > END_PROBABILITY, 0)
        # Where the end is forbidden, code 0 has no probability: this is False then.
        ending = code == 0
        drawing.ending.copy_(ending[:, 0])
        drawn = depth_drawn & ~ending
        self._heat = torch.where(drawn, drawing.temperature[1:], self._one)
        self._waits = torch.where(drawn[:, :, None], drawing.noise, first_rank)
        return code

    def _drawn(
        self,
        logits: Tensor,
        drawing: Drawing,
        heat: Tensor,
        waits: Tensor,
        into: Tensor | None = None,
    ) -> Tensor:
        """(T, 1): one code of each row."""
        best, ids = (logits / heat).topk(drawing.ranks.shape[0])
        least = best.index_select(1, drawing.last_kept)
        best = torch.where(best >= least, best, self._minus_inf) + drawing.ranks
        rank = (best.softmax(1) / waits).argmax(1, keepdim=True)
        return torch.gather(ids, 1, rank, out=into)


class Rope:
    """Rotary tables for queries, keys and values at once: values are turned by nothing."""

    def __init__(self, config: TransformerConfig, device: torch.device) -> None:
        cos, sin = signed_tables(config, device)
        still = torch.ones_like(cos[:1])
        self._cos, self._sin = torch.cat((cos, still)), torch.cat((sin, still * 0))
        heads = torch.arange(config.heads + 2 * config.kv_heads, device=device)
        self._value = heads >= config.heads + config.kv_heads
        self._still = torch.tensor(len(cos), device=device)

    def rows(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine (T, H + 2 Hkv, d) at positions (T,)."""
        places = torch.where(self._value, self._still, positions[:, None])
        return F.embedding(places, self._cos), F.embedding(places, self._sin)


def signed_tables(config: TransformerConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine (positions, d) fp32, the sine with the sign of the half that is turned.

    ``rotate`` takes (-second, first): with the sign in the table, the halves only change places.
    """
    cos, sin = rope_tables(config, device)
    half = config.head_dim // 2
    return cos.contiguous(), torch.cat((-sin[:, :half], sin[:, half:]), 1)


def rotated(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Heads (..., d) turned, in their own type; in fp32, since the tables are."""
    turned = torch.empty_like(heads)
    return torch.addcmul(heads * cos, heads.roll(heads.shape[-1] // 2, -1), sin, out=turned)


def split(
    qkv: Tensor, config: TransformerConfig, cos: Tensor, sin: Tensor
) -> tuple[Tensor, Tensor]:
    """Of one position of T rows: queries (T, Hkv, G, d), new keys and values (2, T, Hkv, 1, d).

    Query heads that share keys are rows of one attention, so no keys are repeated.
    """
    time, size = len(qkv), config.head_dim
    turned = rotated(qkv.view(time, -1, size), cos, sin)
    queries, new = turned.split((config.heads, 2 * config.kv_heads), dim=1)
    new = new.view(time, 2, config.kv_heads, 1, size).transpose(0, 1)
    return queries.reshape(time, config.kv_heads, -1, size), new


def normed(x: Tensor, norm: Norm) -> Tensor:
    """RMS norm over the last axis."""
    return F.rms_norm(x, (x.shape[-1],), norm.scale, norm.eps)
