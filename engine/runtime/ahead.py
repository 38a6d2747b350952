"""The decoder over the static frame function: runs one frame ahead, and can take that back.

``draw`` hands out a frame only after it has launched the next one, so the card never waits for the
host; ``feed`` then only moves a counter. What ran ahead is exactly what would have been asked for in
nearly every case; when it is not (another sampling, another noise, the end not allowed, a rollback), it
is dropped, the noise goes back to what it was, and nothing remains of it: it wrote beyond the
positions that count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from engine.csm.sampling import BranchNoise, candidates, frame_noise
from engine.runtime.decoder import Prefix, check_branches
from engine.runtime.graphs import Stage, noise_state, same_frame, state_bytes
from engine.runtime.static_branches import StaticBranches, arrive
from engine.runtime.turns import TakingTurns
from engine.types import CodeArray, FloatArray, Sampling


@dataclass(frozen=True, slots=True, eq=False)
class _Launched:
    """A frame on its way: where it arrives, and what it depends on."""

    slot: int
    noise: Tensor  # state before it was drawn
    sampling: Sampling
    may_end: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Parked:
    """A decoder's positions while another is on the stage."""

    kv: Tensor  # (L, 2, Hkv, T, d)
    hidden: Tensor
    codes: Tensor


class StaticDecoder:
    """``engine.runtime.decoder.Decoder`` over one ``Stage``, which several decoders may share."""

    def __init__(self, stage: Stage, sampling: Sampling, seed: int) -> None:
        self.config, self.sampling = stage.frame.config, sampling
        self._stage, self._frame, self._seed = stage, stage.frame, seed
        self._generator = torch.Generator(device=stage.frame.out.device).manual_seed(seed)
        self._length = 0
        self._known = False  # whether ``hidden`` is of the last position
        self._drawn: CodeArray | None = None  # until it is fed
        self._stepped = False  # the drawn frame is in the cache already: something ran ahead of it
        self._owed = False  # the last frame was fed, but is not in the cache yet
        self._ahead: _Launched | None = None
        self._at_least: int | None = None  # of the last draw
        self._parked: _Parked | None = None

    @property
    def noise(self) -> bytes:
        """State of the noise source; setting it draws the same noise again."""
        state = self._ahead.noise if self._ahead is not None else self._generator.get_state()
        return state_bytes(state)

    @noise.setter
    def noise(self, state: bytes) -> None:
        self._ahead = None
        self._generator.set_state(noise_state(state))

    @property
    def length(self) -> int:
        """Positions in the cache."""
        return self._length

    @property
    def capacity(self) -> int:
        """Positions that fit."""
        return self._frame.kv.shape[3]

    def read(self, ids: Sequence[int], codes: CodeArray) -> None:
        """See ``Decoder.read``."""
        self._check_room(len(ids) + len(codes))
        if not len(ids) and len(codes) and self._stepped and same_frame(self._drawn, codes[0]):
            self.feed()  # the step that ran ahead was this frame's
            codes = codes[1:]
        time = len(ids) + len(codes)
        if not time:
            return
        with self._stage.runner.on():
            self._forget_ahead()
            self._enter()
            self._pay()
            self._drawn, self._stepped = None, False
            self._frame.prefill(self._embedded(ids, codes), self._length)
            self._length, self._known = self._length + time, True

    def draw(self, at_least: int = 0) -> tuple[CodeArray, bool]:
        """See ``Decoder.draw``."""
        with self._stage.runner.on():
            self._enter()
            if self._drawn is not None:
                self._settle()
                self._drawn = None
            self._check_known()
            current, may_end = self._ahead, at_least <= 0
            if current is not None and (current.sampling, current.may_end) != (
                self.sampling,
                may_end,
            ):
                self._forget_ahead()
                current = None
            if current is None:
                current = self._launch(may_end)
            self._ahead = None
            if self._stage.runner.runs_ahead and self._length < self.capacity:
                # Counted down in speech, the same all the time in a benchmark.
                following = at_least - (1 if at_least != self._at_least else 0)
                self._ahead = self._launch(following <= 0, feeds=True)
                self._stepped = True
            self._at_least = at_least
            arrived = self._stage.runner.receive(current.slot)
        self._drawn = arrived[:-1]
        return self._drawn.copy(), bool(arrived[-1])

    def feed(self) -> None:
        """See ``Decoder.feed``."""
        if self._drawn is None:
            raise RuntimeError("draw a frame before feeding it")
        self._check_room(1)
        self._length += 1
        self._owed = not self._stepped
        self._drawn, self._stepped = None, False

    def force(self, codes: CodeArray) -> FloatArray:
        """See ``Decoder.force``."""
        with self._stage.runner.on():
            self._enter()
            self._forget_ahead()
            self._settle()
            self._pay()
            self._check_known()
            self._drawn = np.array(codes, dtype=np.int64)
            self._frame.codes.copy_(torch.from_numpy(self._drawn))
            return self._frame.logits(self._frame.codes).cpu().numpy()

    def branch(self, count: int, most: int) -> TakingTurns | StaticBranches:
        """See ``Decoder.branch``; one after the other where no rows were made for them at load."""
        check_branches(self, count, most)
        self._forget_ahead()
        noise, rows = BranchNoise(self._generator, count), self._stage.branches
        if rows is None or not rows.suits(count, self.sampling):
            return TakingTurns(self, noise, count, most)
        frame = self._frame
        with self._stage.runner.on():
            self._enter()
            self._settle()
            self._pay()
            self._check_known()
            arrive(frame.out.device)
        shared = frame.kv[:, :, :, : self._length]
        return StaticBranches(rows, self.sampling, shared, frame.hidden, noise, count, most)

    def rollback(self, length: int) -> None:
        """See ``Decoder.rollback``."""
        if not 0 <= length <= self._length:
            raise ValueError(f"cannot roll back to {length}: {self._length} positions are stored")
        self._forget_ahead()
        if self._owed and length == self._length:
            with self._stage.runner.on():
                self._enter()
                self._pay()
        self._length, self._known, self._owed = length, False, False
        self._drawn, self._stepped = None, False

    def save(self, start: int, end: int) -> Prefix:
        """See ``Decoder.save``."""
        if not 0 <= start <= end <= self._length:
            raise ValueError(f"positions {start} to {end} are not all stored: {self._length} are")
        with self._stage.runner.on():
            self._enter()
            if self._owed:
                self._pay()
            piece = self._frame.kv[:, :, :, start:end].clone()
        return Prefix(piece[:, 0], piece[:, 1], start)

    def paste(self, prefix: Prefix) -> None:
        """See ``Decoder.paste``."""
        start, end = self._length, self._length + prefix.positions
        if start != prefix.start:
            raise ValueError(f"a piece saved from position {prefix.start} cannot stand at {start}")
        self._check_room(prefix.positions)
        with self._stage.runner.on():
            self._forget_ahead()
            self._enter()
            self._pay()
            self._frame.kv[:, 0, :, start:end] = prefix.keys
            self._frame.kv[:, 1, :, start:end] = prefix.values
        self._length, self._known = end, False
        self._drawn, self._stepped = None, False

    def spare(self) -> Self:
        """See ``Decoder.spare``."""
        return type(self)(self._stage, self.sampling, self._seed)

    def adopt(self, other: Self) -> None:
        """See ``Decoder.adopt``."""
        self._forget_ahead()
        with self._stage.runner.on():
            other._forget_ahead()
            other._settle()
        if self._stage.owner in (self, other):
            self._stage.owner = self if self._stage.owner is other else None
        self._parked, other._parked = other._parked, None
        self._length, self._known, self._owed = other._length, other._known, other._owed
        self._drawn, self._stepped = None, False

    def _launch(self, may_end: bool, *, feeds: bool = False) -> _Launched:
        """Start the next frame; ``feeds``: the one drawn before it is put into the cache first."""
        stage, frame, sampling = self._stage, self._frame, self.sampling
        state = self._generator.get_state()
        vocab = self.config.audio_vocab
        count = candidates(vocab, sampling.top_k)
        if stage.sampling != sampling:
            frame.set_sampling(sampling)
            stage.sampling = sampling
        if stage.may_end != may_end:
            frame.set_may_end(may_end)
            stage.may_end = may_end
        noise = frame_noise(self._generator, self.config.codebooks, count)
        start = self._length if feeds else self._length - 1 if self._owed else None
        if start is not None:
            stage.move_to(start)
            stage.position += 1
        if count > frame.count:
            if start is not None:
                frame.advance(self._bucket(start))
            frame.draw_wide(noise, sampling.top_k)
        else:
            frame.noise[:, :count].copy_(noise)
            if start is not None:
                stage.runner.frame(self._bucket(start))
            else:
                stage.runner.draw()
        self._owed = False
        slot = stage.next_slot()
        stage.runner.send(slot)
        return _Launched(slot, state, sampling, may_end)

    def _bucket(self, position: int) -> int:
        return next(size for size in self._frame.buckets if position < size)

    def _forget_ahead(self) -> None:
        """Drop what ran ahead: as if it had never been drawn."""
        if self._ahead is not None:
            self._generator.set_state(self._ahead.noise)
            self._ahead = None

    def _settle(self) -> None:
        """Go back to the state that the drawn frame was drawn from, with nothing ahead of it."""
        self._forget_ahead()
        if self._stepped and self._drawn is not None:
            self._frame.hidden.copy_(self._frame.before)
            self._frame.codes.copy_(torch.from_numpy(self._drawn))
            self._stepped = False

    def _pay(self) -> None:
        """Put the frame that was fed into the cache, if it is not there yet."""
        if self._owed:
            self._stage.move_to(self._length - 1)
            self._frame.advance(self._bucket(self._length - 1))
            self._stage.position += 1
            self._owed = False

    def _enter(self) -> None:
        """Come on the stage with our positions; whoever was there takes theirs along."""
        stage, frame = self._stage, self._frame
        if stage.owner is self:
            return
        if isinstance(stage.owner, StaticDecoder):
            stage.owner._leave()
        stage.owner = self
        if self._parked is not None:
            frame.kv[:, :, :, : self._parked.kv.shape[3]] = self._parked.kv
            frame.hidden.copy_(self._parked.hidden)
            frame.codes.copy_(self._parked.codes)
            self._parked = None

    def _leave(self) -> None:
        self._settle()
        frame = self._frame
        kv = frame.kv[:, :, :, : self._length].clone()
        self._parked = _Parked(kv, frame.hidden.clone(), frame.codes.clone())

    def _embedded(self, ids: Sequence[int], codes: CodeArray) -> Tensor:
        """(T, D): text, then frames."""
        weights, device = self._frame.weights, self._frame.out.device
        parts: list[Tensor] = []
        if len(ids):
            table = weights.text_table  # may be in the memory of the host
            rows = table[torch.tensor(list(ids), device=table.device)]
            parts.append(rows.to(device))
        if len(codes):
            frames = torch.from_numpy(np.ascontiguousarray(codes)).to(device)
            offsets = torch.arange(self.config.codebooks, device=device) * self.config.audio_vocab
            parts.append(
                torch.nn.functional.embedding(frames + offsets, weights.audio_table).sum(1)
            )
        return torch.cat(parts)

    def _check_room(self, positions: int) -> None:
        if self._length + positions > self.capacity:
            raise IndexError(
                f"{self._length + positions} positions do not fit a cache of {self.capacity}"
            )

    def _check_known(self) -> None:
        if not (self._known or self._owed):
            raise RuntimeError("read something before drawing a frame")
