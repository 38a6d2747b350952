"""Branches as the rows of a static frame function: on a card, graphs of their own.

Each row has a whole cache, into which the shared positions are copied once: on a card that takes less
time than a kernel's launch, and attention is the same for any number of rows. A row that is over goes
on unseen.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.csm.sampling import BranchNoise, candidates
from engine.runtime.decoder import Drawn, Prefix
from engine.runtime.fused import Fused
from engine.runtime.graphs import Runner
from engine.runtime.kernels import Drawing, Kernels
from engine.runtime.static import StaticFrame
from engine.types import Sampling


class BranchFrame(StaticFrame):
    """A frame function of several rows that also tells how likely its codes are.

    Attributes:
        likely: (T, K) log-probabilities of the codes drawn last, see ``Drawn``.
        out: (T, K + 1), of all rows.
    """

    def __init__(self, weights: Fused, kernels: Kernels | None, rows: int) -> None:
        """Args as for ``StaticFrame``."""
        super().__init__(weights, kernels, rows)
        self.out = self.drawing.out
        self.likely = torch.zeros(
            self.out.shape[0], weights.config.codebooks, device=weights.device
        )

    def _draw(self, picker: Kernels, drawing: Drawing) -> None:
        seen: list[Tensor] = []

        def take(book: int, logits: Tensor) -> Tensor | None:
            seen.append(logits)
            return picker.pick(logits, drawing, book, self.weights.depth_table)

        self._codebooks(take)
        known = torch.stack(seen, dim=1).float().log_softmax(-1)  # (T, K, V)
        self.likely.copy_(known.gather(-1, drawing.codes.unsqueeze(-1)).squeeze(-1))


class BranchStage:
    """The one set of buffers of a model's branches; those that were begun last are on it."""

    def __init__(self, frame: BranchFrame, runner: Runner) -> None:
        self.frame, self.runner = frame, runner
        self.owner: object | None = None

    def suits(self, count: int, sampling: Sampling) -> bool:
        """Whether so many can be drawn in this way."""
        frame = self.frame
        wanted = candidates(frame.config.audio_vocab, sampling.top_k)
        return count <= frame.rows and wanted <= frame.count


class StaticBranches:
    """``engine.runtime.decoder.Branches`` on a ``BranchStage``, until others are begun there."""

    def __init__(
        self,
        stage: BranchStage,
        sampling: Sampling,
        shared: Tensor,
        hidden: Tensor,
        noise: BranchNoise,
        count: int,
        most: int,
    ) -> None:
        """Args: shared (L, 2, Hkv, T, d) positions; hidden (1, D); see ``Decoder.branch``."""
        self.alive: tuple[int, ...] = tuple(range(count))
        self._stage, self._sampling, self._noise = stage, sampling, noise
        self._start, self._most = shared.shape[3], most
        self._fed = [0] * count
        self._drawn = self._owed = False  # a frame is to be fed; one was, but is not cached yet
        stage.owner, frame = self, stage.frame
        with stage.runner.on():
            frame.cache[:, :, :count, :, : self._start] = shared.unsqueeze(2)
            frame.hidden.copy_(hidden.expand_as(frame.hidden))
            frame.position.fill_(self._start)
            frame.set_sampling(sampling)

    def draw(self, at_least: int = 0) -> Drawn:
        """See ``Branches.draw``."""
        frame, runner, rows = self._frame(), self._stage.runner, list(self.alive)
        count = candidates(frame.config.audio_vocab, self._sampling.top_k)
        noise = self._noise.frames(rows, frame.config.codebooks, count)
        with runner.on():
            frame.drawing.noise[rows, :, :count] = noise
            frame.set_may_end(at_least <= 0)
            if self._owed:
                runner.frame(self._bucket())
            else:
                runner.draw()
            self._owed, self._drawn = False, True
            runner.send(0)
            arrived = runner.receive(0)[rows]
            likely = frame.likely[rows].cpu().numpy()
        return Drawn(arrived[:, :-1], arrived[:, -1].astype(bool), likely)

    def feed(self, branches: Sequence[int]) -> None:
        """See ``Branches.feed``."""
        if not self._drawn:
            raise RuntimeError("draw a frame before feeding it")
        if self._fed[self.alive[0]] == self._most:
            raise IndexError(f"there is room for {self._most} positions of each branch")
        self.alive, self._drawn, self._owed = tuple(branches), False, True
        for number in branches:
            self._fed[number] += 1

    def save(self, branch: int) -> Prefix:
        """See ``Branches.save``."""
        frame, end = self._frame(), self._start + self._fed[branch]
        with self._stage.runner.on():
            if self._owed:
                frame.advance(self._bucket())
                self._owed = False
            piece = frame.cache[:, :, branch, :, self._start : end].clone()
            arrive(piece.device)
        return Prefix(piece[:, 0], piece[:, 1], self._start)

    def _frame(self) -> BranchFrame:
        if self._stage.owner is not self:
            raise RuntimeError("other branches were begun since: only the last ones can go on")
        return self._stage.frame

    def _bucket(self) -> int:
        """For the position that is owed."""
        position = self._start + self._fed[self.alive[0]] - 1
        return next(size for size in self._stage.frame.buckets if position < size)


def arrive(device: torch.device) -> None:
    """Wait for what was asked for, so that another stream can use it."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
