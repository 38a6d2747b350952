"""The decoder in plain PyTorch: any device, any precision; the others are held to its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from engine.csm.frame import FrameSampler
from engine.csm.model import CsmModel
from engine.nn.kv_cache import KVCache
from engine.runtime.decoder import Prefix
from engine.types import CodeArray, FloatArray, Sampling


class EagerDecoder:
    """``engine.runtime.decoder.Decoder`` over the modules of a ``CsmModel``."""

    def __init__(self, model: CsmModel, sampling: Sampling, seed: int) -> None:
        self.config, self.sampling = model.config, sampling
        self._model, self._seed = model, seed
        self._sampler = FrameSampler(model, seed)
        self._cache = KVCache(model.config.backbone, 1, model.device, model.dtype)
        self._hidden: Tensor | None = None  # (1, D) of the last position, until it is forgotten
        self._frame: Tensor | None = None  # (1, K) drawn last, until it is fed

    @property
    def noise(self) -> bytes:
        """State of the noise source; setting it draws the same noise again."""
        return self._sampler.noise

    @noise.setter
    def noise(self, state: bytes) -> None:
        self._sampler.noise = state

    @property
    def length(self) -> int:
        """Positions in the cache."""
        return self._cache.length

    @property
    def capacity(self) -> int:
        """Positions that fit."""
        return self._cache.capacity

    @torch.inference_mode()
    def read(self, ids: Sequence[int], codes: CodeArray) -> None:
        """See ``Decoder.read``."""
        parts: list[Tensor] = []
        if len(ids):
            parts.append(self._model.embed_text(torch.tensor([ids], device=self._model.device)))
        if len(codes):
            frames = torch.from_numpy(np.ascontiguousarray(codes)).to(self._model.device)
            parts.append(self._model.embed_audio(frames.unsqueeze(0)))
        self._run(torch.cat(parts, dim=1))

    @torch.inference_mode()
    def draw(self, at_least: int = 0) -> tuple[CodeArray, bool]:
        """See ``Decoder.draw``."""
        self._frame, over = self._sampler.draw(self._last(), self.sampling, may_end=at_least <= 0)
        return self._frame[0].cpu().numpy(), over

    @torch.inference_mode()
    def feed(self) -> None:
        """See ``Decoder.feed``."""
        if self._frame is None:
            raise RuntimeError("draw a frame before feeding it")
        self._run(self._model.embed_audio(self._frame.unsqueeze(0)))

    @torch.inference_mode()
    def force(self, codes: CodeArray) -> FloatArray:
        """See ``Decoder.force``."""
        hidden = self._last()
        self._frame = torch.from_numpy(np.ascontiguousarray(codes)).to(hidden.device)[None]
        first = self._model.codebook0_head(hidden).unsqueeze(1)  # (1, 1, V)
        rest = self._model.depth_logits(hidden, self._frame)  # (1, K - 1, V)
        return torch.cat((first, rest), dim=1)[0].float().cpu().numpy()

    def rollback(self, length: int) -> None:
        """See ``Decoder.rollback``."""
        self._cache.rollback(length)
        self._hidden = self._frame = None

    @torch.inference_mode()
    def save(self, start: int, end: int) -> Prefix:
        """See ``Decoder.save``."""
        if not 0 <= start <= end <= self.length:
            raise ValueError(f"positions {start} to {end} are not all stored: {self.length} are")
        piece = slice(start, end)
        keys, values = self._cache.keys[:, 0, :, piece], self._cache.values[:, 0, :, piece]
        return Prefix(keys.clone(), values.clone(), start)

    @torch.inference_mode()
    def paste(self, prefix: Prefix) -> None:
        """See ``Decoder.paste``."""
        start, end = self.length, self.length + prefix.positions
        if start != prefix.start:
            raise ValueError(f"a piece saved from position {prefix.start} cannot stand at {start}")
        if end > self.capacity:
            raise IndexError(f"{end} positions do not fit a cache of {self.capacity}")
        self._cache.keys[:, 0, :, start:end] = prefix.keys
        self._cache.values[:, 0, :, start:end] = prefix.values
        self._cache.length = end
        self._hidden = self._frame = None

    def spare(self) -> Self:
        """See ``Decoder.spare``."""
        return type(self)(self._model, self.sampling, self._seed)

    def adopt(self, other: Self) -> None:
        """See ``Decoder.adopt``."""
        self._cache, self._hidden, self._frame = other._cache, other._hidden, None

    def _run(self, embedded: Tensor) -> None:
        """Put (1, T, D) into the cache."""
        self._hidden = self._model.backbone(embedded, self._cache)[:, -1]
        self._frame = None

    def _last(self) -> Tensor:
        if self._hidden is None:
            raise RuntimeError("read something before drawing a frame")
        return self._hidden
