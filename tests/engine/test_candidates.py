"""Several readings of a line: the best is spoken, and of the others nothing stays."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from engine import candidates
from engine.candidates import Reading
from engine.csm.prompt import FrameBudget
from engine.generator import Conversation, SpeechEngine
from engine.runtime.decoder import Decoder, Drawn, Prefix
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


class Scripted:
    """Branches that end after so many frames, each frame as likely as said."""

    def __init__(self, lengths: list[int], likely: list[float]) -> None:
        self.alive: tuple[int, ...] = tuple(range(len(lengths)))
        self.frames = 0
        self._lengths, self._likely = lengths, likely

    def draw(self, at_least: int = 0) -> Drawn:
        self.frames += 1
        over = np.array([self.frames > self._lengths[number] for number in self.alive])
        likely = np.array([[self._likely[number]] * 4 for number in self.alive], np.float32)
        return Drawn(np.ones((len(self.alive), 4), np.int64), over, likely)

    def feed(self, branches: Sequence[int]) -> None:
        self.alive = tuple(branches)

    def save(self, branch: int) -> Prefix:
        return Prefix(np.zeros((1, 1, branch, 1)), np.zeros((1, 1, branch, 1)), 0)


def chosen(lengths: list[int], likely: list[float], least: int = 1) -> tuple[int, int]:
    """Which of the scripted readings is the best, and how many frames were drawn for it."""
    branches = Scripted(lengths, likely)
    decoder = SimpleNamespace(
        branch=lambda count, most: branches, noise=b"", config=SimpleNamespace(codebooks=4)
    )
    budget = FrameBudget(least=least, expected=6, most=20)
    found = candidates.best(cast("Any", decoder), budget, len(lengths), lambda: False)
    assert found is not None
    return found.positions.positions, branches.frames


def test_the_likelier_of_those_that_end_in_time() -> None:
    assert chosen([5, 4, 6], [-3.0, -1.0, -2.0])[0] == 1


def test_nobody_waits_for_one_that_cannot_be_the_best_any_more() -> None:
    assert chosen([4, 15], [-3.0, -1.0]) == (0, 7)
    assert chosen([19, 9, 15], [-1.0, -3.0, -1.0]) == (1, 10)
    assert chosen([30, 40], [-3.0, -1.0]) == (1, 20)


def test_a_reading_that_says_nothing_is_the_least_likely() -> None:
    assert chosen([0, 5], [-1.0, -9.0], least=0)[0] == 1


def test_at_temperature_nothing_there_is_nothing_to_choose(found: list[Reading]) -> None:
    engine = tiny_engine()
    one, other = (list(begun(engine).speak(TEXT, candidates=count)) for count in (1, 4))
    assert not found
    assert [frame.codes.tolist() for frame in one] == [frame.codes.tolist() for frame in other]
