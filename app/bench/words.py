"""Comparing words: how many are wrong, and how far into a text a listener came."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.words import plain_words


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """(substitutions, insertions and deletions at the least; words said)."""
    reference = plain_words(said)
    return distances(reference, plain_words(heard))[-1], len(reference)


def best_prefix(text: Sequence[str], heard: Sequence[str]) -> int:
    """How many words of ``text`` are the likeliest to have been heard; the fewest when it is a tie."""
    # distances(heard, text)[k] is the distance of all that was heard to the first k words of the text.
    costs = distances(heard, text)
    return costs.index(min(costs))


def distances(one: Sequence[str], other: Sequence[str]) -> list[int]:
    """Levenshtein distance of all of ``one`` to each front part of ``other``, from none to all of it."""
    row = list(range(len(other) + 1))
    for i, word in enumerate(one, start=1):
        diagonal, row[0] = row[0], i
        for j, candidate in enumerate(other, start=1):
            best = min(row[j] + 1, row[j - 1] + 1, diagonal + (word != candidate))
            diagonal, row[j] = row[j], best
    return row
