"""From segments to positions of the backbone: what is in the window, and how long a line may be.

A segment is its text frames, its audio frames and one EOS frame (all codes zero). Segments stay
whole: the window drops the oldest ones entirely and never the voice prompt (a segment that is cut
through teaches the model a wrong alignment of text and sound).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.types import CodeArray, PromptPlan


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A segment ready for the cache: text ids and codes (T, K)."""

    ids: tuple[int, ...]
    codes: CodeArray

    @property
    def positions(self) -> int:
        """Places it takes in the window, the EOS frame included."""
        return len(self.ids) + len(self.codes) + 1


def plan(lengths: Sequence[int], pinned: int, room: int, window: int) -> PromptPlan:
    """Choose the segments that stay: the latest ones that fit between voice and reply.

    Args:
        lengths: positions of each segment of the history, oldest first.
        pinned: positions of the voice prompt, which always stays.
        room: positions kept free for the line to come.
        window: positions of the model.

    Returns:
        Indices of a contiguous run at the end of the history, and the positions in use with the
        pinned ones. A single segment longer than the window is dropped like any other.
    """
    used = pinned
    first = len(lengths)
    while first > 0 and used + lengths[first - 1] + room <= window:
        first -= 1
        used += lengths[first]
    return PromptPlan(kept=list(range(first, len(lengths))), positions=used)


@dataclass(frozen=True, slots=True)
class FrameBudget:
    """How many frames a line of text may sensibly take.

    ``least``: before it, the end of the line is not believed. ``expected``: after it, silence or
    repetition ends the line. ``most``: here the line is stopped.
    """

    least: int
    expected: int
    most: int


def frame_budget(text: str, frame_rate_hz: float) -> FrameBudget:
    """Bounds from the number of letters: 30, 11 and 5 letters a second, with room for pauses.

    Conversational English runs at 12 to 18 letters and spaces a second; the bounds lie well
    outside, so that they only catch failures.
    """
    letters = sum(character.isalnum() for character in text)
    pauses = len(re.findall(r"[.,?!]", text))
    return FrameBudget(
        least=math.floor(frame_rate_hz * letters / 30),
        expected=math.ceil(frame_rate_hz * (letters / 11 + 0.3 * pauses + 0.3)),
        most=math.ceil(frame_rate_hz * (letters / 5 + 0.5 * pauses + 1.5)),
    )


def split_lines(text: str, most: int = 120) -> list[str]:
    """Cut speakable text into lines of at most ``most`` characters (one long word excepted).

    Prefers ends of sentences, then commas, then spaces; every line ends with punctuation, because
    the model ends lines on it.
    """
    lines: list[str] = []
    for sentence in re.findall(r"[^.?!]+[.?!]+['\"]?|[^.?!]+$", text):
        rest = sentence.strip()
        while len(rest) > most:
            cut = rest.rfind(",", most // 3, most)
            cut = cut + 1 if cut >= 0 else rest.rfind(" ", 1, most)
            if cut <= 0:
                cut = rest.find(" ", most)
            if cut <= 0:
                break
            lines.append(rest[:cut].strip())
            rest = rest[cut:].strip()
        if rest:
            lines.append(rest)
    return [line if line[-1] in ".,?!" else f"{line}," for line in lines]


def renumbered(line: Prepared, ours: Sequence[int], theirs: Sequence[int]) -> Prepared:
    """The line as another speaker's, when it is ours and stays as long; else as it is.

    ``ours`` and ``theirs`` are the ids of the same text with either speaker's number.
    """
    places = [
        place for place, pair in enumerate(zip(ours, theirs, strict=False)) if len(set(pair)) > 1
    ]
    if len(ours) != len(theirs) or len(places) != 1:
        return line
    place = places[0]
    if line.ids[: place + 1] != tuple(ours[: place + 1]):
        return line
    return Prepared((*line.ids[:place], theirs[place], *line.ids[place + 1 :]), line.codes)


def no_codes(codebooks: int) -> CodeArray:
    """An empty (0, K) code array."""
    return np.zeros((0, codebooks), dtype=np.int64)
