"""Judging the end of a turn by its sound and its words together.

The words alone are judged by ``app.core.turn_end.TextCue``. A learned model of the sound (Smart
Turn and its kind) is an ``EndOfTurn`` too, and ``Together`` lets the two outvote each other.
"""

from __future__ import annotations

import math

from app.core.turn_end import EndOfTurn, TextCue, asks_for_time
from app.core.types import FloatArray

_EDGE = 0.02
"""No judge is surer than this of either, so that the other one can still be heard."""


class Together:
    """The ``EndOfTurn`` that asks a model of the sound and the words, and weighs their odds."""

    def __init__(
        self, sound: EndOfTurn, words: EndOfTurn | None = None, sound_weight: float = 0.5
    ) -> None:
        self._sound = sound
        self._words = words or TextCue()
        self._weight = sound_weight

    def score(
        self, silence_s: float, text: str, asked: bool, at_16k: FloatArray | None = None
    ) -> float:
        """The weighted mean of both judges' log-odds as a probability.

        Without sound, or when the user asked for time, the words alone decide.
        """
        by_words = self._words.score(silence_s, text, asked, at_16k)
        if at_16k is None or not len(at_16k) or asks_for_time(text):
            return by_words
        by_sound = self._sound.score(silence_s, text, asked, at_16k)
        mean = self._weight * _log_odds(by_sound) + (1 - self._weight) * _log_odds(by_words)
        return 1 / (1 + math.exp(-mean))


def _log_odds(probability: float) -> float:
    kept = min(max(probability, _EDGE), 1 - _EDGE)
    return math.log(kept / (1 - kept))
