"""A line on its way out of the worker, and what may come out of it."""

from __future__ import annotations

import time
from typing import TypeVar

from app.core.errors import ModelMissingError, SpeechError
from app.core.types import SpokenLine
from app.speaking.csm import ASSISTANT
from app.speaking.kept import KeptLine
from app.speaking.link import WorkerLink
from engine import protocol
from engine.protocol import Answer, Failed, Failure

_FRAME_S = 0.08

A = TypeVar("A", bound=Answer)


class Line:
    """A line being spoken: what was delivered of it, part by part as the engine cuts it."""

    def __init__(self, text: str, frame_bytes: int, candidates: int = 1) -> None:
        self.text, self._frame_bytes, self.candidates = text, frame_bytes, candidates
        self.link: WorkerLink | None = None
        self.number = 0
        self.asked = self.over = False
        self.unheard = 0
        """Frames that the engine made and nobody took."""
        self.frames = 0
        self._parts: dict[int, tuple[str, bytearray]] = {}
        self._began_s = time.perf_counter()
        self._first_s = 0.0
        self._ended = "cancelled"

    def add(self, sound: protocol.Sound) -> None:
        """Note a frame that is delivered now."""
        self._first_s = self._first_s or time.perf_counter() - self._began_s
        self._parts.setdefault(sound.part, (sound.words, bytearray()))[1].extend(sound.codes)
        self.frames += 1

    def end(self, answer: Answer) -> None:
        """Note the answer that ends it."""
        self.over, self.asked = True, False
        if isinstance(answer, Failed) and answer.kind == Failure.TEXT:
            return
        self._ended = expect(answer, protocol.Spoken).ended

    def reached(self) -> tuple[int, bytes]:
        """The part that it is in, and the codes of its frames so far."""
        if not self._parts:
            return 0, b""
        part = max(self._parts)
        return part, bytes(self._parts[part][1])

    def finished(self) -> tuple[KeptLine, ...]:
        """The parts before that."""
        return self.kept()[:-1]

    def kept(self) -> tuple[KeptLine, ...]:
        """What was delivered, as lines of the conversation."""
        return tuple(self._kept(words, bytes(codes)) for words, codes in self._parts.values())

    def report(self) -> SpokenLine:
        """What became of it."""
        elapsed_s = time.perf_counter() - self._began_s
        audio_s = self.frames * _FRAME_S
        ended = "cancelled" if self.unheard else self._ended
        return SpokenLine(self.text, self.frames, ended, audio_s, elapsed_s, self._first_s)

    def _kept(self, words: str, codes: bytes) -> KeptLine:
        frames = len(codes) // self._frame_bytes
        # The text takes at least one place for every five letters, and the end one.
        positions = frames + len(words) // 5 + 1
        return KeptLine(ASSISTANT, words, codes, self._frame_bytes, True, positions)


def expect(answer: Answer, kind: type[A]) -> A:
    """The answer, when it is the expected one.

    Raises:
        ParleyError: what the engine said instead, in its own sentence.
    """
    if isinstance(answer, kind):
        return answer
    if isinstance(answer, Failed) and answer.kind == Failure.MODEL:
        raise ModelMissingError(answer.sentence)
    if isinstance(answer, Failed):
        raise SpeechError(answer.sentence)
    raise SpeechError("The speech engine and Parley do not fit together: install Parley again.")
