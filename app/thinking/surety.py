"""How sure a language model is of its answer, where its file says below what it should not answer.

A very small model gives some answer to everything. The built-in GGUF therefore names, in its
metadata, the mean log-probability (nats) that its first tokens must reach, over how many tokens it
is taken, and what to say instead: a wrong intent is seldom a sure one. An answer that is one
of n equally good ones, such as a joke, can be no surer than 1 / n; the metadata lists n and how such
answers begin, and ln n is added. Files without these entries are left alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

LEAST = "parley.surety.least"
TOKENS = "parley.surety.tokens"
INSTEAD = "parley.surety.instead"
LOTS = "parley.surety.lots"

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intc]


@dataclass(frozen=True, slots=True)
class Bound:
    """The mean log-probability that the first ``tokens`` must reach; else ``instead`` is said.

    ``lots`` holds n and the beginning of each answer that is one of n equally good ones.
    """

    least: float
    tokens: int
    instead: str
    lots: tuple[tuple[int, str], ...] = ()

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> Bound | None:
        """The bound that a file's metadata names, None where it names none that can be read."""
        try:
            tokens = int(metadata[TOKENS])
            lines = (line.split(" ", 1) for line in metadata.get(LOTS, "").splitlines())
            lots = tuple((int(number), beginning) for number, beginning in lines)
            bound = cls(float(metadata[LEAST]), tokens, metadata[INSTEAD], lots)
        except (KeyError, ValueError):
            return None
        return bound if tokens > 0 and bound.instead.strip() else None


@dataclass(slots=True)
class Surety:
    """A logits processor of llama.cpp that changes nothing and keeps how likely the best token is."""

    bound: Bound
    logs: list[float] = field(default_factory=list[float])

    def __call__(self, ids: Ints, scores: Floats) -> Floats:
        """Called before each token with all ids so far and the next token's scores."""
        if not self.known:
            others = np.exp(scores.astype(np.float64) - scores.max())
            self.logs.append(-float(np.log(others.sum())))
        return scores

    @property
    def known(self) -> bool:
        """Whether enough tokens have been seen."""
        return len(self.logs) >= self.bound.tokens

    def lacking(self, text: str) -> bool:
        """Whether the answer that begins with ``text`` is less likely than the bound demands."""
        if not self.logs:
            return False
        text = text.strip()
        number = max(
            (n for n, b in self.bound.lots if text and (b.startswith(text) or text.startswith(b))),
            default=1,
        )
        return (sum(self.logs) + math.log(number)) / len(self.logs) < self.bound.least
