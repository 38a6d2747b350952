"""A conversation in a process of its own is the one that the engine would have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.speaking.ahead import Ahead
from app.speaking.csm import EngineOptions
from app.speaking.process import ProcessSpeech
from engine import protocol
from tests.app.speaking.dying import TEXT, Fate, direct, lines_of, noise, say, token


def test_what_was_listened_to_goes_over_once_and_changes_nothing(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    heard, other = noise(9), noise(5, 1)
    for until in (2000, 9000, 9000):
        ours.listen(heard[:until])
    ours.listen(other)
    ours.listen(heard[:4000])
    ours.listen(heard)
    listened = [one for one in fate.requests[0] if isinstance(one, protocol.Listen)]
    starts = [(one.start, len(one.pcm) // 4) for one in listened]
    assert starts == [(0, 2000), (2000, 7000), (9000, 0), (0, 9600), (0, 4000), (4000, 13_280)]
    for conversation in (ours, theirs):
        conversation.hear("Hello.", heard)
    assert np.array_equal(say(ours), say(theirs))


def test_readings_are_asked_for_where_there_is_time_and_when_they_are_wanted(
    fate: Fate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ahead, "candidates", lambda self, text: self._most)
    speech = ProcessSpeech(EngineOptions(Path("nowhere"), candidates=2))
    ours, theirs = speech.conversation(), fate.engine.conversation(None)
    told = [frame.samples for frame in theirs.speak("Yes.", candidates=2)]
    assert np.array_equal(say(ours, "Yes."), np.concatenate(told))
    (asked,) = [one for one in fate.requests[0] if isinstance(one, protocol.Speak)]
    assert asked.candidates == 2
    (load,) = [one for one in fate.requests[0] if isinstance(one, protocol.Load)]
    assert load.candidates == 2


def test_it_is_what_the_engine_says(fate: Fate, speech: ProcessSpeech) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    for conversation in (ours, theirs):
        conversation.recall("What was said.", noise(4))
        conversation.hear("What I say.", noise(3, 1))
    assert np.array_equal(say(ours), say(theirs))
    assert ours.line is not None and theirs.line is not None
    assert (ours.line.text, ours.line.frames, ours.line.ended, ours.line.audio_s) == (
        theirs.line.text,
        theirs.line.frames,
        theirs.line.ended,
        theirs.line.audio_s,
    )
    assert list(ours.speak("🙂", token())) == [] and ours.line is None


def test_cancelled_frames_on_their_way_are_forgotten(fate: Fate, speech: ProcessSpeech) -> None:
    ours = speech.conversation()
    cancel = token()
    frames = ours.speak(TEXT, cancel)  # this worker has made all of them when the first one comes
    taken = [next(frames) for _ in range(4)]
    cancel.cancel()
    assert list(frames) == []
    assert ours.line is not None
    assert (ours.line.frames, ours.line.ended) == (len(taken), "cancelled")
    assert [line[0] for line in lines_of(fate, ours)] == [4]


def test_a_line_that_is_left_in_the_middle_is_ended(fate: Fate, speech: ProcessSpeech) -> None:
    ours, other = speech.conversation(), speech.conversation(1)
    frames = ours.speak(TEXT, token())
    next(frames)
    other.hear("Another conversation.", noise(2))
    assert list(frames) == []
    assert ours.line is not None and ours.line.frames == 1
    assert [line[0] for line in lines_of(fate, ours)] == [1]
    assert [line[0] for line in lines_of(fate, other)] == [2]


def test_the_kept_lines_fit_the_window_however_long_the_talk(
    fate: Fate, speech: ProcessSpeech
) -> None:
    ours = speech.conversation()
    for turn in range(12):
        ours.hear(f"Line {turn}.", noise(30, turn))
    assert sum(line.positions for line in ours._kept.lines) <= 256
    link: Any = speech.running
    link.alive = False
    ours.hear("Now.", noise(3))
    assert [line[0] for line in lines_of(fate, ours)][-1] == 3
    assert len(fate.requests[1]) < 12
