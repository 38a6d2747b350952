"""Spelling and counting of letters."""

from __future__ import annotations

import re

from .tools_numbers import speak_integer
from .tools_text import sentence

_WORD = r"(?P<word>[a-z']+(?: [a-z']+){0,2})"
_LEAD = r"(?:the (?:word|name) )?"
# A small recogniser may well write "spel".
_SPELL = (
    re.compile(rf"^(?:how (?:do|would|can|should|does) (?:you|i|we|one) )spell? {_LEAD}{_WORD}$"),
    re.compile(rf"^how (?:is|was|are) {_LEAD}{_WORD} (?:spelled|spelt|written)$"),
    re.compile(rf"^(?:(?:can|could|would|will) you (?:please )?)?(?:please )?spell?(?: out)? {_LEAD}{_WORD}$"),
    re.compile(rf"^(?:what is )?the (?:right |correct )?spelling of {_LEAD}{_WORD}$"),
)  # fmt: skip
_LETTERS = (
    re.compile(rf"^how many letters (?:are (?:there )?in|has|in) {_LEAD}(?P<word>[a-z']+)$"),
    re.compile(rf"^how many letters does {_LEAD}(?P<word>[a-z']+) have$"),
)
# Words that point at something else than themselves.
_POINTERS = frozenset(
    "it that this these those them something my his her our your a an the".split()
)
_OWN_NAME = ("your name", "yourself", "your own name")


def answer_spelling(text: str) -> str | None:
    """ "How do you spell necessary", "how many letters are in banana"; None for anything else."""
    for pattern in _SPELL:
        if match := pattern.match(text):
            word = match["word"]
            if word in _OWN_NAME:
                return spell("Parley")
            return None if word.split()[0] in _POINTERS else spell(word)
    for pattern in _LETTERS:
        if match := pattern.match(text):
            word = match["word"]
            if word in _POINTERS or len(word) < 2:
                return None
            count = len(word.replace("'", ""))
            return sentence(f"{word} has {speak_integer(count)} letters")
    return None


def spell(word: str) -> str:
    """``Cat is spelled C, A, T.``"""
    names = {"'": "apostrophe", "-": "hyphen"}
    parts = [
        ", ".join(names.get(letter, letter.upper()) for letter in part) for part in word.split()
    ]
    return sentence(f"{word} is spelled {', new word, '.join(parts)}")
