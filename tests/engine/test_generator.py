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
from engine.generator import Conversation, SpeechEngine
from engine.runtime.eager import EagerDecoder
from engine.types import Ended, Said, Sampling, Segment
from tests.engine.tiny import tiny_engine, tiny_segment, tiny_voice

LINE = "This is a line."
RATE_HZ = 12.5


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder that runs the model's own modules, into which these tests reach."""
    monkeypatch.setattr(generator, "make_decoder", EagerDecoder)


def _codes(conversation: Conversation, text: str = LINE) -> np.ndarray:
    before = len(conversation.history)
    for _ in conversation.speak(text):
        pass
    return np.concatenate([segment.codes for segment in conversation.history[before:]])


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
    first = _codes(engine.conversation(tiny_voice(), seed=7))
    assert np.array_equal(first, _codes(engine.conversation(tiny_voice(), seed=7)))
    assert not np.array_equal(first[:5], _codes(engine.conversation(tiny_voice(), seed=8))[:5])


def test_the_stream_of_sound_is_what_the_codes_decode_to() -> None:
    engine = tiny_engine()
    conversation = engine.conversation(tiny_voice())
    sound = np.concatenate([frame.samples for frame in conversation.speak(LINE)])
    np.testing.assert_allclose(sound, engine.codec.decode(conversation.history[0].codes), atol=1e-5)


def test_cached_conversation_equals_a_fresh_prefill_of_its_history() -> None:
    engine = tiny_engine()
    lived = engine.conversation(tiny_voice())
    lived.add(tiny_segment(6))
    _codes(lived)
    lived.add(tiny_segment(9, text="And you?", seed=5))
    told = engine.conversation(tiny_voice())
    told.add(tiny_segment(6))
    told.add(Segment(0, LINE, codes=lived.history[1].codes))
    told.add(tiny_segment(9, text="And you?", seed=5))
    assert lived.positions == told.positions
    torch.testing.assert_close(_cached(lived), _cached(told), atol=1e-5, rtol=0)
    assert np.array_equal(_codes(lived), _codes(told))


@pytest.mark.parametrize("heard", [0, 1, 7])
def test_what_was_not_heard_never_was(heard: int) -> None:
    engine = tiny_engine()
    cut = engine.conversation(tiny_voice())
    codes = _codes(cut)
    cut.keep_heard(heard)
    told = engine.conversation(tiny_voice())
    if heard:
        told.add(Segment(0, LINE, codes=codes[:heard]))
    assert cut.positions == told.positions
    cut.add(tiny_segment(5))
    told.add(tiny_segment(5))
    assert np.array_equal(_codes(cut), _codes(told))


def test_keeping_heard_frames_counts_over_the_lines_of_the_turn() -> None:
    engine = tiny_engine()
    conversation = engine.conversation(tiny_voice())
    conversation.add(tiny_segment(5))
    _codes(conversation, "One. Two. Three.")
    lengths = [len(segment.codes) for segment in conversation.history[1:]]
    assert len(lengths) == 3
    conversation.keep_heard(lengths[0] + 2)
    assert [len(segment.codes) for segment in conversation.history[1:]] == [lengths[0], 2]
    conversation.keep_heard(10_000)
    assert len(conversation.history) == 3


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
    assert _codes(conversation).size  # and the conversation goes on


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
    codes = _codes(conversation)
    assert len(codes) == 9
    assert conversation.report is not None
    assert conversation.report.ended is Ended.EOS


def test_an_end_far_too_early_is_not_believed() -> None:
    engine = tiny_engine()
    _end_after(engine, 0)
    text = "A rather long line of words that nobody can say in half a second."
    assert len(_codes(engine.conversation(None), text)) == frame_budget(text, RATE_HZ).least > 5


def test_a_line_that_never_ends_meets_a_guard() -> None:
    engine = tiny_engine()
    _end_after(engine, 10_000)
    conversation = engine.conversation(None)
    frames = len(_codes(conversation))
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
    assert _codes(engine.conversation(tiny_voice())).max() < 32


