"""The CSM network: interleaved text and audio frames in, one frame of codes out.

Architecture: Sesame's Conversational Speech Model (2025). A frame is ``codebooks + 1`` integers
(the codes, then a text token) with a mask of the columns that count. The backbone predicts
codebook 0 of the next frame; the depth decoder predicts the others one after another.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from engine.config import CsmConfig
from engine.nn.kv_cache import KVCache
from engine.nn.transformer import Transformer


class CsmModel(nn.Module):
    """All weights of a CSM. Holds no state of a conversation: caches are passed in."""

    def __init__(self, config: CsmConfig) -> None:
        super().__init__()
        self.config = config
        self.precision: str | None = None
        """What decoders run it in (``engine.runtime.precision``); None for ``dtype`` as it is."""
        self.derived: dict[str, Any] = {}
        """What decoders made of the weights and share: packed matrices, captured graphs."""
        width, depth_width = config.backbone.width, config.depth.width
        self.text_embedding = _table(config.text_vocab, width)
        self.audio_embedding = _table(config.codebooks * config.audio_vocab, width)
        self.backbone = Transformer(config.backbone)
        self.depth = Transformer(config.depth)
        self.projection = nn.Linear(width, depth_width, bias=False)
        self.codebook0_head = nn.Linear(width, config.audio_vocab, bias=False)
        # (K - 1, V, d): row j predicts codebook j + 1; output-major, so that one row of the
        # product reads contiguous memory (checkpoints store (K - 1, d, V)).
        self.audio_head = nn.Parameter(
            torch.empty(config.codebooks - 1, config.audio_vocab, depth_width)
        )
        _normal(self.audio_head, depth_width**-0.5)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.audio_head.device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' number format."""
        return self.audio_head.dtype

    def embed_text(self, ids: Tensor) -> Tensor:
        """Text frames: ids (B, T) → (B, T, D)."""
        return self.text_embedding(ids)

    def embed_audio(self, codes: Tensor) -> Tensor:
        """Audio frames: codes (B, T, K) → (B, T, D), the sum over codebooks."""
        return self.audio_embedding(codes + self._offsets(codes.device)).sum(-2)

    def embed(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Frames of either kind: (B, T, K + 1) ids and mask → (B, T, D).

        Columns whose mask is False contribute nothing, whatever id they hold.
        """
        audio = self.audio_embedding(frames[..., :-1] + self._offsets(frames.device))
        text = self.text_embedding(frames[..., -1:])
        columns = torch.cat((audio, text), dim=-2)  # (B, T, K + 1, D)
        return (columns * mask.unsqueeze(-1).to(columns.dtype)).sum(-2)

    def depth_logits(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """Teacher-forced logits of codebooks 1 … K-1.

        Args:
            hidden: (N, D) backbone states, each of the position *before* its frame.
            codes: (N, K) codes of those frames; the last column is not read.

        Returns:
            (N, K - 1, V).
        """
        known = self.audio_embedding(codes[:, :-1] + self._offsets(codes.device)[:-1])
        inputs = self.projection(torch.cat((hidden.unsqueeze(1), known.to(hidden.dtype)), dim=1))
        out = self.depth(inputs)[:, 1:]  # (N, K - 1, d)
        return torch.einsum("nkd,kvd->nkv", out, self.audio_head.to(out.dtype))

    def depth_start(self, hidden: Tensor, code0: Tensor, cache: KVCache) -> Tensor:
        """The two-position start of a frame: hidden (B, D), code0 (B,) → logits of codebook 1."""
        first = self.audio_embedding(code0)
        out = self.depth(self.projection(torch.stack((hidden, first), dim=1)), cache)
        return out[:, -1] @ self.audio_head[0].t()

    def depth_step(self, code: Tensor, codebook: int, cache: KVCache) -> Tensor:
        """Feed code (B,) of ``codebook`` ≥ 1; returns the logits (B, V) of the next codebook."""
        row = self.audio_embedding(code + codebook * self.config.audio_vocab)
        out = self.depth(self.projection(row.unsqueeze(1)), cache)
        return out[:, -1] @ self.audio_head[codebook].t()

    def _offsets(self, device: torch.device) -> Tensor:
        return torch.arange(self.config.codebooks, device=device) * self.config.audio_vocab


def _table(rows: int, width: int) -> nn.Embedding:
    return nn.Embedding(rows, width, _weight=_normal(torch.empty(rows, width), 1.0))


def _normal(weight: Tensor, std: float) -> Tensor:
    """Fill with normal noise; not on ``meta``, where that would import torch's compiler (1 s)."""
    return weight if weight.is_meta else nn.init.normal_(weight, std=std)
