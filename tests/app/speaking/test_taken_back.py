"""Marks, cuts and another voice, in one worker and over its death."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from app.core.errors import ModelMissingError
from app.speaking.process import ProcessSpeech
from engine import protocol
from tests.app.speaking.dying import Fate, direct, lines_of, noise, say


def test_an_exchanged_voice_outlives_the_worker(
    fate: Fate, speech: ProcessSpeech, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "prompt.wav", noise(4, 3), 24_000)
    (tmp_path / "prompt.txt").write_text("I am another.")
    ours, theirs = speech.conversation(), direct(fate)
    for conversation in (ours, theirs):
        conversation.hear("Hello.", noise(2))
        conversation.change_voice(tmp_path)
        assert say(conversation, "Yes.").size
    fate.dies(0)
    ours.hear("And now?", noise(1))
    opened = [one for one in fate.requests[1] if isinstance(one, protocol.Open)]
    assert [one.voice for one in opened] == [str(tmp_path)]
    for conversation in (ours, theirs):
        with pytest.raises(ModelMissingError, match="no voice folder"):
            conversation.change_voice(tmp_path / "nobody")


def test_marks_outlive_the_worker(fate: Fate, speech: ProcessSpeech) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    for conversation in (ours, theirs):
        conversation.hear("Hello.", noise(3))
        say(conversation, "Yes.")
    mark = ours.mark()
    for life in (0, 1):
        ours.hear("A draft.", noise(5, 5))
        fate.sounds[life] = 4
        say(ours, "No.")
        ours.back_to(mark)
        assert len(fate.requests) == life + 2
    for conversation in (ours, theirs):
        conversation.hear("The real thing.", noise(2, 2))
    np.testing.assert_allclose(say(ours, "So."), say(theirs, "So."), atol=1e-4)
    with pytest.raises(ValueError, match="no mark 99"):
        ours.back_to(99)


def test_a_draft_is_taken_back_in_the_same_worker(fate: Fate, speech: ProcessSpeech) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    mark = ours.mark()
    ours.hear("A draft.", noise(5, 5))
    say(ours, "No.")
    ours.back_to(mark)
    for conversation in (ours, theirs):
        conversation.hear("The real thing.", noise(2, 2))
    assert np.array_equal(say(ours), say(theirs))
    assert not any(isinstance(request, protocol.Remember) for request in fate.requests[0])


@pytest.mark.parametrize("dead", [False, True])
def test_what_was_not_heard_is_cut_here_and_there(
    fate: Fate, speech: ProcessSpeech, dead: bool
) -> None:
    ours, theirs = speech.conversation(), direct(fate)
    for conversation in (ours, theirs):
        conversation.hear("Hello.", noise(3))
        first, second = (len(say(conversation, text)) // 1920 for text in ("Yes.", "So."))
    if dead:
        link: Any = speech.running
        link.alive = False
    for conversation in (ours, theirs):
        conversation.keep_heard(first + second - 3)
        conversation.hear("Stop.", noise(2, 2))
    np.testing.assert_allclose(say(ours, "So."), say(theirs, "So."), atol=1e-4)
    lengths = [line[0] for line in lines_of(fate, ours)]
    assert lengths[:-1] == [3, first, second - 3, 2]
