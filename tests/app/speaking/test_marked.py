"""The one place where replies get the mark: all of the sound, none of the memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.core.ports import SpeechModel
from app.core.turn import CancelToken, TurnId
from app.core.types import FloatArray
from app.speaking.csm import CsmConversation
from app.speaking.marked import find_mark, marked
from engine.watermark.embed import Marker
from tests.engine.tiny import tiny_engine, tiny_voice
from tests.engine.watermark.conftest import speechlike
from tests.fakes.parts import FakeSpeech

KEY = bytes(range(32))


class Spoken:
    """A model that says the frames that it is given."""

    def __init__(self, frames: FloatArray) -> None:
        self.frames = frames
        self.model = FakeSpeech()
        self.closed = 0

    def conversation(self, seed: int = 0) -> Spoken:
        self.seed = seed
        return self

    def speak(self, text: str, cancel: CancelToken):
        try:
            yield from self.frames
        finally:
            self.closed += 1


def token() -> CancelToken:
    return CancelToken(TurnId(1))


def syllables(frames: int) -> FloatArray:
    return speechlike(frames * 0.08).reshape(frames, 1920)


def said(model: SpeechModel, *texts: str) -> FloatArray:
    conversation = model.conversation(seed=3)
    return np.concatenate([frame for text in texts for frame in conversation.speak(text, token())])


def test_every_frame_is_marked_and_lines_bear_one_mark() -> None:
    frames = syllables(20)
    sound = said(marked(Spoken(frames), KEY), "one", "two")  # type: ignore[arg-type]
    marker = Marker(KEY)
    expected = [marker.frame(frame) for frame in [*frames, *frames]]
    np.testing.assert_array_equal(sound, np.concatenate(expected))
    assert find_mark(sound, KEY).found
    assert not find_mark(np.concatenate([*frames, *frames]), KEY).found


def test_all_else_goes_to_the_conversation_behind() -> None:
    behind = FakeSpeech()
    conversation = marked(behind, KEY).conversation(seed=7)
    sound = np.ones(1920, np.float32)
    conversation.hear("Hello.", sound)
    conversation.recall("Hi.", sound)
    place = conversation.mark()
    frames = list(conversation.speak("Two words.", token()))
    assert behind.seeds == [7]
    assert behind.conversations[0].context[:2] == [("user", "Hello.", 1920), ("reply", "Hi.", 1920)]
    assert conversation.line is behind.conversations[0].line is not None
    assert conversation.line is not None
    assert conversation.line.frames == len(frames)
    conversation.listen(sound)
    assert behind.conversations[0].listened == [1920]
    conversation.keep_heard(1)
    conversation.back_to(place)
    assert len(behind.conversations[0].context) == 2


def test_who_stops_listening_stops_the_line_behind() -> None:
    behind = Spoken(syllables(5))
    frames = marked(behind, KEY).conversation().speak("words", token())  # type: ignore[arg-type]
    next(iter(frames))
    frames.close()  # type: ignore[attr-defined]
    assert behind.closed == 1


@pytest.mark.parametrize("lines", [1, 2])
def test_the_model_remembers_the_unmarked_codes(lines: int) -> None:
    torch.set_num_threads(1)

    class Tiny:
        def conversation(self, seed: int = 0) -> CsmConversation:
            return CsmConversation(tiny_engine().conversation(tiny_voice(), seed=seed))

    def codes(model: object) -> tuple[FloatArray, list[FloatArray]]:
        conversation = model.conversation(seed=1)  # type: ignore[attr-defined]
        made = [list(conversation.speak("Hello there.", token())) for _ in range(lines)]
        return np.concatenate([frame for line in made for frame in line]), made[-1]

    plain, _ = codes(Tiny())
    with_mark, _ = codes(marked(Tiny(), KEY))  # type: ignore[arg-type]
    # The second line is conditioned on the first: were that marked, the second would differ in
    # far more than the mark.
    marker = Marker(KEY)
    expected = [marker.frame(frame) for frame in plain.reshape(-1, 1920)]
    np.testing.assert_allclose(with_mark, np.concatenate(expected), atol=1e-6)
