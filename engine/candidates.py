"""Several readings of one line, made unheard, of which the best is spoken.

For lines that nobody waits for. They are drawn in step, so the weights are read once for all of them. A
reading is judged by whether it ended by itself in a sensible time, and then by how likely the model
finds its own codes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.csm.prompt import FrameBudget
from engine.runtime.decoder import Decoder, Prefix
from engine.types import CodeArray


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One way to say a line.

    Attributes:
        codes: (T, K).
        likelihood: mean log-probability of a code; the least there is where it says nothing.
        ended: whether it ended by itself.
        positions: of its frames in the cache, the last of them left out where it did not end.
    """

    codes: CodeArray
    likelihood: float
    ended: bool
    positions: Prefix

    def rank(self, budget: FrameBudget) -> tuple[int, float]:
        """What is larger is better: an end in time, an end, none; then the likelier."""
        in_time = budget.least <= len(self.codes) <= budget.expected
        return (1 + in_time if self.ended else 0), self.likelihood


def best(
    decoder: Decoder, budget: FrameBudget, count: int, cancelled: Callable[[], bool]
) -> Reading | None:
    """The best of ``count`` readings of the line whose text was read; None when cancelled.

    Nothing of them is in the cache afterwards.
    """
    noise = decoder.noise
    found = _readings(decoder, budget, count, cancelled)
    if found is None:
        decoder.noise = noise
        return None
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
        """See ``Decoder.feed``; the position was computed when the reading was made."""
        self._decoder.paste(self._reading.positions.piece(self._next - 1))


def _readings(
    decoder: Decoder, budget: FrameBudget, count: int, cancelled: Callable[[], bool]
) -> list[Reading] | None:
    branches = decoder.branch(count, budget.most)
    codes = [list[CodeArray]() for _ in range(count)]
    likelihood, ended = np.zeros(count), [False] * count
    for frame in range(budget.most):
        if cancelled():
            return None
        drawn = branches.draw(at_least=budget.least - frame)
        rows = zip(branches.alive, drawn.codes, drawn.over, drawn.log_probability, strict=True)
        going = list[int]()
        for number, its_codes, over, likely in rows:
            ended[number] = bool(over)
            if not over:
                codes[number].append(its_codes)
                likelihood[number] += likely.mean()
                going.append(number)
        if not going or (frame >= budget.expected and any(ended)):
            break  # those that are still at it cannot be the best any more
        if frame + 1 < budget.most:
            branches.feed(going)
    books = decoder.config.codebooks
    return [
        Reading(
            np.array(codes[number], np.int64).reshape(-1, books),
            likelihood[number] / len(codes[number]) if codes[number] else -np.inf,
            ended[number],
            branches.save(number),
        )
        for number in range(count)
    ]
