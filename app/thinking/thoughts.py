"""Leave out what a reasoning model thinks aloud: only its answer is for the ear."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_OPEN, _CLOSE = "<think>", "</think>"


def without_thoughts(pieces: Iterable[str]) -> Iterator[str]:
    """The text outside of ``<think> … </think>``, whatever way it is cut into pieces."""
    buffer, inside = "", False
    for piece in pieces:
        buffer += piece
        while True:
            mark = _CLOSE if inside else _OPEN
            before, found, after = buffer.partition(mark)
            if not found:
                break
            if before and not inside:
                yield before
            buffer, inside = after, not inside
        # The end of what came may be the beginning of a mark.
        held = _held(buffer, _CLOSE if inside else _OPEN)
        ready, buffer = buffer[: len(buffer) - held], buffer[len(buffer) - held :]
        if ready and not inside:
            yield ready
    if buffer and not inside:
        yield buffer


def _held(text: str, mark: str) -> int:
    """How many of the last characters of ``text`` could begin ``mark``."""
    return next(
        (n for n in range(min(len(mark) - 1, len(text)), 0, -1) if mark.startswith(text[-n:])), 0
    )
