"""What of an answer was heard, in words and in frames."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.types import SPEECH_RATE_HZ

FRAME_SAMPLES = 1920
"""80 ms at 24 kHz: the grid on which the engine can cut its memory."""
_LEAD_S = 0.08
"""Quiet at the beginning of a spoken line, about one frame."""
_WORD = re.compile(r"\S+")


@dataclass(slots=True)
class Piece:
    """A piece of an answer: its text and where its sound lies in the answer (24 kHz samples)."""

    text: str
    start: int = 0
    samples: int = 0
    done: bool = False


def heard_chars(pieces: Sequence[Piece], heard: int) -> int:
    """How many characters of the joined pieces were heard after ``heard`` samples.

    Whole words only: a word counts once half of it was heard. Inside a piece, time is shared out by
    characters, which for read speech is right to about a word.
    """
    total = 0
    for piece in pieces:
        if piece.done and heard >= piece.start + piece.samples:
            total += len(piece.text)
            continue
        inside = heard - piece.start - _LEAD_S * SPEECH_RATE_HZ
        sounding = piece.samples - _LEAD_S * SPEECH_RATE_HZ
        if not piece.done:
            # Still being made: it will be about as long as its text says (15 characters a second).
            sounding = max(sounding, len(piece.text) / 15.0 * SPEECH_RATE_HZ)
        if inside <= 0 or sounding <= 0:
            break
        reached = inside / sounding * len(piece.text.strip())
        offset = len(piece.text) - len(piece.text.lstrip())
        words = [
            match.end()
            for match in _WORD.finditer(piece.text)
            if (match.start() + match.end()) / 2 - offset <= reached
        ]
        if words:
            total += words[-1]
        break
    return total


def heard_frames(heard: int) -> int:
    """80 ms frames of which at least a part was heard."""
    return math.ceil(max(0, heard) / FRAME_SAMPLES)
