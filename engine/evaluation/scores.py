"""Sums over a test: word errors with their uncertainty, and shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.evaluation.wer import word_errors


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said, what the recogniser made of it, and who said it."""

    text: str
    heard: str
    voice: str

    @property
    def errors(self) -> int:
        """Wrong, missing and added words."""
        return word_errors(self.text, self.heard)[0]

    @property
    def words(self) -> int:
        """Words that were said."""
        return word_errors(self.text, "")[1]


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """Errors per word over a test, and the standard error of that figure (bootstrap by sentence)."""

    rate: float
    standard_error: float
    errors: int
    words: int
    utterances: int


def error_rate_of(heard: Sequence[Heard]) -> ErrorRate:
    """Add up; an empty test has rate 0."""
    errors = np.array([item.errors for item in heard], np.int64)
    words = np.array([item.words for item in heard], np.int64)
    if not words.sum():
        return ErrorRate(0.0, 0.0, 0, 0, len(heard))
    draws = np.random.default_rng(0).integers(len(heard), size=(1000, len(heard)))
    spread = float((errors[draws].sum(1) / np.maximum(words[draws].sum(1), 1)).std())
    rate = float(errors.sum() / words.sum())
    return ErrorRate(rate, spread, int(errors.sum()), int(words.sum()), len(heard))


def share(yes: Sequence[bool]) -> float:
    """Part of a test for which something holds; 0 for an empty one."""
    return sum(yes) / len(yes) if yes else 0.0


def worst(heard: Sequence[Heard], count: int = 5) -> list[Heard]:
    """The items with the highest share of wrong words, worst first."""
    wrong = [item for item in heard if item.errors]
    return sorted(wrong, key=lambda item: item.errors / max(item.words, 1), reverse=True)[:count]