def test_a_full_window_drops_whole_oldest_segments_and_never_the_voice() -> None:
    engine = tiny_engine()
    conversation = engine.conversation(tiny_voice())
    for turn in range(8):
        conversation.add(tiny_segment(20, text=f"Line {turn}.", seed=turn))
    _codes(conversation, "Yes.")
    assert conversation.positions <= 256
    kept = conversation.history[:-1]
    assert 0 < len(kept) < 8
    told = engine.conversation(tiny_voice())
    for turn in range(8 - len(kept), 8):
        told.add(tiny_segment(20, text=f"Line {turn}.", seed=turn))
    assert np.array_equal(_codes(told, "Yes."), conversation.history[-1].codes)


def test_a_segment_longer_than_the_window_is_left_out_whole() -> None:
    conversation = tiny_engine().conversation(tiny_voice())
    conversation.add(tiny_segment(3))
    conversation.add(tiny_segment(400))
    assert [len(segment.codes) for segment in conversation.history] == [3]


def test_nothing_to_speak_is_one_sentence() -> None:
    conversation = tiny_engine().conversation(None)
    with pytest.raises(TextError, match="nothing to speak"):
        list(conversation.speak("🙂 …"))


def _warm_engine() -> SpeechEngine:
    """Samples with noise, so that a noise source set back wrongly is noticed."""
    return tiny_engine(sampling=Sampling(temperature=1.0, top_k=20))


def _cached(conversation: Conversation) -> Tensor:
    return conversation._decoder.save(0, conversation.positions).keys


def test_going_back_is_as_if_it_had_never_happened() -> None:
    engine = _warm_engine()
    lived, spared = engine.conversation(tiny_voice()), engine.conversation(tiny_voice())
    for conversation in (lived, spared):
        conversation.add(tiny_segment(6))
        _codes(conversation, "Yes.")
    mark = lived.mark()
    for _ in range(2):  # a mark may be used again
        lived.add(tiny_segment(9, seed=5))
        _codes(lived, "No.")
        lived.keep_heard(4)
        lived.back_to(mark)
    assert lived.history[0].codes is not None and len(lived.history) == len(spared.history)
    assert torch.equal(_cached(lived), _cached(spared))
    for conversation in (lived, spared):
        conversation.add(tiny_segment(3, seed=8))
    ours, theirs = list(lived.speak("So.")), list(spared.speak("So."))
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert np.array_equal(one.codes, other.codes) and np.array_equal(one.samples, other.samples)


def test_going_back_in_the_middle_of_a_turn_joins_the_sound_where_it_was() -> None:
    engine = _warm_engine()
    lived, spared = engine.conversation(tiny_voice()), engine.conversation(tiny_voice())
    for conversation in (lived, spared):
        conversation.add(tiny_segment(6))
        _codes(conversation, "Yes.")
    mark = lived.mark()
    _codes(lived, "No.")
    lived.back_to(mark)
    ours, theirs = list(lived.speak("And then.")), list(spared.speak("And then."))
    for one, other in zip(ours, theirs, strict=True):
        assert np.array_equal(one.codes, other.codes)
        np.testing.assert_allclose(one.samples, other.samples, atol=1e-5)
    assert lived.turn_frames == spared.turn_frames


def test_going_back_before_a_cut_brings_back_what_was_cut() -> None:
    engine = _warm_engine()
    lived, spared = engine.conversation(tiny_voice()), engine.conversation(tiny_voice())
    for conversation in (lived, spared):
        conversation.add(tiny_segment(6))
        _codes(conversation, "Yes.")
    mark = lived.mark()
    lived.keep_heard(3)
    lived.add(tiny_segment(4))
    lived.back_to(mark)
    torch.testing.assert_close(_cached(lived), _cached(spared), atol=1e-5, rtol=0)
    assert np.array_equal(_codes(lived, "So."), _codes(spared, "So."))


def test_going_back_across_an_overflow_keeps_what_the_window_still_holds() -> None:
    engine = _warm_engine()
    lived = engine.conversation(tiny_voice(), seed=3)
    for turn in range(5):
        lived.add(tiny_segment(20, text=f"Line {turn}.", seed=turn))
    before = lived.history
    mark = lived.mark()
    for turn in range(5, 9):
        lived.add(tiny_segment(20, text=f"Line {turn}.", seed=turn))
    lived.back_to(mark)
    assert 0 < len(lived.history) < len(before)
    assert list(lived.history) == list(before[-len(lived.history) :])
    told = engine.conversation(tiny_voice(), seed=3)
    for turn in range(5 - len(lived.history), 5):
        told.add(tiny_segment(20, text=f"Line {turn}.", seed=turn))
    assert lived.positions == told.positions
    torch.testing.assert_close(_cached(lived), _cached(told), atol=1e-5, rtol=0)
    assert np.array_equal(_codes(lived, "Yes."), _codes(told, "Yes."))


