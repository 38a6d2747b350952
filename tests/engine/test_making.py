"""Frames made in chunks: what is spoken, kept and taken back is what single frames would give."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import generator
from engine.csm.model import CsmModel
from engine.csm.prompt import frame_budget
from engine.generator import Conversation, SpeechEngine
from engine.pace import Pace
from engine.runtime.ahead import StaticDecoder
from engine.runtime.decoder import Decoder
from engine.runtime.decoders import make_decoder
from engine.runtime.eager import EagerDecoder
from engine.runtime.fused import fuse
from engine.runtime.graphs import Direct, Stage
from engine.runtime.kernels import fused_kernels
from engine.runtime.static import StaticFrame
from engine.types import Ended, PcmFrame, Said, Sampling
from tests.engine.test_generator import _end_after  # pyright: ignore[reportPrivateUsage]
from tests.engine.tiny import tiny_engine, tiny_segment, tiny_voice

LINE = "This is a line."
RATE_HZ = 12.5
WARM = Sampling(temperature=1.0, top_k=20)
SINGLE = (1,)


class Forced(Pace):
    """Chunks as they are told, over and over."""

    def __init__(self, sizes: Iterable[int]) -> None:
        super().__init__(0.08)
        self._sizes = itertools.cycle(sizes)

    def begin(self) -> None:
        self.noted = list[int]()

    def start(self) -> int:
        return next(self._sizes)

    def done(self, frames: int) -> None:
        self.noted.append(frames)


def running_ahead(model: CsmModel, sampling: Sampling, seed: int) -> Decoder:
    """The decoder of a card, on the processor, with a stage of its own."""
    kernels = fused_kernels(model.config, model.device, model.dtype)
    frame = StaticFrame(fuse(model, kernels), kernels)
    return StaticDecoder(Stage(frame, Direct(frame, runs_ahead=True)), sampling, seed)


DECODERS: dict[str, Callable[[CsmModel, Sampling, int], Decoder]] = {
    "plain": EagerDecoder,
    "of this machine": make_decoder,
    "ahead": running_ahead,
}


@pytest.fixture(scope="module")
def engine() -> SpeechEngine:
    """Samples with noise, so that a noise source set back wrongly is noticed."""
    return tiny_engine(sampling=WARM)


def talk(engine: SpeechEngine, sizes: Iterable[int], decoder: str = "plain") -> Conversation:
    """A conversation with chunks of those sizes, in which somebody has just spoken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator, "make_decoder", DECODERS[decoder])
        conversation = engine.conversation(tiny_voice(), seed=4)
    conversation._sound.pace = Forced(sizes)
    conversation.add(tiny_segment(6))
    return conversation


def say(conversation: Conversation, text: str, most: int, candidates: int = 1) -> list[PcmFrame]:
    """At most so many frames of a line."""
    with contextlib.closing(conversation.speak(text, candidates=candidates)) as line:
        return list(itertools.islice(line, most))


def same(ours: list[PcmFrame], theirs: list[PcmFrame]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert (one.index, one.line, one.text) == (other.index, other.line, other.text)
        assert np.array_equal(one.codes, other.codes)
        np.testing.assert_allclose(one.samples, other.samples, atol=1e-5)


def alike(ours: Conversation, theirs: Conversation, tolerance: float = 0.0) -> None:
    """What they remember is the same, and so is what they will say."""
    for conversation in (ours, theirs):
        conversation.mark()  # whatever was left in the middle is ended
    assert ours.positions == theirs.positions
    assert ours._decoder.noise == theirs._decoder.noise
    assert ours.turn_frames == theirs.turn_frames
    assert ours.report is not None and theirs.report is not None
    assert (ours.report.ended, ours.report.frames) == (theirs.report.ended, theirs.report.frames)
    caches = [talk._decoder.save(0, talk.positions) for talk in (ours, theirs)]
    for kind in ("keys", "values"):
        one, other = (torch.as_tensor(getattr(cache, kind)) for cache in caches)
        torch.testing.assert_close(one, other, atol=tolerance, rtol=0)
    same(say(ours, "And then?", 6), say(theirs, "And then?", 6))
    for conversation in (ours, theirs):
        conversation.add(tiny_segment(3))
    same(say(ours, "So.", 3), say(theirs, "So.", 3))


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("sizes", [(1, 1, 2), (2,), (4,), (3, 1)])
def test_chunks_say_what_single_frames_say(
    engine: SpeechEngine, sizes: tuple[int, ...], decoder: str
) -> None:
    ours, theirs = talk(engine, sizes, decoder), talk(engine, SINGLE, decoder)
    same(list(ours.speak("One. Two, three.")), list(theirs.speak("One. Two, three.")))
    alike(ours, theirs, 0.0 if decoder == "plain" else 1e-5)


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=2),
    way=st.sampled_from(["close", "leave", "cancel"]),
    decoder=st.sampled_from(list(DECODERS)),
)
def test_frames_that_were_not_handed_out_never_were(
    engine: SpeechEngine, sizes: list[int], cuts: list[int], way: str, decoder: str
) -> None:
    pair = talk(engine, sizes, decoder), talk(engine, SINGLE, decoder)
    for number, cut in enumerate(cuts):
        heard = list[list[PcmFrame]]()
        for conversation in pair:
            frames = list[PcmFrame]()
            asked = itertools.count()
            if way == "cancel":
                line = conversation.speak(LINE, lambda asked=asked, cut=cut: next(asked) >= cut)
                frames.extend(line)
                assert len(frames) <= cut
            else:
                line = conversation.speak(f"Line {number}.")
                frames.extend(itertools.islice(line, cut))
                if way == "leave":
                    conversation._settle()
                line.close()
            heard.append(frames)
        same(*heard)
    alike(*pair, 0.0 if decoder == "plain" else 2e-5)


