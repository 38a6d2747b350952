"""A conversation outlives its workers: nothing is lost, twice or without end."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from app.core.errors import SpeechError
from app.speaking.process import ProcessSpeech
from tests.app.speaking.dying import TEXT, Fate, direct, lines_of, noise, say, token


def test_a_worker_that_dies_while_listening_is_no_loss(fate: Fate, speech: ProcessSpeech) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    ours.listen(noise(9)[:5000])
    fate.dies(0)
    ours.listen(noise(9)[:9000])
    ours.listen(noise(9)[:12_000])
    for conversation in (ours, theirs):
        conversation.hear("Hello.", noise(9))
    assert np.array_equal(say(ours), say(theirs))
    assert len(fate.requests) == 2


@pytest.mark.parametrize("frames", [0, 1, 7, -12, -1])
def test_a_line_goes_on_from_the_frame_where_its_worker_died(
    fate: Fate, speech: ProcessSpeech, frames: int
) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    for conversation in (ours, theirs):
        conversation.hear("Hello.", noise(3))
    whole = say(theirs)
    fate.sounds[0] = frames % (len(whole) // 1920)  # the last ones count from the end
    sound = say(ours)
    assert len(fate.requests) == 2
    np.testing.assert_allclose(sound, whole, atol=1e-4)
    assert ours.line is not None and ours.line.frames * 1920 == len(whole)
    # and the conversation is what it was
    for conversation in (ours, theirs):
        conversation.hear("And then?", noise(2, 2))
    np.testing.assert_allclose(say(ours, "So."), say(theirs, "So."), atol=1e-4)


def test_a_worker_that_died_between_the_lines_costs_nothing(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    for conversation in (ours, theirs):
        conversation.hear("Hello.", noise(3))
        say(conversation)
    link: Any = speech.running
    link.alive = False
    for conversation in (ours, theirs):
        conversation.hear("And then?", noise(3, 1))
    np.testing.assert_allclose(say(ours, "So."), say(theirs, "So."), atol=1e-4)


def test_a_worker_that_dies_of_hearing_is_replaced_and_told_again(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours = speech.conversation()
    fate.dies(0)
    ours.hear("Hello.", noise(3))
    assert len(fate.requests) == 2
    assert [line[0] for line in lines_of(fate, ours)] == [3]


def test_two_deaths_in_a_line_are_a_failure_and_the_next_line_may_go_well(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours = speech.conversation()
    fate.sounds.update({0: 2, 1: 3})
    frames = ours.speak(TEXT, token())
    with pytest.raises(SpeechError, match="died: try again"):
        list(itertools.islice(frames, 100))
    assert ours.line is not None and ours.line.frames == 5
    ours.hear("Go on.", noise(2))
    say(ours, "So.")
    assert [line[0] for line in lines_of(fate, ours)][:2] == [5, 2]


def test_after_three_failed_lines_no_worker_is_started_any_more(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours = speech.conversation()
    for life in range(20):
        fate.dies(life)
    for _ in range(3):
        with pytest.raises(SpeechError, match="died"):
            list(ours.speak(TEXT, token()))
    started = len(fate.requests)
    for _ in range(2):
        with pytest.raises(SpeechError, match="answers come as text"):
            ours.hear("Hello.", noise(1))
        with pytest.raises(SpeechError, match="answers come as text"):
            list(ours.speak(TEXT, token()))
    assert len(fate.requests) == started
    fate.sounds.clear()
    speech.load()  # an explicit wish is a fresh start
    assert say(ours).size


def test_a_cancelled_line_starts_no_worker_again(fate: Fate, speech: ProcessSpeech) -> None:
    ours = speech.conversation()
    cancel = token()
    frames = ours.speak(TEXT, cancel)
    next(frames)
    fate.dies(0)
    cancel.cancel()
    assert list(frames) == []
    assert len(fate.requests) == 1


def test_out_of_memory_tells_the_new_worker_only_the_newer_half(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours = speech.conversation()
    for turn in range(4):
        ours.hear(f"Line {turn}.", noise(turn + 1, turn))
    fate.memory = True
    fate.sounds[0] = 5
    say(ours, "Yes.")
    assert [line[0] for line in lines_of(fate, ours)][:-1] == [3, 4]
