"""Long pauses inside a turn: cut the sound there, and join what was written down on both sides.

A recogniser that has learnt from single sentences stops writing at the first long pause. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.core.turn_end import finished
from app.core.types import LISTEN_RATE_HZ, FloatArray
from app.listening.guards import WINDOW_S, voiced_mask

PAUSE_S = 0.45
_PAD_S = 0.25
_UNFINISHED = 0.4


def cut_at_pauses(samples: FloatArray, probabilities: FloatArray) -> list[FloatArray]:
    """The parts of a turn between pauses of at least ``PAUSE_S``, each with some quiet around it.

    Args:
        samples: the turn at 16 kHz (N,).
        probabilities: its voice activity in 32 ms windows (T,).
    """
    voiced = np.flatnonzero(voiced_mask(probabilities))
    if not len(voiced):
        return []
    breaks = np.flatnonzero(np.diff(voiced) * WINDOW_S > PAUSE_S)
    starts = [int(voiced[0]), *(int(voiced[place + 1]) for place in breaks)]
    ends = [*(int(voiced[place]) + 1 for place in breaks), int(voiced[-1]) + 1]
    parts: list[FloatArray] = []
    for start, end in zip(starts, ends, strict=True):
        first = max(0, round((start * WINDOW_S - _PAD_S) * LISTEN_RATE_HZ))
        last = round((end * WINDOW_S + _PAD_S) * LISTEN_RATE_HZ)
        parts.append(samples[first:last])
    return parts


def join_phrases(texts: Sequence[str]) -> str:
    """One text of what was said between the pauses; a sentence that went on after one is made whole."""
    joined = ""
    for text in texts:
        if text and joined and finished(joined) < _UNFINISHED:
            joined = f"{joined.rstrip('.?!,… ')} {_lowered(text)}"
        else:
            joined = f"{joined} {text}".strip()
    return joined


def _lowered(text: str) -> str:
    """``text`` with a small first letter, unless it is "I" or the word is all capitals."""
    first = text.split(maxsplit=1)[0]
    if first == "I" or first.startswith("I'") or first[1:2].isupper():
        return text
    return text[:1].lower() + text[1:]
