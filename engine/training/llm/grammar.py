"""A small grammar for wordings: ``(a|b)`` one of, ``[a|b]`` perhaps one of, ``{slot}`` a slot.

Knows nothing of intents. One pattern is one family of wordings.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(r"[()\[\]|]|[^()\[\]|]+")


class GrammarError(ValueError):
    """A pattern whose brackets do not match."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several sequences; each sequence is a tuple of texts and choices."""

    options: tuple[tuple[str | Choice, ...], ...]


Sequence = tuple[str | Choice, ...]


def parse(pattern: str) -> Sequence:
    """Parse a pattern. Raises GrammarError on unbalanced brackets or a bare ``|``."""
    tokens = _TOKEN.findall(pattern)
    sequence, position = _parse_sequence(tokens, 0)
    if position != len(tokens):
        raise GrammarError(f"unexpected {tokens[position]!r} in pattern {pattern!r}")
    return sequence


def _parse_sequence(tokens: list[str], position: int) -> tuple[Sequence, int]:
    items: list[str | Choice] = []
    while position < len(tokens) and tokens[position] not in ")]|":
        token = tokens[position]
        if token in "([":
            close = ")" if token == "(" else "]"
            options: list[Sequence] = [()] if token == "[" else []
            while True:
                option, position = _parse_sequence(tokens, position + 1)
                options.append(option)
                if position >= len(tokens):
                    raise GrammarError(f"missing {close!r} in {''.join(tokens)!r}")
                if tokens[position] != "|":
                    break
            if tokens[position] != close:
                raise GrammarError(f"expected {close!r} in {''.join(tokens)!r}")
            items.append(Choice(tuple(options)))
        else:
            items.append(token)
        position += 1
    return tuple(items), position


def sample(sequence: Sequence, rng: random.Random) -> str:
    """One random wording, slots left in place."""
    return _tidy("".join(_sample(sequence, rng)))


def _sample(sequence: Sequence, rng: random.Random) -> Iterator[str]:
    for item in sequence:
        if isinstance(item, str):
            yield item
        else:
            yield from _sample(rng.choice(item.options), rng)


def expand(sequence: Sequence) -> Iterator[str]:
    """Every wording, slots left in place; may repeat a wording."""
    for text in _expand(sequence):
        yield _tidy(text)


def _expand(sequence: Sequence) -> Iterator[str]:
    if not sequence:
        yield ""
        return
    head, rest = sequence[0], sequence[1:]
    heads = [head] if isinstance(head, str) else [t for o in head.options for t in _expand(o)]
    for tail in _expand(rest):
        for text in heads:
            yield text + tail


def count(sequence: Sequence) -> int:
    """Number of expansions (with repeats), without making them."""
    total = 1
    for item in sequence:
        if isinstance(item, Choice):
            total *= sum(count(option) for option in item.options)
    return total


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace every ``{slot}`` by its value. Raises KeyError for a slot without one."""
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], text)


def slots(text: str) -> set[str]:
    """Names of the slots in a text or pattern."""
    return set(re.findall(r"\{(\w+)\}", text))


def _tidy(text: str) -> str:
    return " ".join(text.split())