def test_a_mark_that_the_window_has_passed_leaves_the_voice_alone() -> None:
    conversation = tiny_engine().conversation(tiny_voice())
    alone = conversation.positions
    conversation.add(tiny_segment(5))
    mark = conversation.mark()
    for seed in range(4):
        conversation.add(tiny_segment(100, seed=seed))
    conversation.back_to(mark)
    assert not conversation.history and conversation.positions == alone
    conversation.add(tiny_segment(5))
    assert len(conversation.history) == 1


def test_marks_made_after_the_one_gone_back_to_and_unknown_ones_are_refused() -> None:
    conversation = tiny_engine().conversation(None)
    first, second = conversation.mark(), conversation.mark()
    conversation.back_to(first)
    for mark in (second, 99):
        with pytest.raises(ValueError, match=f"no mark {mark}"):
            conversation.back_to(mark)
    conversation.back_to(first)


def test_heard_frames_count_also_those_that_the_window_dropped() -> None:
    conversation = tiny_engine().conversation(tiny_voice())
    conversation.add(tiny_segment(5))
    total = 0
    while len(conversation.history) < 2 or conversation.history[0].codes.shape[0] == 5:
        total += len(list(conversation.speak("A line of some length.")))
    while conversation.turn_frames == sum(len(line.codes) for line in conversation.history):
        total += len(list(conversation.speak("A line of some length.")))
    assert conversation.turn_frames == total
    last = len(conversation.history[-1].codes)
    conversation.keep_heard(total - last + 2)
    assert conversation.turn_frames == total - last + 2
    assert len(conversation.history[-1].codes) == 2


def test_a_cut_is_bit_for_bit_what_was_spoken_so_far() -> None:
    engine = _warm_engine()
    conversation = engine.conversation(tiny_voice())
    conversation.add(tiny_segment(5))
    whole = list(conversation.speak("One. Two."))
    before = _cached(conversation)
    conversation.keep_heard(len(whole) - 2)
    after = _cached(conversation)
    assert torch.equal(after[..., :-1, :], before[..., : after.shape[-2] - 1, :])
    assert conversation.turn_frames == len(whole) - 2


def test_a_line_left_in_the_middle_is_ended_by_the_next_call() -> None:
    conversation = tiny_engine().conversation(tiny_voice())
    frames = conversation.speak("One. Two.")
    next(frames)
    conversation.add(tiny_segment(3))
    assert [len(line.codes) for line in conversation.history] == [1, 3]
    assert list(frames) == []


@pytest.mark.parametrize("delivered", [0, 1, 8])
def test_a_lost_line_goes_on_from_the_frame_that_it_had_reached(delivered: int) -> None:
    engine = tiny_engine()
    lived = engine.conversation(tiny_voice())
    lived.add(tiny_segment(6))
    whole = list(lived.speak("One. Two."))
    first = [frame for frame in whole if frame.line == 0]
    second = [frame for frame in whole if frame.line == 1]
    codes = np.stack([frame.codes for frame in second])[:delivered]
    again = engine.conversation(tiny_voice())
    again.add(tiny_segment(6))
    again.respoken(first[0].text, np.stack([frame.codes for frame in first]))
    rest = list(again.speak("One. Two.", said=Said(1, codes)))
    assert len(rest) == len(second) - delivered
    for one, other in zip(rest, second[delivered:], strict=True):
        assert np.array_equal(one.codes, other.codes)
        np.testing.assert_allclose(one.samples, other.samples, atol=1e-5)
    assert again.turn_frames == lived.turn_frames == len(whole)
    assert again.positions == lived.positions


def test_making_do_drops_the_older_half() -> None:
    conversation = tiny_engine().conversation(tiny_voice())
    for seed in range(4):
        conversation.add(tiny_segment(5, seed=seed))
    kept = conversation.history[2:]
    conversation.make_do()
    assert conversation.history == kept
    assert _codes(conversation).size
