"""The decoder in plain PyTorch: any device, any precision; the others are held to its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from engine.csm.frame import FrameSampler
from engine.csm.model import CsmModel
from engine.csm.sampling import BranchNoise, candidates, frame_noise
from engine.nn.kv_cache import KVCache
from engine.runtime.decoder import Drawn, Prefix, check_branches
from engine.types import CodeArray, FloatArray, Sampling


class EagerDecoder:
    """``engine.runtime.decoder.Decoder`` over the modules of a ``CsmModel``."""

    def __init__(self, model: CsmModel, sampling: Sampling, seed: int) -> None:
        self.config, self.sampling = model.config, sampling
        self._model, self._seed = model, seed
        self._noise = torch.Generator(device=model.device).manual_seed(seed)
        self._sampler = FrameSampler(model, 1)
        self._cache = KVCache(model.config.backbone, 1, model.device, model.dtype)
        self._hidden: Tensor | None = None  # (1, D) of the last position, until it is forgotten
        self._frame: Tensor | None = None  # (1, K) drawn last, until it is fed

    @property
    def noise(self) -> bytes:
        """State of the noise source; setting it draws the same noise again."""
        return self._noise.get_state().numpy().tobytes()

    @noise.setter
    def noise(self, state: bytes) -> None:
        self._noise.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))

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
        count = candidates(self.config.audio_vocab, self.sampling.top_k)
        hidden = self._last()
        noise = frame_noise(self._noise, self.config.codebooks, count)[None]
        self._frame, over = self._sampler.draw(hidden, self.sampling, noise, may_end=at_least <= 0)
        return self._frame[0].cpu().numpy(), bool(over)

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

    @torch.inference_mode()
    def branch(self, count: int, most: int) -> EagerBranches:
        """See ``Decoder.branch``."""
        check_branches(self, count, most)
        hidden = self._last().expand(count, -1)
        noise = BranchNoise(self._noise, count)
        return EagerBranches(self._model, self.sampling, self._cache, hidden, noise, most)

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


class EagerBranches:
    """``engine.runtime.decoder.Branches`` as a batch."""

    def __init__(
        self,
        model: CsmModel,
        sampling: Sampling,
        shared: KVCache,
        hidden: Tensor,
        noise: BranchNoise,
        most: int,
    ) -> None:
        """Args: hidden (B, D), the same for all at first; see ``Decoder.branch``."""
        self.alive: tuple[int, ...] = tuple(range(len(hidden)))
        self._model, self._sampling, self._noise = model, sampling, noise
        self._start = shared.length
        self._cache = _BranchCache(shared, model, len(hidden), most)
        self._sampler = FrameSampler(model, len(hidden))
        self._hidden = hidden
        self._frame: Tensor | None = None  # (B, K) drawn last, until it is fed
        self._over: dict[int, Prefix] = {}

    @torch.inference_mode()
    def draw(self, at_least: int = 0) -> Drawn:
        """See ``Branches.draw``."""
        config, sampling = self._model.config, self._sampling
        count = candidates(config.audio_vocab, sampling.top_k)
        noise = self._noise.frames(self.alive, config.codebooks, count)
        logits: list[Tensor] = []
        frame, over = self._sampler.draw(
            self._hidden, sampling, noise, may_end=at_least <= 0, logits=logits
        )
        known = torch.stack(logits, dim=1).float().log_softmax(-1)  # (B, K, V)
        likely = known.gather(-1, frame.unsqueeze(-1)).squeeze(-1)
        self._frame = frame
        return Drawn(frame.cpu().numpy(), over.cpu().numpy(), likely.cpu().numpy())

    @torch.inference_mode()
    def feed(self, branches: Sequence[int]) -> None:
        """See ``Branches.feed``."""
        if self._frame is None:
            raise RuntimeError("draw a frame before feeding it")
        frames = self._frame
        if tuple(branches) != self.alive:
            rows = [self.alive.index(branch) for branch in branches]
            self._over |= {n: self.save(n) for n in self.alive if n not in branches}
            self._cache.keep(rows)
            self._sampler = FrameSampler(self._model, len(rows))
            self.alive, frames = tuple(branches), frames[rows]
        self._hidden = self._model.backbone(
            self._model.embed_audio(frames.unsqueeze(1)), self._cache
        )[:, -1]
        self._frame = None

    @torch.inference_mode()
    def save(self, branch: int) -> Prefix:
        """See ``Branches.save``."""
        if branch in self._over:
            return self._over[branch]
        keys, values = self._cache.own(self.alive.index(branch))
        return Prefix(keys, values, self._start)


class _BranchCache(KVCache):
    """Positions of a batch: those of another cache in front, which all of it shares, then its own."""

    def __init__(self, shared: KVCache, model: CsmModel, batch: int, positions: int) -> None:
        super().__init__(model.config.backbone, batch, model.device, model.dtype, positions)
        self._shared, self._start = shared, shared.length
        self.length = self._start

    def write(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """See ``KVCache.write``."""
        at, batch = self.length - self._start, keys.shape[0]
        if at + keys.shape[2] > self.capacity:
            raise IndexError(f"there is room for {self.capacity} positions of each branch")
        both: list[Tensor] = []
        pairs = ((self._shared.keys, self.keys, keys), (self._shared.values, self.values, values))
        for shared, own, new in pairs:
            end = at + new.shape[2]
            own[layer, :, :, at:end] = new
            front = shared[layer, :, :, : self._start].expand(batch, -1, -1, -1)
            both.append(torch.cat((front, own[layer, :, :, :end]), dim=2))
        return both[0], both[1]

    def keep(self, rows: Sequence[int]) -> None:
        """Only these rows of the batch go on."""
        self.keys, self.values = self.keys[:, list(rows)], self.values[:, list(rows)]

    def own(self, row: int) -> tuple[Tensor, Tensor]:
        """Keys and values (L, Hkv, T, d) of one row, without what is shared."""
        stored = slice(0, self.length - self._start)
        return self.keys[:, row, :, stored].clone(), self.values[:, row, :, stored].clone()
