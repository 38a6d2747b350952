"""What of a growing transcript can be shown as certain: LocalAgreement-2 on words.

A word is stable once two hypotheses in a row agree on it and on all before it, and it is not the
newest word, whose end may not have been heard (Macháček, Dabre, Bojar: Turning Whisper into a
Real-Time Transcription System, 2023). Case and punctuation do not count when comparing.
"""

from __future__ import annotations

from app.core.words import plain_words


class Agreement:
    """The partial transcript of one turn; ``reset`` before the next."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new turn."""
        self._stable: list[str] = []
        self._before: list[str] = []

    def feed(self, hypothesis: str) -> str:
        """Take in what the recogniser makes of all the sound so far; returns the stable front.

        What is once stable stays to the letter, also when later hypotheses say otherwise.
        """
        words = hypothesis.split()
        agreed = _agreeing(self._before, words)
        certain = min(agreed, len(words) - 1)
        self._stable += words[len(self._stable) : certain]
        self._before = words
        return self.stable

    @property
    def stable(self) -> str:
        """The words that will not change any more."""
        return " ".join(self._stable)

    @property
    def text(self) -> str:
        """The stable words and after them what the last hypothesis adds."""
        return " ".join([*self._stable, *self._before[len(self._stable) :]])


def _agreeing(one: list[str], other: list[str]) -> int:
    """How many words at the front are the same for the ear."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if plain_words(left) != plain_words(right):
            break
        count += 1
    return count
