"""Text as people and language models write it → English that a voice can read aloud.

CSM's text side knows letters best: digits, symbols, markup and brackets make it mumble or hang. So every
line passes through ``speakable`` first, and what comes out has only letters, apostrophes, spaces and
``. , ? !`` and ends with punctuation (the model ends its lines on it).

Numbers are worded by num2words: small, pure Python, maintained, and right about cardinals, ordinals and
years. Looked at and left: inflect (numbers only beside much else, and no years), Unidecode (GPL), and the
weighted-grammar normalisers built on OpenFst (compiled parts that do not install everywhere, and seconds
of start-up). Everything around the numbers (dates, money, units, markup, abbreviations, addresses) is ours
and lies in the sibling modules: ``normalise_markup``, ``normalise_times``, ``normalise_numbers``,
``normalise_words``.

Every pattern in these modules has bounded repeats or starts only where a run starts, so that time grows
with the length of the text and no input is slow.
"""

from __future__ import annotations

import re

from engine.normalise_markup import clean_characters, plain_lines
from engine.normalise_numbers import word_numbers
from engine.normalise_times import word_times
from engine.normalise_words import word_addresses, word_capitals, word_shortenings, word_symbols

_MOST_PASSES = 6
_LONGEST_WORD = 40
"""Letters; a longer run is no word, and has to be broken somewhere so that lines can be cut."""

_LETTER = re.compile(r"[A-Za-z]")
_ASIDE = re.compile(r"\s*[()\[\]{}]+\s*")
_PLURAL_ASIDE = re.compile(r"(?<=[A-Za-z])\((e?s)\)")
_DASH = re.compile(r"\s*(?:[–—]+|(?<=\s)-+(?=\s)|--+|(?<=\s)-+$)\s*")
_STOPS = re.compile(r"\.(?: ?\.)+|…")
_LOOSE_APOSTROPHE = re.compile(r"(?<![A-Za-z])'|'(?![A-Za-z])")
_OTHER = re.compile(r"[^A-Za-z'.,?! ]+")
_SPACES = re.compile(r"\s+")
_MARKS = re.compile(r" ?[.,?!][.,?! ]*")
_LONG_WORD = re.compile(rf"[A-Za-z']{{{_LONGEST_WORD}}}(?=[A-Za-z'])")


def speakable(text: str) -> str:
    """English for the voice, or '' when nothing in ``text`` can be spoken.

    Never raises, whatever characters come; applying it twice is the same as once.
    """
    for _ in range(_MOST_PASSES):
        # Wording one thing can reveal another ("St" at the end of a line gains a full stop).
        before, text = text, _once(text)
        if text == before:
            break
    return text


def _once(text: str) -> str:
    text = plain_lines(clean_characters(text))
    text = word_addresses(text)
    text = word_times(text)
    text = word_shortenings(text)
    text = word_numbers(text)
    text = word_symbols(text)
    text = word_capitals(text)
    return _punctuated(text)


def _punctuated(text: str) -> str:
    """Only the permitted characters, single spaces, single marks, a mark at the end."""
    text = _PLURAL_ASIDE.sub(r"\1", text)
    text = _ASIDE.sub(", ", text)
    text = _DASH.sub(", ", text)
    text = text.replace(";", ", ").replace(":", ", ")
    text = _STOPS.sub(_stop_or_pause, text)
    text = _LOOSE_APOSTROPHE.sub(" ", text)
    text = _SPACES.sub(" ", _OTHER.sub(" ", text))
    text = _MARKS.sub(_strongest, text).lstrip(".,?! ").rstrip(" ,'")
    if not _LETTER.search(text):
        return ""
    text = _LONG_WORD.sub(lambda word: word[0].replace("'", "") + " ", text)
    return text if text[-1] in ".?!" else f"{text}."


def _stop_or_pause(match: re.Match[str]) -> str:
    """An ellipsis inside a sentence is a pause; before a capital or at the end it is a full stop."""
    rest = match.string[match.end() : match.end() + 2].lstrip()
    return ", " if rest[:1].islower() else ". "


def _strongest(match: re.Match[str]) -> str:
    for mark in "?!.":
        if mark in match[0]:
            return f"{mark} "
    return ", "
