"""Sound and words judge the end of a turn together."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.turn_end import NOT_YET, TextCue
from app.listening.end_of_turn import Together

SOUND = np.zeros(1600, np.float32)


class Fixed:
    """A judge of one opinion."""

    def __init__(self, opinion: float) -> None:
        self.opinion = opinion

    def score(self, silence_s, text, asked, at_16k=None) -> float:
        return self.opinion


def test_two_judges_of_one_mind_keep_it() -> None:
    for opinion in (0.1, 0.5, 0.9):
        judge = Together(Fixed(opinion), Fixed(opinion))
        assert judge.score(0.3, "so", False, SOUND) == pytest.approx(opinion)


def test_each_can_outvote_the_other() -> None:
    words = "I went to the sea."
    sure, unsure = Together(Fixed(0.99)), Together(Fixed(0.02))
    assert unsure.score(0.3, words, False, SOUND) < 0.4
    assert sure.score(0.3, words, False, SOUND) > TextCue().score(0.3, words, False)
    assert Together(Fixed(0.99), sound_weight=1.0).score(0.3, "and", False, SOUND) > 0.9


def test_a_judge_at_the_very_edge_is_no_trouble() -> None:
    assert 0 < Together(Fixed(1.0), Fixed(0.0)).score(0.3, "so", False, SOUND) < 1


def test_without_sound_the_words_decide() -> None:
    judge = Together(Fixed(1.0))
    for sound in (None, SOUND[:0]):
        assert judge.score(0.3, "I want to", False, sound) == TextCue().score(
            0.3, "I want to", False
        )


def test_who_asked_for_time_is_not_outvoted() -> None:
    assert Together(Fixed(1.0)).score(1.0, "Let me think", False, SOUND) == NOT_YET
