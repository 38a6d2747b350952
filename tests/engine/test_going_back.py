"""Going back: what is taken back, cut or left never was, and what was lost goes on where it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine import generator
from engine.generator import SpeechEngine
from engine.runtime.eager import EagerDecoder
from engine.types import Said, Sampling, Segment
from tests.engine.tiny import LINE, cached_keys, spoken, tiny_engine, tiny_segment, tiny_voice


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder that runs the model's own modules: its cache is exact on every machine."""
    monkeypatch.setattr(generator, "make_decoder", EagerDecoder)


def _warm_engine() -> SpeechEngine:
    """Samples with noise, so that a noise source set back wrongly is noticed."""
    return tiny_engine(sampling=Sampling(temperature=1.0, top_k=20))


@pytest.mark.parametrize("heard", [0, 1, 7])
def test_what_was_not_heard_never_was(heard: int) -> None:
    engine = tiny_engine()
    cut = engine.conversation(tiny_voice())
    codes = spoken(cut)
    cut.keep_heard(heard)
    told = engine.conversation(tiny_voice())
    if heard:
        told.add(Segment(0, LINE, codes=codes[:heard]))
    assert cut.positions == told.positions
    cut.add(tiny_segment(5))
    told.add(tiny_segment(5))
    assert np.array_equal(spoken(cut), spoken(told))


def test_keeping_heard_frames_counts_over_the_lines_of_the_turn() -> None:
    engine = tiny_engine()
    conversation = engine.conversation(tiny_voice())
    conversation.add(tiny_segment(5))
    spoken(conversation, "One. Two. Three.")
    lengths = [len(segment.codes) for segment in conversation.history[1:]]
    assert len(lengths) == 3
    conversation.keep_heard(lengths[0] + 2)
    assert [len(segment.codes) for segment in conversation.history[1:]] == [lengths[0], 2]
    conversation.keep_heard(10_000)
    assert len(conversation.history) == 3


def test_going_back_is_as_if_it_had_never_happened() -> None:
    engine = _warm_engine()
    lived, spared = engine.conversation(tiny_voice()), engine.conversation(tiny_voice())
    for conversation in (lived, spared):
        conversation.add(tiny_segment(6))
        spoken(conversation, "Yes.")
    mark = lived.mark()
    for _ in range(2):  # a mark may be used again
        lived.add(tiny_segment(9, seed=5))
        spoken(lived, "No.")
        lived.keep_heard(4)
        lived.back_to(mark)
    assert lived.history[0].codes is not None and len(lived.history) == len(spared.history)
    assert torch.equal(cached_keys(lived), cached_keys(spared))
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
        spoken(conversation, "Yes.")
    mark = lived.mark()
    spoken(lived, "No.")
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
        spoken(conversation, "Yes.")
    mark = lived.mark()
    lived.keep_heard(3)
    lived.add(tiny_segment(4))
    lived.back_to(mark)
    torch.testing.assert_close(cached_keys(lived), cached_keys(spared), atol=1e-5, rtol=0)
    assert np.array_equal(spoken(lived, "So."), spoken(spared, "So."))


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
    torch.testing.assert_close(cached_keys(lived), cached_keys(told), atol=1e-5, rtol=0)
    assert np.array_equal(spoken(lived, "Yes."), spoken(told, "Yes."))


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
    before = cached_keys(conversation)
    conversation.keep_heard(len(whole) - 2)
    after = cached_keys(conversation)
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
    assert spoken(conversation).size
