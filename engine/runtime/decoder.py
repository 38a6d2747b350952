"""The seam between a conversation and the arithmetic: what memory and loop ask of a backend.

A decoder is one conversation's cache and noise, and the model's arithmetic on one device. All of
them compute the same model from the same noise:

- ``engine.runtime.eager``: plain PyTorch, any device and precision; what the others are held to.
- ``engine.native``: the CPU's own instructions, one call per frame.
- ``engine.runtime.graphs``: CUDA, one graph per frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from engine.config import CsmConfig
from engine.types import BoolArray, CodeArray, FloatArray, Sampling

MOST_BRANCHES = 4
"""Readings of a line that can be drawn in step."""


@dataclass(frozen=True, slots=True, eq=False)
class Prefix:
    """Keys and values of some positions, copied out of a decoder's cache.

    Rotary positions are absolute, so a piece belongs at the positions it was saved from.

    Attributes:
        keys: (L, Hkv, T, d), an array or tensor of the decoder that saved it.
        values: likewise.
        start: the first of its positions.
    """

    keys: Any
    values: Any
    start: int

    @property
    def positions(self) -> int:
        """How many positions it holds."""
        return int(self.keys.shape[2])

    def piece(self, number: int) -> Prefix:
        """One of its positions alone."""
        here = slice(number, number + 1)
        return Prefix(self.keys[:, :, here], self.values[:, :, here], self.start + number)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The next frame of every branch that goes on, in the order of ``Branches.alive``.

    Attributes:
        codes: (B, K).
        over: (B,), which of them mean the end of the line.
        log_probability: (B, K) in nats, of each code by the model's plain logits: before temperature,
            ``top_k`` and what is forbidden. A frame that ends the line counts as any other.
    """

    codes: CodeArray
    over: BoolArray
    log_probability: FloatArray


class Branches(Protocol):
    """Several ways on from one place of a decoder, drawn in step: the weights are read once for all.

    They share the decoder's positions, which must stay as they are meanwhile, and change nothing of
    them; each adds its own. Each has noise of its own, the same whatever the others do.
    """

    @property
    def alive(self) -> Sequence[int]:
        """Numbers of the branches that go on, ascending; at first all of them."""
        ...

    def draw(self, at_least: int = 0) -> Drawn:
        """The next frame of every branch that goes on; see ``Decoder.draw``."""
        ...

    def feed(self, branches: Sequence[int]) -> None:
        """Put the frames drawn last into these branches, ascending; the others are over.

        Raises:
            IndexError: when there was no room made for that many positions.
        """
        ...

    def save(self, branch: int) -> Prefix:
        """A branch's own positions so far, to be pasted; one that is over keeps its own."""
        ...


class Decoder(Protocol):
    """Positions in, frames out. Not for several threads at once."""

    config: CsmConfig
    sampling: Sampling
    """How codes are drawn; may be replaced between frames."""

    @property
    def noise(self) -> bytes:
        """State of the noise source; setting it draws the same noise again."""
        ...

    @noise.setter
    def noise(self, state: bytes) -> None: ...

    @property
    def length(self) -> int:
        """Positions in the cache."""
        ...

    @property
    def capacity(self) -> int:
        """Positions that fit."""
        ...

    def read(self, ids: Sequence[int], codes: CodeArray) -> None:
        """Put text, then audio frames (T, K), into the cache; either may be empty, not both.

        Raises:
            IndexError: when they do not fit.
        """
        ...

    def draw(self, at_least: int = 0) -> tuple[CodeArray, bool]:
        """The frame that follows what was read or fed last; it is not in the cache yet.

        Args:
            at_least: frames that must still come, this one included, before the line may end.

        Returns:
            Codes (K,), and whether they mean the end of the line.
        """
        ...

    def feed(self) -> None:
        """Put the frame that was drawn last into the cache.

        Raises:
            IndexError: when it does not fit.
        """
        ...

    def force(self, codes: CodeArray) -> FloatArray:
        """Teacher forcing in place of ``draw``: the logits of every codebook, given ``codes`` (K,).

        The frame then counts as drawn. Returns (K, V) fp32, ids the codec lacks included.
        """
        ...

    def branch(self, count: int, most: int) -> Branches:
        """Go on from here in up to ``MOST_BRANCHES`` ways, of up to ``most`` positions each.

        Their noise is seeded by one number drawn from this decoder's own. Something must be read into
        it before its own next draw.

        Raises:
            ValueError: for another count.
            IndexError: when the positions do not fit.
        """
        ...

    def rollback(self, length: int) -> None:
        """Forget every position from ``length`` on; something must be read before the next draw.

        Raises:
            ValueError: when fewer positions are stored.
        """
        ...

    def save(self, start: int, end: int) -> Prefix:
        """A copy of some positions.

        Raises:
            ValueError: when they are not all stored.
        """
        ...

    def paste(self, prefix: Prefix) -> None:
        """Append saved positions; something must be read before the next draw.

        Raises:
            ValueError: when ``length`` is not where they were saved from.
            IndexError: when they do not fit.
        """
        ...

    def spare(self) -> Self:
        """A decoder of the same weights with an empty cache, to build another window in."""
        ...

    def adopt(self, other: Self) -> None:
        """Take over the positions of a spare, which must not be used afterwards."""
        ...


def check_branches(decoder: Decoder, count: int, most: int) -> None:
    """Whether so many can be drawn, of so many positions each.

    Raises:
        ValueError: for a count that cannot.
        IndexError: when the positions do not fit.
    """
    if not 1 <= count <= MOST_BRANCHES:
        raise ValueError(f"{count} branches cannot be drawn: 1 to {MOST_BRANCHES} can")
    end = decoder.length + most
    if end > decoder.capacity:
        raise IndexError(f"{end} positions do not fit a cache of {decoder.capacity}")
