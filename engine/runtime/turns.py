"""Branches for a decoder that cannot draw several at once: one after the other, frame by frame.

It reads the weights once for each of them, and the positions of the one whose turn it is are copied
into the decoder's cache, behind those that all share, and out again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from engine.csm.sampling import BranchNoise
from engine.runtime.decoder import Decoder, Drawn, Prefix
from engine.types import CodeArray, FloatArray


@dataclass(slots=True, eq=False)
class _Branch:
    """One way on: the state of its noise, its positions, and the frame that was fed to it last."""

    noise: bytes
    pieces: list[Prefix] = field(default_factory=list[Prefix])  # one less until the last is read
    positions: int = 0
    drawn: CodeArray | None = None
    fed: CodeArray | None = None


class TakingTurns:
    """``engine.runtime.decoder.Branches`` over a ``Decoder`` that has room for ``most`` more."""

    def __init__(self, decoder: Decoder, noise: BranchNoise, count: int, most: int) -> None:
        self.alive: tuple[int, ...] = tuple(range(count))
        self._decoder, self._start, self._most = decoder, decoder.length, most
        self._branches = [_Branch(noise.state(number)) for number in range(count)]

    def draw(self, at_least: int = 0) -> Drawn:
        """See ``Branches.draw``."""
        decoder = self._decoder
        before = decoder.noise
        codes, over, likely = list[CodeArray](), list[bool](), list[FloatArray]()
        try:
            for number in self.alive:
                branch = self._branches[number]
                self._enter(branch)
                decoder.noise = branch.noise
                frame, ends = decoder.draw(at_least)
                branch.noise, branch.drawn = decoder.noise, frame
                likely.append(_log_probability(decoder.force(frame), frame))
                codes.append(frame)
                over.append(ends)
        finally:
            if decoder.length > self._start:
                decoder.rollback(self._start)
            decoder.noise = before
        return Drawn(np.stack(codes), np.array(over), np.stack(likely))

    def feed(self, branches: Sequence[int]) -> None:
        """See ``Branches.feed``."""
        self.alive = tuple(branches)
        for number in branches:
            branch = self._branches[number]
            if branch.drawn is None:
                raise RuntimeError("draw a frame before feeding it")
            if branch.positions == self._most:
                raise IndexError(f"there is room for {self._most} positions of each branch")
            branch.fed, branch.drawn = branch.drawn, None
            branch.positions += 1

    def save(self, branch: int) -> Prefix:
        """See ``Branches.save``."""
        decoder, wanted = self._decoder, self._branches[branch]
        if not wanted.positions:
            return decoder.save(self._start, self._start)
        if len(wanted.pieces) < wanted.positions:
            self._enter(wanted)
            decoder.rollback(self._start)
        keys = torch.cat([piece.keys for piece in wanted.pieces], dim=2)
        values = torch.cat([piece.values for piece in wanted.pieces], dim=2)
        return Prefix(keys, values, self._start)

    def _enter(self, branch: _Branch) -> None:
        """Let the decoder be where this branch is."""
        decoder = self._decoder
        if branch.fed is None:
            return  # then nothing was fed to any, and it is where they all begin
        decoder.rollback(self._start)
        before = branch.positions - 1
        for piece in branch.pieces[:before]:
            decoder.paste(piece)
        decoder.read((), branch.fed[None])
        if len(branch.pieces) == before:
            branch.pieces.append(decoder.save(decoder.length - 1, decoder.length))


def _log_probability(logits: FloatArray, frame: CodeArray) -> FloatArray:
    """(K,): of the frame's own codes, by logits (K, V)."""
    return torch.from_numpy(logits).log_softmax(-1).numpy()[np.arange(len(frame)), frame]
