"""Several readings of a line: the best is spoken, and of the others nothing stays."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from engine import candidates
from engine.candidates import Reading
from engine.csm.prompt import FrameBudget
from engine.generator import Conversation, SpeechEngine
from engine.runtime.decoder import Decoder, Prefix
from engine.types import Ended, Sampling
from tests.engine.tiny import tiny_engine, tiny_segment, tiny_voice

TEXT = "This is a line."


@pytest.fixture(scope="module")
def engine() -> SpeechEngine:
    return tiny_engine(sampling=Sampling(temperature=1.0, top_k=20))


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Reading]:
    """What was read, in order."""
    readings: list[Reading] = []
    real = candidates._readings

    def noted(
        decoder: Decoder, budget: FrameBudget, count: int, cancelled: Callable[[], bool]
    ) -> list[Reading] | None:
        made = real(decoder, budget, count, cancelled)
        readings.extend(made or ())
        return made

    monkeypatch.setattr(candidates, "_readings", noted)
    return readings


def begun(engine: SpeechEngine) -> Conversation:
    conversation = engine.conversation(tiny_voice(), seed=4)
    conversation.add(tiny_segment(5))
    return conversation


def cached(conversation: Conversation) -> torch.Tensor:
    saved = conversation._decoder.save(0, conversation.positions)
    return torch.stack((saved.keys, saved.values))


def test_an_end_in_time_comes_before_an_end_and_that_before_likelihood() -> None:
    budget = FrameBudget(least=2, expected=4, most=9)
    nowhere = Prefix(np.zeros((1, 1, 0, 1)), np.zeros((1, 1, 0, 1)), 0)

    def reading(frames: int, likelihood: float, ended: bool) -> Reading:
        return Reading(np.ones((frames, 4), np.int64), likelihood, ended, nowhere)

    worst_first = [
        reading(9, -1.0, ended=False),
        reading(6, -5.0, ended=True),
        reading(6, -2.0, ended=True),
        reading(3, -9.0, ended=True),
        reading(4, -8.0, ended=True),
    ]
    ranks = [one.rank(budget) for one in worst_first]
    assert ranks == sorted(ranks)


def test_the_best_reading_is_spoken_as_if_it_were_the_only_one(
    engine: SpeechEngine, found: list[Reading]
) -> None:
    lived = begun(engine)
    frames = list(lived.speak(TEXT, candidates=3))
    assert len(found) == 3
    assert len({one.codes.tobytes() for one in found}) == 3
    spoken = np.stack([frame.codes for frame in frames])
    chosen = [one for one in found if np.array_equal(one.codes[: len(spoken)], spoken)]
    assert len(chosen) == 1
    told = begun(engine)
    told.respoken(TEXT, spoken)
    assert told.positions == lived.positions
    torch.testing.assert_close(cached(lived), cached(told), atol=2e-5, rtol=0)
    sound = np.concatenate([frame.samples for frame in frames])
    np.testing.assert_allclose(sound, engine.codec.decode(spoken), atol=1e-5)


@pytest.mark.parametrize("looks", [0, 3, 12])
def test_a_line_given_up_while_it_is_chosen_leaves_no_trace(
    engine: SpeechEngine, looks: int
) -> None:
    lived, asked = begun(engine), itertools.count()
    before, noise = cached(lived), lived._decoder.noise
    assert not list(lived.speak(TEXT, lambda: next(asked) >= looks, candidates=3))
    assert torch.equal(cached(lived), before)
    assert lived._decoder.noise == noise
    assert lived.report is not None and lived.report.ended is Ended.CANCELLED


def test_a_chosen_line_that_is_cut_is_kept_as_far_as_it_was_heard(engine: SpeechEngine) -> None:
    lived = begun(engine)
    frames = lived.speak(TEXT, candidates=2)
    heard = np.stack([next(frames).codes for _ in range(3)])
    frames.close()
    told = begun(engine)
    told.respoken(TEXT, heard)
    torch.testing.assert_close(cached(lived), cached(told), atol=2e-5, rtol=0)


def test_one_candidate_is_the_plain_line(engine: SpeechEngine, found: list[Reading]) -> None:
    one, other = begun(engine), begun(engine)
    ours = [frame.codes for frame in one.speak(TEXT, candidates=1)]
    assert np.array_equal(ours, [frame.codes for frame in other.speak(TEXT)])
    assert not found
