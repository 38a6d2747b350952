"""The adapter to the engine, on an engine of random weights: frames, context, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from app.core.errors import ModelMissingError, SpeechError
from app.core.turn import CancelToken, TurnId
from app.speaking.csm import CsmConversation, CsmSpeech, EngineOptions, describe_device
from tests.engine.tiny import tiny_engine, tiny_voice


@pytest.fixture
def conversation() -> CsmConversation:
    torch.set_num_threads(1)
    return CsmConversation(tiny_engine().conversation(tiny_voice()))


def token() -> CancelToken:
    return CancelToken(TurnId(1))


def test_lines_come_as_frames_and_are_reported(conversation: CsmConversation) -> None:
    frames = list(conversation.speak("Hello there.", token()))
    assert {(frame.shape, frame.dtype) for frame in frames} == {((1920,), np.dtype(np.float32))}
    line = conversation.line
    assert line is not None
    assert (line.text, line.frames) == ("Hello there.", len(frames))
    assert line.audio_s == pytest.approx(0.08 * len(frames))
    assert line.ended in ("eos", "guard", "limit")


def test_cancel_ends_a_line(conversation: CsmConversation) -> None:
    cancel = token()
    frames = conversation.speak("A rather long line to be cut short by somebody.", cancel)
    next(frames)
    cancel.cancel()
    assert len(list(frames)) <= 1
    assert conversation.line is not None
    assert conversation.line.ended == "cancelled"


def test_what_cannot_be_spoken_makes_no_sound(conversation: CsmConversation) -> None:
    list(conversation.speak("Hello.", token()))
    assert list(conversation.speak("😀🎉", token())) == []
    assert conversation.line is None


def test_both_sides_are_remembered(conversation: CsmConversation) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 5 * 1920).astype(np.float32)
    conversation.hear("what the user said", sound)
    conversation.recall("what was answered", sound)
    list(conversation.speak("And this.", token()))
    kept = conversation._conversation.history
    assert [len(segment.codes) for segment in kept[:2]] == [5, 5]
    assert len(kept) == 3
    users, ours = kept[0].ids, kept[1].ids
    assert users != ours


def test_a_draft_is_taken_back_and_what_was_not_heard_is_cut(conversation: CsmConversation) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 5 * 1920).astype(np.float32)
    mark = conversation.mark()
    conversation.hear("half of", sound)
    draft = list(conversation.speak("No.", token()))
    conversation.back_to(mark)
    assert not conversation._conversation.history
    conversation.hear("half of what the user said", sound)
    assert len(list(conversation.speak("Yes.", token()))) > 3 and draft
    conversation.keep_heard(3)
    assert [len(line.codes) for line in conversation._conversation.history] == [5, 3]


def test_the_engines_sentences_are_kept(
    conversation: CsmConversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.errors import ContextError

    def fail(*arguments: object) -> None:
        raise ContextError("This line does not fit: use a shorter one.")

    monkeypatch.setattr(conversation._conversation, "speak", fail)
    with pytest.raises(SpeechError, match="does not fit: use a shorter one"):
        list(conversation.speak("Hello.", token()))


def test_a_crash_inside_is_one_sentence(
    conversation: CsmConversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("CUDA error: something\nmore of it")

    monkeypatch.setattr(conversation._conversation, "add", fail)
    with pytest.raises(SpeechError, match=r"failed \(CUDA error: something\)"):
        conversation.hear("hello", np.zeros(1920, np.float32))


def test_missing_models_and_voices_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError):
        CsmSpeech(EngineOptions(tmp_path / "none")).load()
    with pytest.raises(ModelMissingError):
        CsmSpeech(EngineOptions(tmp_path)).load()


def test_devices_are_described() -> None:
    assert describe_device("cpu").endswith("on cpu")
    with pytest.raises(SpeechError):
        describe_device("abacus")
