"""Cut a stream of text into pieces that can be spoken while the rest is still being written.

The first piece is short, so that the first sound comes early. Joined, the pieces are the text;
where they are cut depends on the text alone, not on how it arrived.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Lower case, without the last dot. A name nearly always follows the first group, and a number the
# second (where it does not, as in "I said no. Then", the dot ends the sentence).
_BEFORE_NAME = frozenset(
    re.findall(
        r"\S+",
        """mr mrs ms messrs dr prof st rev hon gov sen rep pres capt col gen lt sgt mt ft
        vs eg ie e.g i.e cf approx""",
    )
)
_BEFORE_NUMBER = frozenset(
    re.findall(
        r"\S+",
        """no nos vol fig figs ch sec p pp approx
        jan feb mar apr jun jul aug sep sept oct nov dec""",
    )
)
_CLOSERS = "\"')]}»”’*_`"
_SENTENCE_MARKS = ".!?…。！？"
_CLAUSE_MARKS = ",;:—–"
_WIDE_MARKS = "。！？"
_ELLIPSIS = re.compile(r"(?:\.{2,}|…)$")
_LETTER_DOTS = re.compile(r"^(?:[^\W\d_]\.)*[^\W\d_]$")
_ENUMERATOR = re.compile(r"^[(\[]?(?:\d{1,3}|[a-zA-Z])[.)]$")
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class ChunkRules:
    """How long pieces may be: at least so many words, cut before about so many characters.

    ``first_clause`` lets the first piece end at a comma; later ones end with a sentence.
    ``hard_chars`` is where even a word is cut.
    """

    first_clause: bool = True
    first_words: int = 4
    words: int = 4
    first_chars: int = 80
    chars: int = 180
    hard_chars: int = 400


WHOLE_SENTENCES = ChunkRules(first_clause=False, first_chars=180)
"""For a text that is all there: nothing is gained by a short first piece."""


class SentenceChunker:
    """Feed it text as it comes; it answers with pieces as soon as their end is certain."""

    def __init__(self, rules: ChunkRules | None = None) -> None:
        self._rules = rules or ChunkRules()
        self._buffer = ""
        self._first = True

    def feed(self, text: str) -> list[str]:
        """The pieces that this addition completes, each with the space that follows it."""
        done: list[str] = []
        for char in text:
            piece = self._push(char)
            if piece:
                done.append(piece)
        return done

    def finish(self) -> list[str]:
        """What is left at the end of the text; the chunker starts afresh."""
        rest, self._buffer, self._first = self._buffer, "", True
        return [rest] if rest.strip() else []

    def _push(self, char: str) -> str:
        """Add one character; the piece that ends before it, or ''."""
        buffer = self._buffer
        cut = 0
        if buffer and not char.isspace():
            if buffer[-1].isspace():
                cut = self._cut_at_space(buffer, char)
            elif buffer[-1] in _WIDE_MARKS and char not in _WIDE_MARKS + _CLOSERS:
                cut = len(buffer)
            elif len(buffer) >= self._rules.hard_chars and buffer.strip():
                cut = _before_last_word(buffer) or len(buffer)
        self._buffer = buffer[cut:] + char
        if cut:
            self._first = False
        return buffer[:cut]

    @property
    def _limit(self) -> int:
        return self._rules.first_chars if self._first else self._rules.chars

    def _cut_at_space(self, buffer: str, following: str) -> int:
        """Where to cut ``buffer``, which ends with space, before a word; 0 for not yet."""
        body = buffer.rstrip()
        if not body:
            return 0
        words = body.split()
        spoken = sum(1 for word in words if _WORD.search(word))
        rules = self._rules
        if spoken and "\n" in buffer[len(body) :]:
            return len(buffer)
        wanted = rules.first_words if self._first else rules.words
        ends = _ends_sentence(words, following) or (
            self._first and rules.first_clause and _ends_clause(words[-1], following)
        )
        if ends and spoken >= wanted:
            return len(buffer)
        return _forced_cut(buffer, following) if len(buffer) >= self._limit else 0


def chunks(text: str, rules: ChunkRules | None = None) -> list[str]:
    """The pieces of a text that is all there."""
    chunker = SentenceChunker(rules)
    return chunker.feed(text) + chunker.finish()


def _ends_sentence(words: list[str], following: str) -> bool:
    """Whether the last word ends a sentence, given the first character of the next."""
    word = words[-1].rstrip(_CLOSERS)
    if not word or word[-1] not in _SENTENCE_MARKS or following.islower():
        return False
    if not _WORD.search(word) or following in _SENTENCE_MARKS:
        return False
    if word[-1] in "!?":
        return True
    if _ELLIPSIS.search(word):
        return False
    if _is_abbreviation(word, following):
        return False
    return not (_ENUMERATOR.match(word) and (len(words) == 1 or following.isdigit()))


def _is_abbreviation(word: str, following: str) -> bool:
    """Whether the dot at the end of ``word`` belongs to it."""
    stem = word.lstrip("\"'([{“‘").removesuffix(".")
    if not word.endswith(".") or stem == "I":
        return False
    return (
        stem.lower() in _BEFORE_NAME
        or (stem.lower() in _BEFORE_NUMBER and following.isdigit())
        or _LETTER_DOTS.match(stem) is not None
    )


def _ends_clause(word: str, following: str) -> bool:
    """Whether a comma or the like after ``word`` is a place to breathe."""
    mark = word.rstrip(_CLOSERS)[-1:]
    if not mark or mark not in _CLAUSE_MARKS:
        return False
    return not (following.isdigit() and any(char.isdigit() for char in word))


def _forced_cut(buffer: str, following: str) -> int:
    """Where to cut text that has grown too long: after its last clause, else before ``following``.

    Never inside a word, and not between the digits of a grouped number.
    """
    words = list(re.finditer(r"\S+\s+", buffer))
    for place in range(len(words) - 1, len(words) // 2, -1):
        match = words[place]
        after = following if place == len(words) - 1 else words[place + 1].group()[0]
        if _ends_clause(match.group().rstrip(), after):
            return match.end()
    last = words[-1].group().rstrip()
    bound = (
        (following.isdigit() and last[-1].isdigit())
        or _is_abbreviation(last, following)
        or (following in _SENTENCE_MARKS and last[-1] in _SENTENCE_MARKS)
    )
    return (_before_last_word(buffer) if bound else 0) or len(buffer)


def _before_last_word(buffer: str) -> int:
    """Where the last word of ``buffer`` begins; 0 when only space stands before it."""
    start = len(buffer.rstrip())
    while start and not buffer[start - 1].isspace():
        start -= 1
    return start if buffer[:start].strip() else 0
