"""Between turns: only what is new is prefilled, and what was taken back leaves no trace."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import generator
from engine.csm.memory import CROWDED
from engine.generator import Conversation, SpeechEngine
from engine.parts import SOMEBODY
from engine.runtime.eager import EagerDecoder
from engine.types import PcmFrame, Sampling, Segment, Voice
from tests.engine.tiny import tiny_engine, tiny_segment, tiny_voice

FRAME = 1920
WARM = Sampling(temperature=1.0, top_k=20)


@pytest.fixture(scope="module")
def engine() -> SpeechEngine:
    """Samples with noise, so that a noise source set back wrongly is noticed."""
    return tiny_engine(sampling=WARM)


class Counting(EagerDecoder):
    """Counts the positions that are read, apart from frames fed one by one."""

    positions = 0

    def read(self, ids: object, codes: np.ndarray) -> None:
        type(self).positions += len(ids) + len(codes)  # type: ignore[arg-type]
        super().read(ids, codes)  # type: ignore[arg-type]

    @classmethod
    def since(cls) -> int:
        """How many were read since this was asked last."""
        count, cls.positions = cls.positions, 0
        return count


def say(conversation: Conversation, text: str, most: int = 6) -> list[PcmFrame]:
    """At most so many frames of a line."""
    frames: list[PcmFrame] = []
    frames.extend(conversation.speak(text, lambda: len(frames) >= most))
    return frames


def cached(conversation: Conversation) -> torch.Tensor:
    saved = conversation._decoder.save(0, conversation.positions)
    return torch.stack((saved.keys, saved.values))


def sound(frames: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(frames * FRAME)).astype(np.float32)


def test_every_step_reads_no_more_than_what_it_brings(
    engine: SpeechEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "make_decoder", Counting)
    conversation, text = engine.conversation(tiny_voice()), "Yes."
    ids = len(engine.tokenizer.encode(0, text))
    Counting.since()
    for turn in range(3):
        added = conversation.add(tiny_segment(6, seed=turn))
        assert Counting.since() == added.positions
        frames = len(say(conversation, text))
        assert Counting.since() == ids + 2  # the text, and the last frame with the line's end
        conversation.keep_heard(frames - 2)
        assert Counting.since() == 1  # the end
        place = conversation.mark()
        conversation.add(tiny_segment(9, seed=7))
        say(conversation, text)
        Counting.since()
        conversation.back_to(place)
        assert Counting.since() == 0
        spoken = conversation.history[-1].codes
        conversation.respoken(text, spoken)
        assert Counting.since() == ids + len(spoken) + 1
        assert not conversation.rest()
        assert Counting.since() == 0


@dataclass
class Lived:
    """A conversation of many steps, and what survives of them."""

    conversation: Conversation
    lines: list[tuple[str, object]]
    turn: int = 0

    def keep(self, frames: int) -> None:
        for index in range(self.turn, len(self.lines)):
            text, codes = self.lines[index]
            assert isinstance(codes, np.ndarray)
            if frames < len(codes):
                self.lines[index:] = [(text, codes[:frames])] if frames > 0 else []
                return
            frames -= len(codes)


@settings(max_examples=12, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(
                ["listen", "hear", "speak", "cancel", "keep", "mark", "back", "rest", "leave"]
            ),
            st.integers(0, 9),
        ),
        max_size=12,
    )
)
def test_what_was_taken_back_changes_neither_codes_nor_sound(
    engine: SpeechEngine, steps: list[tuple[str, int]]
) -> None:
    voice = tiny_voice()
    lived = Lived(engine.conversation(voice), [])
    conversation = lived.conversation
    marks: list[tuple[int, bytes, list[tuple[str, object]], int]] = []
    for number, (step, much) in enumerate(steps):
        if step == "listen":
            conversation.listen(sound(much, seed=number % 2))
        elif step == "hear":
            heard = sound(1 + much / 2, seed=number % 2)
            conversation.add(Segment(1, f"Line {number}.", audio=heard))
            lived.lines.append((f"Line {number}.", Segment(1, f"Line {number}.", audio=heard)))
            lived.turn = len(lived.lines)
        elif step in ("speak", "leave"):
            line = conversation.speak(f"Line {number}.")
            frames = list(itertools.islice(line, 1 + much))
            if step == "speak":
                line.close()  # else the next step finds it in the middle
            lived.lines.append((frames[0].text, np.stack([frame.codes for frame in frames])))
        elif step == "cancel":
            assert not say(conversation, "Never.", most=0)
        elif step == "keep":
            conversation.keep_heard(much)
            lived.keep(much)
        elif step == "mark":
            mark = conversation.mark()
            marks.append((mark, conversation._decoder.noise, list(lived.lines), lived.turn))
        elif step == "back" and marks:
            del marks[much % len(marks) + 1 :]
            mark, noise, lines, lived.turn = marks[-1]
            conversation.back_to(mark)
            assert conversation._decoder.noise == noise
            lived.lines[:] = lines
        elif step == "rest":
            conversation.rest()
    conversation.mark()  # whatever was left in the middle is ended
    told = engine.conversation(voice)
    for text, what in lived.lines:
        if isinstance(what, Segment):
            told.add(what)
        else:
            assert isinstance(what, np.ndarray)
            told.respoken(text, what)
    assert told.positions == conversation.positions
    assert told.turn_frames == conversation.turn_frames
    torch.testing.assert_close(cached(told), cached(conversation), atol=2e-5, rtol=0)
    told._decoder.noise = conversation._decoder.noise
    ours, theirs = say(conversation, "And then?"), say(told, "And then?")
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert np.array_equal(one.codes, other.codes)
        np.testing.assert_allclose(one.samples, other.samples, atol=2e-5)


def test_a_sound_that_was_listened_to_and_given_up_leaves_every_bit_as_it_was(
    engine: SpeechEngine,
) -> None:
    lived, spared = engine.conversation(tiny_voice()), engine.conversation(tiny_voice())
    lived.listen(sound(9, 1))
    mark = lived.mark()
    lived.add(Segment(1, "No.", audio=sound(9.5, 1)))
    say(lived, "Not this.")
    lived.back_to(mark)
    lived.listen(sound(11, 1))
    for conversation in (lived, spared):
        conversation.add(Segment(1, "Yes.", audio=sound(11.5, 1)))
    assert torch.equal(cached(lived), cached(spared))
    for one, other in zip(say(lived, "So."), say(spared, "So."), strict=True):
        assert np.array_equal(one.codes, other.codes)
        assert np.array_equal(one.samples, other.samples)


def test_a_pause_in_a_line_is_no_pause(engine: SpeechEngine) -> None:
    conversation = engine.conversation(None)
    capacity = engine.config.backbone.max_positions
    while conversation.positions <= CROWDED * capacity:
        conversation.add(tiny_segment(20, seed=conversation.positions))
    line = conversation.speak("Yes.")
    next(line)
    before = conversation.positions
    assert not conversation.rest()
    for _ in line:
        pass
    assert conversation.rest()
    while conversation.rest():
        pass
    assert conversation.positions < before


def test_a_window_that_was_rebuilt_speaks_like_one_that_had_those_lines_alone(
    engine: SpeechEngine,
) -> None:
    lived, voice = engine.conversation(tiny_voice(), seed=2), tiny_voice()
    while lived.positions <= CROWDED * engine.config.backbone.max_positions:
        lived.add(tiny_segment(20, seed=lived.positions))
    before = len(lived.history)
    while lived.rest():
        pass
    assert 0 < len(lived.history) < before
    told = engine.conversation(voice, seed=2)
    for line in lived.history:
        told._memory.add(line)
    for one, other in zip(say(lived, "So."), say(told, "So."), strict=True):
        assert np.array_equal(one.codes, other.codes)


@pytest.mark.parametrize("pauses", [0, 1, 99])
def test_another_voice_is_there_for_the_next_line_and_the_old_one_is_somebody_elses(
    engine: SpeechEngine, pauses: int
) -> None:
    lived = engine.conversation(tiny_voice(), seed=2)
    lived.add(tiny_segment(6))
    codes = np.stack([frame.codes for frame in say(lived, "Yes.")])
    other = Voice("other", tiny_segment(8, speaker=0, text="I am another.", seed=5))
    noise = lived._decoder.noise
    lived.change_voice(other)
    for _ in range(pauses):
        lived.rest()
    assert lived._decoder.noise == noise
    told = engine.conversation(other, seed=2)
    told.add(tiny_segment(6))
    told.add(Segment(SOMEBODY, "Yes.", codes=codes))
    told._decoder.noise = noise
    ours, theirs = say(lived, "So."), say(told, "So.")
    assert [frame.codes.tolist() for frame in ours] == [frame.codes.tolist() for frame in theirs]
    assert lived.positions == told.positions
    lived.change_voice(None)
    assert say(lived, "And so.")
    assert lived.voice is None
