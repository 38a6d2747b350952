"""Several readings of one line, made unheard, of which the best is spoken.

For lines that nobody waits for: it takes as many times the work. A reading is judged by whether it
ended by itself in a sensible time, and then by how likely the model finds its own codes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.csm.prompt import FrameBudget
from engine.runtime.decoder import Decoder
from engine.types import CodeArray, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One way to say a line: codes (T, K), mean log-probability of a code, and whether it ended."""

    codes: CodeArray
    likelihood: float
    ended: bool

    def rank(self, budget: FrameBudget) -> tuple[int, float]:
        """What is larger is better: an end in time, an end, none; then the likelier."""
        in_time = budget.least <= len(self.codes) <= budget.expected
        return (1 + in_time if self.ended else 0), self.likelihood


def best(
    decoder: Decoder,
    ids: tuple[int, ...],
    budget: FrameBudget,
    count: int,
    cancelled: Callable[[], bool],
) -> Reading | None:
    """The best of ``count`` readings of a line; None when cancelled. The cache stays as it was."""
    start, found = decoder.length, list[Reading]()
    for _ in range(count):
        try:
            reading = _read(decoder, ids, budget, cancelled)
        finally:
            decoder.rollback(start)
        if reading is None:
            return None
        found.append(reading)
    return max(found, key=lambda reading: reading.rank(budget))


class Replay:
    """Gives out a reading where the loop draws and feeds, so that only what is heard is cached."""

    def __init__(self, decoder: Decoder, reading: Reading) -> None:
        self._decoder, self._reading = decoder, reading
        self._next = 0

    def draw(self, at_least: int = 0) -> tuple[CodeArray, bool]:
        """See ``Decoder.draw``; ``at_least`` was minded when the reading was made."""
        codes = self._reading.codes
        if self._next == len(codes):
            return np.zeros(codes.shape[1], np.int64), True
        self._next += 1
        return codes[self._next - 1], False

    def feed(self) -> None:
        """See ``Decoder.feed``."""
        self._decoder.read((), self._reading.codes[self._next - 1 : self._next])


def _read(
    decoder: Decoder, ids: tuple[int, ...], budget: FrameBudget, cancelled: Callable[[], bool]
) -> Reading | None:
    codes = list[CodeArray]()
    likelihood, over = 0.0, False
    books = decoder.config.codebooks
    decoder.read(ids, np.zeros((0, books), np.int64))
    while len(codes) < budget.most:
        if cancelled():
            return None
        frame, over = decoder.draw(at_least=budget.least - len(codes))
        if over:
            break
        likelihood += _log_probability(decoder.force(frame), frame)
        codes.append(frame)
        decoder.feed()
    made = np.stack(codes) if codes else np.zeros((0, books), np.int64)
    return Reading(made, likelihood / max(1, len(codes)), over)


def _log_probability(logits: FloatArray, frame: CodeArray) -> float:
    """Mean over the codebooks; logits (K, V), codes (K,)."""
    peak = logits.max(axis=1)
    total = np.log(np.exp(logits - peak[:, None]).sum(axis=1)) + peak
    return float((logits[np.arange(len(frame)), frame] - total).mean())