@pytest.mark.parametrize("sizes", [(2,), (4,), (3,)])
@pytest.mark.parametrize("frames", [5, 6, 7, 8])
def test_a_line_ends_with_the_same_frame(sizes: tuple[int, ...], frames: int) -> None:
    engine = tiny_engine(sampling=WARM)
    _end_after(engine, frames)
    ours, theirs = talk(engine, sizes), talk(engine, SINGLE)
    same(list(ours.speak(LINE)), list(theirs.speak(LINE)))
    assert ours.report is not None and ours.report.ended is Ended.EOS
    alike(ours, theirs)


@pytest.mark.parametrize("handed", [5, 6])
def test_an_end_that_was_made_but_not_reached_never_was(handed: int) -> None:
    engine = tiny_engine(sampling=WARM)
    _end_after(engine, 6)
    pair = talk(engine, (4, 4)), talk(engine, SINGLE)
    for conversation in pair:
        line = conversation.speak(LINE)
        assert len(list(itertools.islice(line, handed))) == handed
        line.close()
        assert conversation.report is not None
        assert conversation.report.ended is Ended.CANCELLED
    alike(*pair)


@pytest.mark.parametrize("sizes", [(2,), (4,), (3, 4)])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_guard_and_the_limit_stop_at_the_same_frame(
    sizes: tuple[int, ...], temperature: float
) -> None:
    engine = tiny_engine(sampling=Sampling(temperature=temperature, top_k=20))
    if temperature:
        _end_after(engine, 10_000)
    pair = talk(engine, sizes), talk(engine, SINGLE)
    if not temperature:  # silent, so that the guard stops it
        for conversation in pair:
            decode = conversation._sound.decode
            conversation._sound.decode = lambda codes, decode=decode: 0 * decode(codes)
    same(*(list(conversation.speak(LINE)) for conversation in pair))
    assert pair[0].report is not None
    assert pair[0].report.ended is (Ended.LIMIT if temperature else Ended.GUARD)
    assert (pair[0].report.frames == frame_budget(LINE, RATE_HZ).most) == bool(temperature)
    alike(*pair)


@pytest.mark.parametrize("delivered", [1, 3, 6])
def test_a_lost_line_goes_on_in_chunks(engine: SpeechEngine, delivered: int) -> None:
    codes = np.stack([frame.codes for frame in talk(engine, SINGLE).speak(LINE)])[:delivered]
    for cut in (1, 2, None):
        pair = talk(engine, (4, 2)), talk(engine, SINGLE)
        heard = list[list[PcmFrame]]()
        for conversation in pair:
            line = conversation.speak(LINE, said=Said(0, codes))
            heard.append(list(itertools.islice(line, cut)))
            line.close()
        same(*heard)
        pace = pair[0]._sound.pace
        assert isinstance(pace, Forced)
        assert sum(pace.noted) <= frame_budget(LINE, RATE_HZ).most - delivered
        alike(*pair)


@pytest.mark.parametrize("cut", [1, 2, 6, None])
def test_the_best_of_several_readings_comes_in_chunks(
    engine: SpeechEngine, cut: int | None
) -> None:
    pair = talk(engine, (4, 2)), talk(engine, SINGLE)
    heard = list[list[PcmFrame]]()
    for conversation in pair:
        line = conversation.speak(LINE, candidates=2)
        heard.append(list(itertools.islice(line, cut)))
        line.close()
    same(*heard)
    alike(*pair)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    ("sizes", "failing", "at"),
    [(SINGLE, "draw", 0), ((1, 4), "draw", 0), ((1, 4), "draw", 2), ((1, 4), "decode", 0)],
)
def test_a_chunk_that_fails_leaves_what_was_handed_out(
    engine: SpeechEngine,
    sizes: tuple[int, ...],
    failing: str,
    at: int,
    decoder: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = talk(engine, sizes, decoder), talk(engine, SINGLE, decoder)
    lines = ours.speak(LINE), theirs.speak(LINE)
    same([next(lines[0])], [next(lines[1])])
    lines[1].close()
    where = ours._decoder if failing == "draw" else ours._sound._stream
    works, calls = getattr(where, failing), itertools.count()

    def fails(*given: Any, **named: Any) -> Any:
        if failing == "draw" and next(calls) != at:
            return works(*given, **named)
        if failing == "decode":
            works(*given, **named)  # too late
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(where, failing, fails)
        with pytest.raises(MemoryError):
            next(lines[0])
    alike(ours, theirs, 0.0 if decoder == "plain" else 2e-5)


def test_a_chunk_is_decoded_in_one_call(
    engine: SpeechEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = talk(engine, (1, 1, 2, 4))
    pace = conversation._sound.pace
    assert isinstance(pace, Forced)
    decode, sizes = conversation._sound._stream.decode, list[int]()

    def counted(codes: np.ndarray) -> np.ndarray:
        sizes.append(len(codes))
        return decode(codes)

    monkeypatch.setattr(conversation._sound._stream, "decode", counted)
    say(conversation, LINE, 8)
    assert sizes == pace.noted == [1, 1, 2, 4]
    conversation.add(tiny_segment(3))
    assert not pace.noted  # a new turn
