"""Taken back is never happened: any sequence of steps leaves what the surviving ones alone leave."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.csm.memory import CROWDED, ROOMY, Memory, Place
from engine.csm.model import CsmModel
from engine.csm.prompt import Prepared, renumbered
from engine.csm.rebuild import BITE, Rebuild
from engine.runtime.ahead import StaticDecoder
from engine.runtime.decoder import Decoder, Prefix
from engine.runtime.decoders import make_decoder, stage_of
from engine.runtime.eager import EagerDecoder
from engine.types import Sampling
from tests.engine.tiny import tiny_engine

SAMPLING = Sampling(temperature=1.0, top_k=20)


@pytest.fixture(scope="module")
def model() -> CsmModel:
    return tiny_engine().model


class Counting(EagerDecoder):
    """Counts the positions that go through the network."""

    read_positions = 0

    def read(self, ids: object, codes: np.ndarray) -> None:
        type(self).read_positions += len(ids) + len(codes)  # type: ignore[arg-type]
        super().read(ids, codes)  # type: ignore[arg-type]


def static(model: CsmModel, sampling: Sampling, seed: int) -> Decoder:
    """What runs on a card, on the CPU."""
    return StaticDecoder(stage_of(model), sampling, seed)


def line(frames: int, seed: int = 0, letters: int = 5) -> Prepared:
    """A line of somebody else, without a frame of zeros."""
    rng = np.random.default_rng(seed)
    ids = tuple(int(value) for value in rng.integers(0, 256, letters))
    return Prepared(ids, rng.integers(1, 32, (frames, 4)))


def voice_of(decoder: Decoder, seed: int = 99) -> Prefix:
    prompt = line(12, seed)
    decoder.read(prompt.ids, np.concatenate((prompt.codes, np.zeros((1, 4), np.int64))))
    prefix = decoder.save(0, decoder.length)
    decoder.rollback(0)
    return prefix


def fresh(model: CsmModel, kind: type[EagerDecoder] = EagerDecoder) -> tuple[Memory, EagerDecoder]:
    decoder = kind(model, SAMPLING, 1)
    return Memory(decoder, voice_of(decoder)), decoder


def bits(decoder: Decoder) -> Tensor:
    saved = decoder.save(0, decoder.length)
    return torch.stack((saved.keys, saved.values))


def say(memory: Memory, decoder: Decoder, ids: tuple[int, ...], frames: int) -> None:
    """Speak a line of so many frames, as the loop does."""
    memory.begin(ids, np.zeros((0, 4), np.int64))
    codes: list[np.ndarray] = []
    for number in range(frames):
        if number:
            decoder.feed()
        codes.append(decoder.draw(at_least=1)[0])
    memory.end(ids, np.stack(codes), pending=True)


def told_in(decoder: EagerDecoder, line: Prepared, how: str) -> None:
    """Put a line into a cache by the very reads that a surviving line went in by."""
    end = np.zeros((1, 4), np.int64)
    if how == "read":
        decoder.read(line.ids, np.concatenate((line.codes, end)))
        return
    decoder.read(line.ids, line.codes[:0])
    whole = len(line.codes) - (how == "spoken")
    for frame in line.codes[:whole]:
        decoder.read((), frame[None])
    decoder.read((), np.concatenate((line.codes[whole:], end)))


@dataclass
class Account:
    """What survives, and by which reads each line came into the cache."""

    lines: list[tuple[Prepared, str]] = field(default_factory=list)
    turn: int = 0

    def keep(self, frames: int) -> None:
        for index in range(self.turn, len(self.lines)):
            codes = self.lines[index][0].codes
            if frames < len(codes):
                kept = self.lines[index][0]
                self.lines[index:] = (
                    [(Prepared(kept.ids, codes[:frames]), "cut")] if frames > 0 else []
                )
                return
            frames -= len(codes)

    def back_to(self, lines: list[tuple[Prepared, str]], turn: int) -> None:
        same = 0
        for ours, theirs in zip(self.lines, lines, strict=False):
            if ours[0].codes is not theirs[0].codes:
                break
            same += 1
        again = [(line, "read") for line, _ in lines[same:]]
        self.lines, self.turn = [*self.lines[:same], *again], turn


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 9)),
        st.tuples(st.just("speak"), st.integers(1, 6)),
        st.tuples(st.just("cancel"), st.integers(0, 3)),
        st.tuples(st.just("keep"), st.integers(0, 12)),
        st.tuples(st.just("mark"), st.just(0)),
        st.tuples(st.just("back"), st.integers(0, 3)),
        st.tuples(st.just("rest"), st.just(0)),
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_any_sequence_leaves_bit_for_bit_what_its_survivors_leave(
    model: CsmModel, steps: list[tuple[str, int]]
) -> None:
    memory, decoder = fresh(model)
    account = Account()
    marks: list[tuple[Place, list[tuple[Prepared, str]], int]] = []
    for number, (step, much) in enumerate(steps):
        ids = (7, number, 8)
        if step == "add":
            memory.add(line(much, number))
            memory.new_turn()
            account.lines.append((memory.history[-1], "read"))
            account.turn = len(account.lines)
        elif step == "speak":
            say(memory, decoder, ids, much)
            account.lines.append((memory.history[-1], "spoken"))
        elif step == "cancel":  # given up before anything of it was spoken
            start = memory.positions
            memory.begin(ids, np.zeros((0, 4), np.int64))
            for _ in range(much):
                decoder.draw()
                decoder.feed()
            memory.rollback(start)
        elif step == "keep":
            memory.keep(much)
            account.keep(much)
            account.lines[:] = [  # the memory's own objects, by which it knows them again
                (ours, how) for ours, (_, how) in zip(memory.history, account.lines, strict=True)
            ]
        elif step == "mark":
            marks.append((memory.place(), list(account.lines), account.turn))
        elif step == "back" and marks:
            place, lines, turn = marks[much % len(marks)]
            memory.back_to(place)
            account.back_to(lines, turn)
        elif step == "rest":
            while memory.rest():
                pass
    told, plain = fresh(model)
    for survivor, how in account.lines:
        told_in(plain, survivor, how)
    assert told.positions == memory.positions
    assert torch.equal(bits(plain), bits(decoder))
    spoken = [len(kept.codes) for kept, _ in account.lines[account.turn :]]
    assert memory.turn_frames == sum(spoken)


@pytest.mark.parametrize("kind", ["plain", "static", "this machine's"])
@settings(max_examples=12, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["add", "speak", "keep", "mark", "back", "rest", "rest", "voice"]),
            st.integers(0, 60),
        ),
        max_size=18,
    )
)
def test_a_window_rebuilt_in_any_pause_is_what_its_lines_alone_give(
    model: CsmModel, kind: str, steps: list[tuple[str, int]]
) -> None:
    make = {"plain": EagerDecoder, "static": static, "this machine's": make_decoder}[kind]
    decoder = make(model, SAMPLING, 1)
    memory = Memory(decoder, voice_of(decoder))
    voices = [decoder.save(0, decoder.length), voice_of(make(model, SAMPLING, 1), seed=5)]
    voice, marks = 0, list[Place]()
    for number, (step, much) in enumerate(steps):
        if step == "add":
            assert memory.add(line(much, number))
            memory.new_turn()
        elif step == "speak":
            memory.settle_voice()
            assert memory.make_room(20)
            say(memory, decoder, (7, number, 8), 1 + much % 8)
        elif step == "keep":
            memory.keep(much)
        elif step == "mark":
            marks.append(memory.place())
        elif step == "back" and marks:
            memory.back_to(marks[-1])
        elif step == "rest":
            for _ in range(much % 6):
                memory.rest()
        elif step == "voice":
            voice = 1 - voice
            memory.change_voice(voices[voice], memory.history)
        assert memory.positions <= decoder.capacity
    memory.settle_voice()
    plain = make(model, SAMPLING, 1)
    told = Memory(plain, voices[voice])
    for kept in memory.history:
        assert told.add(kept)
    assert told.positions == memory.positions
    torch.testing.assert_close(bits(plain), bits(decoder), atol=2e-5, rtol=0)


def test_a_crowded_window_is_rebuilt_in_bites_and_then_leaves_room(model: CsmModel) -> None:
    memory, decoder = fresh(model, Counting)
    while memory.positions <= CROWDED * decoder.capacity:
        memory.add(line(45, memory.positions))
    noise = decoder.noise
    bites: list[int] = []
    more = True
    while more:
        before = Counting.read_positions
        more = memory.rest()
        bites.append(Counting.read_positions - before)
    assert max(bites) <= BITE and len(bites) > 1
    assert memory.positions <= ROOMY * decoder.capacity
    assert decoder.noise == noise
    plain = EagerDecoder(model, SAMPLING, 1)
    other = Rebuild(plain, voice_of(EagerDecoder(model, SAMPLING, 1)))
    while not other.bite(memory.history):
        pass
    assert torch.equal(bits(plain), bits(decoder))  # nothing of the lines that went is left
    assert not memory.rest()


def test_a_roomy_window_is_left_alone_in_pauses(model: CsmModel) -> None:
    memory, decoder = fresh(model, Counting)
    memory.add(line(20))
    before, cache = Counting.read_positions, bits(decoder)
    assert not memory.rest()
    assert Counting.read_positions == before and torch.equal(bits(decoder), cache)


def test_lines_that_come_during_a_rebuild_are_in_it_and_those_taken_back_are_not(
    model: CsmModel,
) -> None:
    memory, decoder = fresh(model)
    while memory.positions <= CROWDED * decoder.capacity:
        memory.add(line(20, memory.positions))
    mark = memory.place()
    memory.add(line(9, 1))
    for _ in range(3):
        assert memory.rest()
    memory.back_to(mark)
    late = line(11, 2)
    memory.add(late)
    while memory.rest():
        pass
    assert memory.history[-1] is late
    assert memory.positions < CROWDED * decoder.capacity
    plain = EagerDecoder(model, SAMPLING, 1)
    told = Memory(plain, voice_of(plain))
    for kept in memory.history:
        told.add(kept)
    torch.testing.assert_close(bits(plain), bits(decoder), atol=1e-5, rtol=0)


def test_a_line_that_overflows_during_a_rebuild_waits_for_the_rest_of_it_alone(
    model: CsmModel,
) -> None:
    memory, decoder = fresh(model, Counting)
    while memory.positions <= CROWDED * decoder.capacity:
        memory.add(line(20, memory.positions))
    assert memory.rest() and memory.rest()
    done = memory._rebuild.spare.length  # type: ignore[union-attr]
    before = Counting.read_positions
    assert memory.make_room(decoder.capacity - memory.positions + 1)
    assert Counting.read_positions - before == memory.positions - done
    assert memory.positions <= ROOMY * decoder.capacity


def test_another_voice_stands_in_front_of_the_same_lines(model: CsmModel) -> None:
    memory, decoder = fresh(model)
    for seed in range(3):
        memory.add(line(8, seed))
    other = voice_of(EagerDecoder(model, SAMPLING, 1), seed=4)
    memory.change_voice(other, memory.history)
    memory.rest()
    memory.settle_voice()
    plain = EagerDecoder(model, SAMPLING, 1)
    told = Memory(plain, other)
    for seed in range(3):
        told.add(line(8, seed))
    assert torch.equal(bits(plain), bits(decoder))  # lines of one bite each
    assert len(memory.history) == 3


def test_a_voice_that_is_taken_back_before_it_was_there_changes_nothing_but_the_lines_given(
    model: CsmModel,
) -> None:
    memory, decoder = fresh(model)
    memory.add(line(8))
    before, own = bits(decoder), memory._voice
    memory.change_voice(voice_of(EagerDecoder(model, SAMPLING, 1), seed=4), memory.history)
    memory.change_voice(own, memory.history)
    memory.settle_voice()
    assert torch.equal(bits(decoder), before)


def test_only_a_line_of_that_speaker_becomes_anothers() -> None:
    ours, theirs = (256, 60, 17, 62, 257), (256, 60, 19, 62, 257)
    own = Prepared((256, 60, 17, 62, 80, 81, 257), line(2).codes)
    assert renumbered(own, ours, theirs).ids == (256, 60, 19, 62, 80, 81, 257)
    user = Prepared((256, 60, 18, 62, 80, 81, 257), line(2).codes)
    assert renumbered(user, ours, theirs) is user
    assert renumbered(own, ours, (*theirs, 3)) is own  # would be longer: places would not fit
