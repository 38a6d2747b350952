"""What the branches of every ``engine.runtime.decoder.Decoder`` must do, for test classes to inherit.

They are held to plain decoders that draw the same readings one by one, with the same noise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import pytest
import torch

from engine.csm.model import CsmModel
from engine.csm.sampling import BranchNoise
from engine.runtime.decoder import MOST_BRANCHES, Decoder, Drawn
from engine.runtime.eager import EagerDecoder
from engine.types import CodeArray, FloatArray, Sampling
from tests.engine.decoder_cases import SAMPLINGS, TEXT, ending_model, frames, random_model

BEFORE = 3  # frames before the branches


class BranchRules(ABC):
    """Inherit, and say in ``make`` how a decoder is made."""

    tolerance = 1e-4
    """Largest difference of a teacher-forced logit; those of the model spread by about 1."""

    @pytest.fixture
    def model(self) -> CsmModel:
        """The network under test, in fp32 unless a subclass says otherwise."""
        torch.set_num_threads(1)
        return random_model()

    @abstractmethod
    def make(self, model: CsmModel, sampling: Sampling, seed: int) -> Decoder:
        """A decoder with an empty cache."""

    def begun(self, model: CsmModel, sampling: Sampling | None = None) -> Decoder:
        """A decoder that has read something."""
        decoder = self.make(model, sampling or Sampling(), 5)
        decoder.read(TEXT, frames(BEFORE))
        return decoder

    @pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
    def test_they_are_the_readings_drawn_one_by_one(
        self, model: CsmModel, sampling: Sampling
    ) -> None:
        decoder = self.begun(model, sampling)
        alone = one_by_one(model, sampling, decoder.noise, 3)
        branches, steps = decoder.branch(3, 8), [2, 1, 0, 0, 1, 1, 0]
        assert tuple(branches.alive) == (0, 1, 2)
        for at_least in steps:
            drawn = branches.draw(at_least)
            for row, plain in enumerate(alone):
                same_frame(drawn, row, plain, at_least, self.tolerance)
                plain.feed()
            branches.feed(branches.alive)
        assert decoder.length == len(TEXT) + BEFORE
        last = branches.draw(1)
        assert len({tuple(codes) for codes in last.codes}) == (3 if sampling.varies else 1)

    def test_one_that_is_over_leaves_the_others_alone(self, model: CsmModel) -> None:
        decoder = self.begun(model)
        alone = one_by_one(model, Sampling(), decoder.noise, 4)
        branches = decoder.branch(4, 9)
        for alive in ([0, 1, 2, 3], [0, 2, 3], [0, 2, 3], [2, 3], [3], [3]):
            drawn = branches.draw(1)
            for row, number in enumerate(branches.alive):
                same_frame(drawn, row, alone[number], 1, self.tolerance)
            branches.feed(alive)
            assert list(branches.alive) == alive
            for number in alive:
                alone[number].feed()
        made = [branches.save(number).positions for number in range(4)]
        assert made == [3, 1, 4, 6]

    def test_a_reading_is_the_same_however_many_there_are(self, model: CsmModel) -> None:
        drawn = list[list[CodeArray]]()
        for count in (1, 2, 4):
            branches = self.begun(model).branch(count, 9)
            drawn.append([])
            for _ in range(5):
                drawn[-1].append(branches.draw(1).codes)
                branches.feed(branches.alive)
        np.testing.assert_array_equal(drawn[0], np.array(drawn[1])[:, :1])
        np.testing.assert_array_equal(drawn[1], np.array(drawn[2])[:, :2])

    @pytest.mark.parametrize("chosen", [0, 2])
    def test_the_positions_of_one_can_be_pasted_one_by_one(
        self, model: CsmModel, chosen: int
    ) -> None:
        decoder = self.begun(model)
        start, branches = decoder.length, decoder.branch(3, 9)
        codes = list[CodeArray]()
        for going in ([0, 1, 2], [0, 1, 2], [0, 1, 2], [1, 2], [2], [2]):
            if chosen in branches.alive:
                codes.append(branches.draw(1).codes[list(branches.alive).index(chosen)])
            else:
                branches.draw(1)
            branches.feed(going)
        made = branches.save(chosen)
        assert made.start == start
        assert made.positions == (6 if chosen == 2 else 3)
        plain = EagerDecoder(model, Sampling(), 0)
        plain.read(TEXT, np.concatenate((frames(BEFORE), np.stack(codes[: made.positions]))))
        for number in range(made.positions):
            assert decoder.length == start + number
            decoder.paste(made.piece(number))
        for each in (decoder, plain):
            each.read((), frames(1, seed=4))
        logits = [each.force(frames(1, seed=6)[0]) for each in (decoder, plain)]
        np.testing.assert_allclose(*logits, atol=self.tolerance, rtol=0)

    def test_nothing_of_them_stays(self, model: CsmModel) -> None:
        decoder, fresh = self.begun(model), self.begun(model)
        decoder.draw(1)
        decoder.feed()
        decoder.rollback(decoder.length - 1)
        decoder.read((), frames(1, seed=9))
        fresh.read((), frames(1, seed=9))
        branches = decoder.branch(2, 5)
        for _ in range(4):
            branches.draw(1)
            branches.feed(branches.alive)
        for each in (decoder, fresh):
            each.read(TEXT[:3], frames(2, seed=3))
        assert decoder.length == fresh.length
        noise = decoder.noise
        fresh.noise = noise
        for _ in range(3):
            np.testing.assert_array_equal(decoder.draw(1)[0], fresh.draw(1)[0])
            decoder.feed()
            fresh.feed()

    def test_they_can_be_drawn_again(self, model: CsmModel) -> None:
        decoder = self.begun(model)
        alone = one_by_one(model, Sampling(), decoder.noise, 2)
        branches = decoder.branch(2, 5)
        for _ in range(3):
            for _ in range(2):
                drawn = branches.draw(1)
                for row, plain in enumerate(alone):
                    same_frame(drawn, row, plain, 1, self.tolerance)
            branches.feed(branches.alive)
            for plain in alone:
                plain.feed()

    def test_the_next_ones_have_other_noise(self, model: CsmModel) -> None:
        decoder, drawn = self.begun(model), list[list[int]]()
        for _ in range(2):
            drawn.append(decoder.branch(1, 5).draw(1).codes[0].tolist())
            decoder.rollback(0)
            decoder.read(TEXT, frames(BEFORE))
        assert drawn[0] != drawn[1]

    def test_they_end_only_where_they_may(self) -> None:
        torch.set_num_threads(1)
        branches = self.begun(ending_model()).branch(3, 4)
        for at_least in (2, 1):
            drawn = branches.draw(at_least)
            assert drawn.codes[:, 0].all()
            assert not drawn.over.any()
            branches.feed(branches.alive)
        drawn = branches.draw(0)
        assert drawn.over.all()
        assert not drawn.codes.any()

    def test_what_cannot_be_is_refused(self, model: CsmModel) -> None:
        decoder = self.begun(model)
        room = decoder.capacity - decoder.length
        for count in (0, MOST_BRANCHES + 1):
            with pytest.raises(ValueError, match=str(count)):
                decoder.branch(count, 3)
        with pytest.raises(IndexError):
            decoder.branch(2, room + 1)
        branches = decoder.branch(2, room)
        with pytest.raises(RuntimeError):
            branches.feed(branches.alive)
        branches.draw(1)
        decoder.rollback(0)
        decoder.read(TEXT, frames(BEFORE))
        branches = decoder.branch(2, 1)
        branches.draw(1)
        branches.feed(branches.alive)
        branches.draw(1)
        with pytest.raises(IndexError):
            branches.feed(branches.alive)


def one_by_one(model: CsmModel, sampling: Sampling, noise: bytes, count: int) -> list[EagerDecoder]:
    """Plain decoders that stand where a begun one does, with the noise that its branches will have."""
    generator = torch.Generator(model.device)
    generator.set_state(torch.frombuffer(bytearray(noise), dtype=torch.uint8))
    sources, made = BranchNoise(generator, count), list[EagerDecoder]()
    for number in range(count):
        made.append(EagerDecoder(model, sampling, 0))
        made[-1].read(TEXT, frames(BEFORE))
        made[-1].noise = sources.state(number)
    return made


def same_frame(drawn: Drawn, row: int, plain: Decoder, at_least: int, tolerance: float) -> None:
    """A branch drew what the plain decoder draws now, and says how likely it is."""
    codes, over = plain.draw(at_least)
    np.testing.assert_array_equal(drawn.codes[row], codes)
    assert bool(drawn.over[row]) == over
    expected = log_probability(plain.force(codes), codes)
    np.testing.assert_allclose(drawn.log_probability[row], expected, atol=tolerance, rtol=0)


def log_probability(logits: FloatArray, codes: CodeArray) -> FloatArray:
    """(K,): of the codes, by logits (K, V)."""
    return torch.from_numpy(logits).log_softmax(-1).numpy()[np.arange(len(codes)), codes]
