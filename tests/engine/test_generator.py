"""The loop: what it yields, what it remembers, how it ends."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine import generator
from engine.csm.prompt import frame_budget
from engine.errors import TextError
from engine.generator import SpeechEngine
from engine.runtime.eager import EagerDecoder
from engine.types import Ended, Sampling, Segment
from tests.engine.tiny import LINE, cached_keys, spoken, tiny_engine, tiny_segment, tiny_voice

RATE_HZ = 12.5


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder that runs the model's own modules, into which these tests reach."""
    monkeypatch.setattr(generator, "make_decoder", EagerDecoder)


def _end_after(engine: SpeechEngine, frames: int) -> None:
    """Make the model want to end every line once ``frames`` frames were drawn in it."""
    drawn = 0

    def count_text(_module: nn.Module, _inputs: object, _output: Tensor) -> None:
        nonlocal drawn
        drawn = 0

    def favour_zero(_module: nn.Module, _inputs: object, logits: Tensor) -> Tensor:
        nonlocal drawn
        drawn += 1
        logits = logits.clone()
        logits[..., 0] += 100.0 if drawn > frames else -100.0
        return logits

    engine.model.text_embedding.register_forward_hook(count_text)
    engine.model.codebook0_head.register_forward_hook(favour_zero)
    with torch.no_grad():  # all depth logits equal: the greedy choice of an ending frame is 0
        engine.model.audio_head.zero_()


def test_frames_are_80_ms_of_finite_sound_and_the_report_counts_them() -> None:
    engine = tiny_engine()
    conversation = engine.conversation(tiny_voice())
    frames = list(conversation.speak(LINE))
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(frame.samples.shape == (1920,) for frame in frames)
    assert all(frame.samples.dtype == np.float32 for frame in frames)
    assert all(np.isfinite(frame.samples).all() for frame in frames)
    report = conversation.report
    assert report is not None
    assert report.frames == len(frames) == len(conversation.history[0].codes)
    assert report.audio_s == pytest.approx(0.08 * len(frames))


def test_same_seed_same_codes_and_another_seed_others() -> None:
    engine = tiny_engine(sampling=Sampling(temperature=1.0, top_k=20))
    first = spoken(engine.conversation(tiny_voice(), seed=7))
    assert np.array_equal(first, spoken(engine.conversation(tiny_voice(), seed=7)))
    assert not np.array_equal(first[:5], spoken(engine.conversation(tiny_voice(), seed=8))[:5])


def test_the_stream_of_sound_is_what_the_codes_decode_to() -> None:
    engine = tiny_engine()
    conversation = engine.conversation(tiny_voice())
    sound = np.concatenate([frame.samples for frame in conversation.speak(LINE)])
    np.testing.assert_allclose(sound, engine.codec.decode(conversation.history[0].codes), atol=1e-5)


def test_cached_conversation_equals_a_fresh_prefill_of_its_history() -> None:
    engine = tiny_engine()
    lived = engine.conversation(tiny_voice())
    lived.add(tiny_segment(6))
    spoken(lived)
    lived.add(tiny_segment(9, text="And you?", seed=5))
    told = engine.conversation(tiny_voice())
    told.add(tiny_segment(6))
    told.add(Segment(0, LINE, codes=lived.history[1].codes))
    told.add(tiny_segment(9, text="And you?", seed=5))
    assert lived.positions == told.positions
    torch.testing.assert_close(cached_keys(lived), cached_keys(told), atol=1e-5, rtol=0)
    assert np.array_equal(spoken(lived), spoken(told))


def test_cancel_stops_before_the_next_frame_and_keeps_what_was_made() -> None:
    conversation = tiny_engine().conversation(tiny_voice())
    asked = itertools.count()
    assert len(list(conversation.speak(LINE, cancelled=lambda: next(asked) >= 3))) == 3
    assert conversation.report is not None
    assert conversation.report.ended is Ended.CANCELLED
    assert len(conversation.history[0].codes) == 3


def test_closing_the_iterator_is_a_cancel_too() -> None:
    conversation = tiny_engine().conversation(tiny_voice())
    frames = conversation.speak(LINE)
    next(frames)
    next(frames)
    frames.close()
    assert len(conversation.history[0].codes) == 2
    assert conversation.report is not None
    assert conversation.report.ended is Ended.CANCELLED
    assert spoken(conversation).size  # and the conversation goes on


def test_cancelled_before_the_first_frame_leaves_no_trace() -> None:
    conversation = tiny_engine().conversation(tiny_voice())
    before = conversation.positions
    assert list(conversation.speak(LINE, cancelled=lambda: True)) == []
    assert conversation.positions == before
    assert not conversation.history


def test_an_all_zero_frame_ends_the_line_and_is_not_played() -> None:
    engine = tiny_engine()
    _end_after(engine, 9)
    conversation = engine.conversation(tiny_voice())
    codes = spoken(conversation)
    assert len(codes) == 9
    assert conversation.report is not None
    assert conversation.report.ended is Ended.EOS


def test_an_end_far_too_early_is_not_believed() -> None:
    engine = tiny_engine()
    _end_after(engine, 0)
    text = "A rather long line of words that nobody can say in half a second."
    assert len(spoken(engine.conversation(None), text)) == frame_budget(text, RATE_HZ).least > 5


def test_a_line_that_never_ends_meets_a_guard() -> None:
    engine = tiny_engine()
    _end_after(engine, 10_000)
    conversation = engine.conversation(None)
    frames = len(spoken(conversation))
    assert frames <= frame_budget(LINE, RATE_HZ).most
    assert conversation.report is not None
    assert conversation.report.ended in (Ended.GUARD, Ended.LIMIT)


def test_reserved_ids_never_reach_the_codec() -> None:
    engine = tiny_engine(sampling=Sampling(temperature=1.0, top_k=0))

    def favour_reserved(_module: nn.Module, _inputs: object, logits: Tensor) -> Tensor:
        logits = logits.clone()
        logits[..., 32:] += 100.0
        return logits

    engine.model.codebook0_head.register_forward_hook(favour_reserved)
    assert spoken(engine.conversation(tiny_voice())).max() < 32


def test_a_full_window_drops_whole_oldest_segments_and_never_the_voice() -> None:
    engine = tiny_engine()
    conversation = engine.conversation(tiny_voice())
    for turn in range(8):
        conversation.add(tiny_segment(20, text=f"Line {turn}.", seed=turn))
    spoken(conversation, "Yes.")
    assert conversation.positions <= 256
    kept = conversation.history[:-1]
    assert 0 < len(kept) < 8
    told = engine.conversation(tiny_voice())
    for turn in range(8 - len(kept), 8):
        told.add(tiny_segment(20, text=f"Line {turn}.", seed=turn))
    assert np.array_equal(spoken(told, "Yes."), conversation.history[-1].codes)


def test_a_segment_longer_than_the_window_is_left_out_whole() -> None:
    conversation = tiny_engine().conversation(tiny_voice())
    conversation.add(tiny_segment(3))
    conversation.add(tiny_segment(400))
    assert [len(segment.codes) for segment in conversation.history] == [3]


def test_nothing_to_speak_is_one_sentence() -> None:
    conversation = tiny_engine().conversation(None)
    with pytest.raises(TextError, match="nothing to speak"):
        list(conversation.speak("🙂 …"))
