"""Words as they are compared: one spelling for what sounds the same to a reader. Pure."""

from __future__ import annotations

import re
import unicodedata

_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'"})
_NOT_A_WORD = re.compile(r"[^\w']|_")


def plain_words(text: str) -> list[str]:
    """The words for comparing: lower case, no punctuation but inner apostrophes, NFKC."""
    plain = unicodedata.normalize("NFKC", text).lower().translate(_APOSTROPHES)
    stripped = (word.strip("'") for word in _NOT_A_WORD.sub(" ", plain).split())
    return [word for word in stripped if word]


def phrases(*lines: str) -> frozenset[str]:
    """Phrases separated by commas or lines."""
    return frozenset(
        phrase.strip() for line in lines for phrase in re.split(r"[,\n]", line) if phrase.strip()
    )
