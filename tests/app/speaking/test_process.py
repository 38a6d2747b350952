"""The process of the engine: loaded, closed, and free of what nobody holds."""

from __future__ import annotations

import pytest

from app.core.errors import ModelMissingError, SpeechError
from app.speaking.process import ProcessSpeech
from engine import protocol
from engine.protocol import Failed, Failure
from tests.app.speaking.dying import TEXT, Fate, noise, say, token


def test_closing_ends_everything(fate: Fate, speech: ProcessSpeech) -> None:
    ours = speech.conversation()
    frames = ours.speak(TEXT, token())
    next(frames)
    assert speech.pid
    assert speech.close()
    assert speech.pid == 0
    assert speech.close()
    fate.dies(0)
    assert list(frames) == []
    with pytest.raises(SpeechError, match="closed"):
        ours.hear("Hello.", noise(1))
    assert len(fate.requests) == 1


def test_conversations_that_nobody_holds_are_closed(fate: Fate, speech: ProcessSpeech) -> None:
    first = speech.conversation()
    number = first._number
    del first
    say(speech.conversation())
    assert protocol.Close(number) in fate.requests[0]


@pytest.mark.parametrize(
    ("kind", "error"),
    [(Failure.MODEL, ModelMissingError), (Failure.ENGINE, SpeechError)],
)
def test_a_model_that_cannot_be_loaded_is_told_in_its_own_words(
    fate: Fate, speech: ProcessSpeech, kind: Failure, error: type[Exception]
) -> None:
    fate.refuse = Failed(kind, "This cannot be: do that.")
    with pytest.raises(error, match="This cannot be: do that"):
        speech.load()
    assert speech.pid == 0
    fate.refuse = None
    speech.load()
    assert speech.ping()
    assert speech.facts is not None and speech.facts.window == 256
