"""Every reply with the user's inaudible mark: the one place where it is put on.

What leaves here goes to the loudspeaker, the recording and every file, and the echo canceller is
told of it as it is. What the engine remembers of its own lines are the codec's codes, made before
this place, so the model never hears the mark.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from app.core.ports import SpeechConversation, SpeechModel
from app.core.turn import CancelToken
from app.core.types import FloatArray
from engine.watermark.detect import Verdict, verify
from engine.watermark.embed import Marker

__all__ = ["Verdict", "find_mark", "marked"]


def marked(speech: SpeechModel, key: bytes) -> SpeechModel:
    """``speech`` with the mark of ``key`` in all that it says, and nothing else changed."""
    return cast("SpeechModel", _MarkedSpeech(speech, key))


def find_mark(at_24k: FloatArray, key: bytes) -> Verdict:
    """Look for the mark of ``key`` in a sound (N,); takes seconds where there is none."""
    return verify(at_24k, key)


class _Behind:
    """Passes everything on that is not said here, also what the ports learn later."""

    def __init__(self, behind: object) -> None:
        self._behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)


class _MarkedSpeech(_Behind):
    def __init__(self, speech: SpeechModel, key: bytes) -> None:
        super().__init__(speech)
        self._speech, self._key = speech, key

    def conversation(self, seed: int = 0) -> SpeechConversation:
        conversation = self._speech.conversation(seed)
        return cast("SpeechConversation", _MarkedConversation(conversation, Marker(self._key)))


class _MarkedConversation(_Behind):
    """The mark goes on from line to line, so that a turn of several lines bears one mark."""

    def __init__(self, conversation: SpeechConversation, marker: Marker) -> None:
        super().__init__(conversation)
        self._conversation, self._marker = conversation, marker

    def speak(self, text: str, cancel: CancelToken) -> Iterator[FloatArray]:
        frames = self._conversation.speak(text, cancel)
        try:
            for frame in frames:
                yield self._marker.frame(frame)
        finally:
            # Who stops listening stops the line behind too, at once.
            if (close := getattr(frames, "close", None)) is not None:
                close()
