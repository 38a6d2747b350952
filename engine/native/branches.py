"""Branches in compiled code: every weight is read once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.csm.sampling import BranchNoise, candidates
from engine.native import library
from engine.runtime.decoder import Drawn, Prefix
from engine.types import CodeArray, FloatArray

if TYPE_CHECKING:
    from engine.native.decoder import NativeDecoder


class NativeBranches:
    """``engine.runtime.decoder.Branches`` of a ``NativeDecoder``."""

    def __init__(
        self, decoder: NativeDecoder, hidden: FloatArray, noise: BranchNoise, most: int
    ) -> None:
        """Go on from where ``decoder`` is; hidden (B, D) is the same for all. See ``Decoder.branch``."""
        count, model = len(hidden), decoder.model
        self.alive: tuple[int, ...] = tuple(range(count))
        self._model, self._sampling, self._noise = model, decoder.sampling, noise
        self._decoder, self._start, self._most = decoder, decoder.length, most
        self._hidden = hidden
        self._keys, self._values = model.cache(most, count)  # (B, L, Hkv, most, d)
        self._fed = [0] * count
        self._frames: CodeArray | None = None  # (B, K) drawn last, until they are fed

    def draw(self, at_least: int = 0) -> Drawn:
        """See ``Branches.draw``."""
        config, rows = self._model.config, len(self.alive)
        count = candidates(config.audio_vocab, self._sampling.top_k)
        noise = self._noise.frames(self.alive, config.codebooks, count)
        plan = library.sampling_plan(self._sampling, noise, at_least <= 0)
        codes = np.empty((rows, config.codebooks), np.int64)
        likely, over = np.empty(codes.shape, np.float32), np.empty(rows, np.int64)
        self._model.library.parley_draw_branches(
            self._model.handle,
            self._hidden.ctypes.data,
            plan,
            rows,
            codes.ctypes.data,
            over.ctypes.data,
            likely.ctypes.data,
        )
        self._frames = codes
        return Drawn(codes.copy(), over.astype(bool), likely)

    def feed(self, branches: Sequence[int]) -> None:
        """See ``Branches.feed``."""
        if self._frames is None:
            raise RuntimeError("draw a frame before feeding it")
        fed = self._fed[self.alive[0]]
        if fed == self._most:
            raise IndexError(f"there is room for {self._most} positions of each branch")
        frames = self._frames[[self.alive.index(branch) for branch in branches]]
        own = (library.Cache * len(branches))(
            *(library.cache_of(self._keys[n], self._values[n]) for n in branches)
        )
        self._hidden = np.empty((len(branches), self._hidden.shape[1]), np.float32)
        self._model.library.parley_read_branches(
            self._model.handle,
            self._decoder.cache,
            self._start,
            own,
            len(branches),
            fed,
            frames.ctypes.data,
            self._hidden.ctypes.data,
        )
        self.alive, self._frames = tuple(branches), None
        for number in branches:
            self._fed[number] = fed + 1

    def save(self, branch: int) -> Prefix:
        """See ``Branches.save``."""
        stored = slice(0, self._fed[branch])
        keys, values = self._keys[branch, :, :, stored], self._values[branch, :, :, stored]
        return Prefix(keys.clone(), values.clone(), self._start)
