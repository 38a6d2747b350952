"""Whether the sentences of a test were seen in training: whole, or in runs of words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from engine.evaluation.wer import normalise_words

RUN_WORDS: Final = 5
MOST_SHARED: Final = 0.02
"""Largest share of the test's five-word runs that may occur anywhere in the training sample."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a test shares with a sample of training text.

    Attributes:
        sampled: training sentences looked at.
        runs: different runs of ``RUN_WORDS`` words in the test.
        shared: those of them that the sample holds.
        offenders: per test sentence that shares anything, what it shares.
    """

    sampled: int
    runs: int
    shared: tuple[str, ...]
    whole: tuple[str, ...]
    offenders: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def share(self) -> float:
        """Shared runs over all runs."""
        return len(self.shared) / self.runs if self.runs else 0.0

    @property
    def clean(self) -> bool:
        """No whole sentence, and no more runs than ``MOST_SHARED``."""
        return not self.whole and self.share <= MOST_SHARED


def find_overlap(test: Sequence[str], training: Iterable[str]) -> Overlap:
    """Look for the sentences of ``test`` in ``training``, blind to case and punctuation.

    A sentence counts as whole when its words stand anywhere in a training text in this order.
    """
    words = {sentence: normalise_words(sentence) for sentence in test}
    wanted = {run for sentence in words.values() for run in _runs(sentence)}
    by_start: dict[tuple[str, ...], list[str]] = {}
    for sentence, its_words in words.items():
        by_start.setdefault(tuple(its_words[:RUN_WORDS]), []).append(sentence)
    lengths = {len(start) for start in by_start}
    found: set[tuple[str, ...]] = set()
    whole: set[str] = set()
    sampled = 0
    for text in training:
        sampled += 1
        said = normalise_words(text)
        found.update(run for run in _runs(said) if run in wanted)
        for length in lengths:
            for first in range(len(said) - length + 1):
                for sentence in by_start.get(tuple(said[first : first + length]), ()):
                    its_words = words[sentence]
                    if said[first : first + len(its_words)] == its_words:
                        whole.add(sentence)
    offenders = tuple(
        (sentence, shared)
        for sentence, its_words in words.items()
        if (shared := tuple(" ".join(run) for run in _runs(its_words) if run in found))
    )
    return Overlap(
        sampled=sampled,
        runs=len(wanted),
        shared=tuple(sorted(" ".join(run) for run in found)),
        whole=tuple(sorted(whole)),
        offenders=offenders,
    )


def _runs(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[first : first + RUN_WORDS]) for first in range(len(words) - RUN_WORDS + 1)]
