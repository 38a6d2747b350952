"""The door to what was recorded: a list for people, its words, and whether a file bears the own mark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeptSession:
    """A recorded session in one line of a list."""

    name: str
    folder: Path
    started: str
    """ISO 8601; '' where it is not known."""
    seconds: float
    """Length of its sound; 0 where there is none."""
    turns: int
    size_bytes: int
    state: str
    """``closed``, ``stopped`` (disk full), ``recovered`` (a crash), ``open``, or ``files`` (of ``talk``)."""


@dataclass(frozen=True, slots=True)
class MarkSearch:
    """What looking for the user's own mark in a sound file came to."""

    found: bool
    log10_p: float
    """Logarithm of the chance, at most, that a sound without the mark looks so; 0 is certainty."""
    spans_s: tuple[tuple[float, float], ...]
    """The parts of the file in which it is."""
    whole: bool = True
    """Whether the whole file was looked at; only its beginning otherwise."""


class Shelf(Protocol):
    """Reads what is on the disk: every method may take its time, none changes anything."""

    def sessions(self, root: Path) -> tuple[KeptSession, ...]:
        """What was recorded in ``root``, the newest first; none where there is no such folder."""
        ...

    def transcript(self, folder: Path) -> str:
        """What was said in a session, as text with times.

        Raises:
            ParleyError: when the folder holds no session.
        """
        ...

    def find_mark(self, file: Path) -> MarkSearch:
        """Look for the mark of the user's own key in a sound file.

        Raises:
            ParleyError: when there is no key yet, or the file cannot be read.
        """
        ...
