"""Word error rate: how a recogniser's text is compared with what was said.

Normalisation, the same for both sides: Unicode NFKC, lower case, typographic apostrophes made
plain, every other character that is no letter, digit or apostrophe becomes a space, apostrophes at
the ends of a word go. Numbers are not rewritten: `7` and `seven` differ. Knows no model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'"})
_NOT_A_WORD = re.compile(r"[^\w']|_")


def normalise_words(text: str) -> list[str]:
    """The words of `text` as the comparison sees them (see the top of this file)."""
    plain = unicodedata.normalize("NFKC", text).lower().translate(_APOSTROPHES)
    words = (word.strip("'") for word in _NOT_A_WORD.sub(" ", plain).split())
    return [word for word in words if word]


def word_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """(errors, words of the reference): the fewest substitutions, insertions and deletions of
    words.

    Levenshtein distance by one row of the dynamic programme. Sum both numbers over a set and
    divide once: a mean of rates would weigh short sentences too much.
    """
    said, heard = normalise_words(reference), normalise_words(hypothesis)
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, start=1):
            best = min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
            diagonal, row[j] = row[j], best
    return row[-1], len(said)


def error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Errors per reference word over (reference, hypothesis) pairs; 0.0 when there is no word
    at all.
    """
    errors = words = 0
    for reference, hypothesis in pairs:
        wrong, count = word_errors(reference, hypothesis)
        errors += wrong
        words += count
    return errors / words if words else 0.0
