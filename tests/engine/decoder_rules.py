"""What every ``engine.runtime.decoder.Decoder`` must do, for test classes to inherit.

A subclass says how a decoder of a model is made; the rules hold it to ``EagerDecoder`` and to the
network's own teacher-forced logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from engine.csm.model import CsmModel
from engine.runtime.decoder import Decoder
from engine.runtime.eager import EagerDecoder
from engine.types import CodeArray, Sampling
from tests.engine.branch_rules import BranchRules
from tests.engine.decoder_cases import (
    SAMPLINGS,
    TEXT,
    ending_model,
    forced_logits,
    frames,
)


@dataclass
class Both:
    """The decoder under test and the one that it is held to, given the same orders."""

    tested: Decoder
    plain: Decoder

    def read(self, ids: list[int], codes: CodeArray) -> None:
        for decoder in (self.tested, self.plain):
            decoder.read(ids, codes)
        self.check()

    def draw(self, at_least: int = 0) -> CodeArray:
        got, over = self.tested.draw(at_least)
        expected, expected_over = self.plain.draw(at_least)
        np.testing.assert_array_equal(got, expected)
        assert over == expected_over
        self.check()
        return got

    def feed(self) -> None:
        self.tested.feed()
        self.plain.feed()
        self.check()

    def say(self, count: int) -> None:
        for left in range(count, 0, -1):
            self.draw(left)
            self.feed()

    def check(self) -> None:
        assert self.tested.length == self.plain.length


class DecoderRules(BranchRules):
    """Inherit, and say in ``make`` how a decoder is made."""

    def both(self, model: CsmModel, sampling: Sampling | None = None, seed: int = 0) -> Both:
        sampling = sampling or Sampling()
        return Both(self.make(model, sampling, seed), EagerDecoder(model, sampling, seed))

    def test_teacher_forced_logits_are_the_networks(self, model: CsmModel) -> None:
        decoder, context = self.make(model, Sampling(), 0), frames(9)
        decoder.read(TEXT, context[:4])
        decoder.read((), context[4:])
        for number, codes in enumerate(frames(4, seed=1)):
            said = np.concatenate((context, frames(4, seed=1)[:number]))
            got = decoder.force(codes)
            assert got.dtype == np.float32
            np.testing.assert_allclose(
                got, forced_logits(model, said, codes), atol=self.tolerance, rtol=0
            )
            decoder.feed()
        assert decoder.length == len(TEXT) + 9 + 4

    @pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
    def test_the_same_seed_draws_the_same_codes(self, model: CsmModel, sampling: Sampling) -> None:
        both = self.both(model, sampling, seed=7)
        both.read(TEXT, frames(3))
        both.say(12)
        both.read(TEXT[:3], frames(0))
        both.say(8)
        assert both.tested.noise == both.plain.noise

    def test_sampling_can_change_at_any_frame(self, model: CsmModel) -> None:
        both = self.both(model)
        both.read(TEXT, frames(0))
        for sampling in SAMPLINGS * 2:
            both.draw(5)
            both.tested.sampling = both.plain.sampling = sampling
            both.feed()
            both.say(2)

    def test_setting_the_noise_draws_the_same_again(self, model: CsmModel) -> None:
        decoder = self.make(model, Sampling(), 3)
        decoder.read(TEXT, frames(2))
        noise, drawn = decoder.noise, list[CodeArray]()
        for _ in range(2):
            decoder.rollback(0)
            decoder.noise = noise
            assert decoder.noise == noise
            decoder.read(TEXT, frames(2))
            for _ in range(5):
                drawn.append(decoder.draw(1)[0])
                decoder.feed()
        np.testing.assert_array_equal(drawn[:5], drawn[5:])
        assert len({tuple(frame) for frame in drawn}) > 2

    def test_another_seed_draws_other_codes(self, model: CsmModel) -> None:
        drawn = []
        for seed in (1, 2):
            decoder = self.make(model, Sampling(), seed)
            decoder.read(TEXT, frames(2))
            drawn.append([decoder.draw(1)[0].tolist() for _ in range(3)])
        assert drawn[0] != drawn[1]

    @pytest.mark.parametrize("unfed", [False, True])
    def test_what_was_rolled_back_never_happened(self, model: CsmModel, unfed: bool) -> None:
        decoder, fresh = (self.make(model, Sampling(), 5) for _ in range(2))
        decoder.read(TEXT, frames(3))
        noise, length = decoder.noise, decoder.length
        for _ in range(4):
            decoder.draw(1)
            decoder.feed()
        if unfed:
            decoder.draw(1)
        decoder.rollback(length - 2)
        decoder.noise = noise
        fresh.read(TEXT, frames(3))
        fresh.rollback(length - 2)
        for each in (decoder, fresh):
            each.read((), frames(2, seed=9))
        for _ in range(5):
            got, expected = decoder.draw(1), fresh.draw(1)
            np.testing.assert_array_equal(got[0], expected[0])
            decoder.feed()
            fresh.feed()
        np.testing.assert_array_equal(
            decoder.force(frames(1)[0]), fresh.force(frames(1)[0]), strict=True
        )

    def test_rolling_back_asks_for_something_to_read(self, model: CsmModel) -> None:
        decoder = self.make(model, Sampling(), 0)
        with pytest.raises(RuntimeError):
            decoder.draw()
        decoder.read(TEXT, frames(2))
        with pytest.raises(RuntimeError):
            decoder.feed()
        decoder.draw()
        decoder.rollback(3)
        with pytest.raises(RuntimeError):
            decoder.feed()
        with pytest.raises(RuntimeError):
            decoder.draw()
        with pytest.raises(ValueError, match="4"):
            decoder.rollback(4)
        with pytest.raises(ValueError, match="-1"):
            decoder.rollback(-1)

    def test_a_frame_can_be_drawn_again(self, model: CsmModel) -> None:
        both = self.both(model)
        both.read(TEXT, frames(1))
        for _ in range(3):
            both.draw(3)
            both.draw(3)
            both.feed()
        assert both.tested.noise == both.plain.noise

    def test_reading_drops_a_drawn_frame(self, model: CsmModel) -> None:
        both = self.both(model)
        both.read(TEXT, frames(1))
        both.say(2)
        both.draw(3)
        both.read([], frames(2, seed=4))
        both.say(2)
        last = both.draw(3)
        both.read([], np.stack((last, np.zeros_like(last))))  # as a line ends
        assert both.tested.noise == both.plain.noise
        both.read(TEXT, frames(0))
        both.say(3)

    def test_saved_positions_can_be_pasted(self, model: CsmModel) -> None:
        decoder, other, fresh = (self.make(model, Sampling(), 5) for _ in range(3))
        for each in (decoder, fresh):
            each.read(TEXT, frames(5))
        decoder.draw(1)
        whole, tail = decoder.save(0, decoder.length), decoder.save(8, decoder.length)
        assert (tail.start, tail.positions) == (8, 3)
        decoder.feed()
        other.read(TEXT, frames(2))
        with pytest.raises(ValueError, match="0"):
            other.paste(whole)
        other.paste(tail)
        with pytest.raises(RuntimeError):
            other.draw()
        decoder.rollback(0)
        decoder.paste(whole)
        noise = fresh.noise
        for each in (decoder, other, fresh):
            each.noise = noise
            each.read((), frames(3, seed=2))
            assert each.length == len(TEXT) + 8
        drawn = [[each.draw(1)[0].tolist() for _ in range(3)] for each in (decoder, other, fresh)]
        assert drawn[0] == drawn[2]
        assert drawn[1] == drawn[2]
        with pytest.raises(ValueError, match="15"):
            decoder.save(0, 15)

    def test_saved_positions_do_not_change(self, model: CsmModel) -> None:
        decoder, fresh = (self.make(model, Sampling(), 5) for _ in range(2))
        decoder.read(TEXT, frames(5))
        whole = decoder.save(0, decoder.length)
        decoder.rollback(0)
        decoder.read(TEXT, frames(5, seed=8))
        decoder.rollback(0)
        decoder.paste(whole)
        decoder.read((), frames(1))
        fresh.read(TEXT, np.concatenate((frames(5), frames(1))))
        np.testing.assert_allclose(
            decoder.force(frames(1)[0]), fresh.force(frames(1)[0]), atol=self.tolerance, rtol=0
        )

    def test_a_spare_is_built_beside_and_adopted(self, model: CsmModel) -> None:
        decoder, fresh = (self.make(model, Sampling(), 5) for _ in range(2))
        decoder.read(TEXT, frames(5))
        decoder.draw(1)
        spare = decoder.spare()
        assert spare.length == 0
        for piece in np.split(frames(6, seed=3), 3):
            spare.read(TEXT[:2], piece)
            decoder.feed()
            decoder.draw(1)
        assert decoder.length == len(TEXT) + 8
        noise = decoder.noise
        decoder.adopt(spare)
        assert decoder.length == 12
        assert decoder.noise == noise
        for piece in np.split(frames(6, seed=3), 3):
            fresh.read(TEXT[:2], piece)
        fresh.noise = noise
        for _ in range(3):
            np.testing.assert_array_equal(decoder.draw(1)[0], fresh.draw(1)[0])
            decoder.feed()
            fresh.feed()

    def test_conversations_do_not_touch_each_other(self, model: CsmModel) -> None:
        first, second = self.both(model, seed=1), self.both(model, seed=2)
        first.read(TEXT, frames(2))
        second.read(TEXT[:4], frames(5, seed=6))
        for _ in range(4):
            first.draw(5)
            second.draw(5)
            second.feed()
            first.feed()
        first.draw(5)
        second.say(2)
        first.feed()
        first.say(2)

    def test_what_does_not_fit_is_refused_and_changes_nothing(self, model: CsmModel) -> None:
        both = self.both(model)
        capacity = both.tested.capacity
        assert capacity == model.config.backbone.max_positions
        both.read(TEXT, frames(capacity - len(TEXT) - 2))
        with pytest.raises(IndexError):
            both.tested.read((), frames(3))
        assert both.tested.length == capacity - 2
        both.say(2)
        both.draw(1)
        with pytest.raises(IndexError):
            both.tested.feed()
        with pytest.raises(IndexError):
            both.tested.read(TEXT[:1], frames(0))
        assert both.tested.length == capacity

    def test_a_line_ends_only_where_it_may(self) -> None:
        torch.set_num_threads(1)
        model = ending_model()
        for sampling in (Sampling(), Sampling(temperature=0.0)):
            decoder = self.make(model, sampling, 0)
            decoder.read(TEXT, frames(1))
            for at_least in (3, 2, 1):
                codes, over = decoder.draw(at_least)
                assert codes[0] != 0
                assert not over
                decoder.feed()
            codes, over = decoder.draw(0)
            assert over
            assert not codes.any()
            codes, over = decoder.draw(1)
            assert codes[0] != 0
            assert not over

    def test_one_slip_in_the_depth_codes_does_not_end_a_line(self) -> None:
        torch.set_num_threads(1)
        model = ending_model()
        with torch.no_grad():
            model.audio_head[1, 5] = 2.0  # codebook 2 is always 5
        decoder = self.make(model, Sampling(), 0)
        decoder.read(TEXT, frames(1))
        codes, over = decoder.draw()
        assert codes.tolist() == [0, 0, 5, 0]
        assert not over

    @pytest.mark.parametrize("seed", range(4))
    def test_any_order_of_calls_gives_what_the_plain_one_gives(
        self, model: CsmModel, seed: int
    ) -> None:
        """A run of random calls; whatever is prepared ahead must be undone exactly."""
        chance = np.random.default_rng(seed)
        both, drawn, left = self.both(model, seed=seed), False, 6
        both.read(TEXT, frames(2))
        for step in range(60):
            action = chance.choice(["draw", "draw", "draw", "feed", "feed", "feed", *"srnbw"])
            if action == "draw":
                both.draw(left)
                drawn, left = True, (left - 1 if left > 0 else 6)
            elif action == "feed" and drawn:
                both.feed()
                drawn = False
            elif action == "s":
                sampling = SAMPLINGS[chance.integers(len(SAMPLINGS))]
                both.tested.sampling = both.plain.sampling = sampling
            elif action == "r":
                both.read(TEXT[: chance.integers(1, 4)], frames(int(chance.integers(3)), seed=step))
                drawn = False
            elif action == "n":
                noise = both.plain.noise
                assert both.tested.noise == noise
                both.tested.noise = both.plain.noise = noise
            elif action == "b":
                length = int(chance.integers(both.plain.length + 1))
                both.tested.rollback(length)
                both.plain.rollback(length)
                both.read(TEXT[:2], frames(0))
                drawn = False
            elif action == "w":
                codes = frames(1, seed=step)[0]
                np.testing.assert_allclose(
                    both.tested.force(codes), both.plain.force(codes), atol=self.tolerance, rtol=0
                )
                drawn = True
            if both.plain.length > 200:
                both.tested.rollback(20)
                both.plain.rollback(20)
                both.read(TEXT, frames(0))
                drawn = False
