"""Fakes of the assistant's ports. Each does the simplest true thing and remembers its calls."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from app.audio.files import FileReader
from app.audio.storage import DiskStorage, RawFile, open_raw
from app.core.errors import ParleyError, SpeechError
from app.core.ports import SoundReader, Storage
from app.core.turn import CancelToken
from app.core.types import (
    LISTEN_RATE_HZ,
    SPEECH_RATE_HZ,
    FloatArray,
    Heard,
    Message,
    SoundBlock,
    SpokenLine,
)
from app.listening.spans import SpeechRules, VadSpeechFinder
from app.settings.model import Settings

FRAME = 1920
FRAMES_PER_WORD = 2


class VirtualClock:
    """Time that goes on only when asked, by ``step_s`` at each look."""

    def __init__(self, step_s: float = 0.001) -> None:
        self.step_s = step_s
        self.time_s = 100.0

    def monotonic_s(self) -> float:
        self.time_s += self.step_s
        return self.time_s

    def now(self) -> datetime:
        return datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


class LevelVad:
    """Calls a window speech when it is loud."""

    def __init__(self, threshold: float = 0.05) -> None:
        self.threshold = threshold
        self.resets = 0
        self.windows = 0

    def reset(self) -> None:
        self.resets += 1

    def probabilities(self, windows: FloatArray) -> FloatArray:
        self.windows += len(windows)
        loud = np.sqrt((windows.astype(np.float64) ** 2).mean(axis=1)) > self.threshold
        return loud.astype(np.float32)


class FakeFinder:
    """Takes the whole stream for speech."""

    def find(self, blocks: Iterable[SoundBlock]) -> Heard:
        parts = list(blocks)
        low = np.concatenate([part.at_16k for part in parts])
        high = np.concatenate([part.at_24k for part in parts])
        return Heard(low, high, 0.0, len(low) / LISTEN_RATE_HZ, 0.0)


class FakeRecogniser:
    """Hears the given lines, one per call, the last one for ever."""

    def __init__(self, lines: Sequence[str] = ("hello there",)) -> None:
        self.lines = list(lines)
        self.heard: list[int] = []

    def transcribe(self, at_16k: FloatArray) -> str:
        self.heard.append(len(at_16k))
        return self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]


class FakeChat:
    """Answers with the given tokens; raises ``error`` after them where there is one."""

    def __init__(
        self,
        tokens: Sequence[str] = ("I am ", "a fake, ", "and I say ", "so myself."),
        error: BaseException | None = None,
        fails_at: int = 1,
    ) -> None:
        self.tokens = tokens
        self.error = error
        self.fails_at = fails_at
        self.told: list[list[Message]] = []

    def stream(self, messages: Sequence[Message], cancel: CancelToken) -> Iterator[str]:
        self.told.append(list(messages))
        for token in self.tokens:
            if cancel.cancelled:
                return
            yield token
        if self.error is not None and len(self.told) >= self.fails_at:
            raise self.error


class FakeSpeech:
    """Speaks a tone, two frames a word. Emoji and the like make no sound."""

    def __init__(self, error_after: int | None = None, error: BaseException | None = None) -> None:
        self.error_after = error_after
        self.error: BaseException = error or SpeechError("The fake engine failed: try again.")
        self.conversations: list[FakeConversation] = []
        self.seeds: list[int] = []

    def conversation(self, seed: int = 0) -> FakeConversation:
        self.seeds.append(seed)
        self.conversations.append(FakeConversation(self))
        return self.conversations[-1]


class FakeConversation:
    """See ``FakeSpeech``. ``context`` holds (who, words, samples) in order."""

    def __init__(self, model: FakeSpeech) -> None:
        self.model = model
        self.context: list[tuple[str, str, int]] = []
        self.marks: list[list[tuple[str, str, int]]] = []
        self.line: SpokenLine | None = None
        self.made = 0
        self.voice: Path | None = None
        self.listened: list[int] = []
        self.listened_before: list[int] = []  # how often, at each ``hear``

    def listen(self, at_24k: FloatArray) -> None:
        self.listened.append(len(at_24k))

    def hear(self, text: str, at_24k: FloatArray) -> None:
        self.context.append(("user", text, len(at_24k)))
        self.listened_before.append(len(self.listened))

    def recall(self, text: str, at_24k: FloatArray) -> None:
        self.context.append(("reply", text, len(at_24k)))

    def change_voice(self, folder: Path | None) -> None:
        if folder is not None and folder.name == "gone":
            raise SpeechError("There is no such voice: choose another.")
        self.voice = folder

    def mark(self) -> int:
        self.marks.append(list(self.context))
        return len(self.marks) - 1

    def back_to(self, mark: int) -> None:
        self.context = list(self.marks[mark])

    def keep_heard(self, frames: int) -> None:
        turn = next((i for i in range(len(self.context), 0, -1) if self._told(i - 1)), 0)
        left = frames * FRAME
        for index in range(turn, len(self.context)):
            who, words, samples = self.context[index]
            if left < samples:
                self.context[index:] = [(who, words, left)] if left > 0 else []
                return
            left -= samples

    def _told(self, index: int) -> bool:
        return self.context[index][0] != "assistant"

    def speak(self, text: str, cancel: CancelToken) -> Iterator[FloatArray]:
        self.line = None
        words = [word for word in text.split() if any(c.isascii() and c.isalnum() for c in word)]
        made = 0
        try:
            for _ in range(FRAMES_PER_WORD * len(words)):
                if cancel.cancelled:
                    return
                if self.model.error_after is not None and self.made >= self.model.error_after:
                    raise self.model.error
                made += 1
                self.made += 1
                yield np.full(FRAME, 0.25, np.float32)
        finally:
            if made:
                audio_s = made * FRAME / SPEECH_RATE_HZ
                self.line = SpokenLine(text, made, "eos", audio_s, audio_s / 10, 0.01)
                self.context.append(("assistant", text.strip(), made * FRAME))


class FullDisk:
    """Opens real files whose writes fail after ``room`` bytes in all, as on a full disk."""

    def __init__(self, room: int, number: int = errno.ENOSPC) -> None:
        self.room = room
        self.number = number

    def __call__(self, path: Path) -> RawFile:
        return _FullFile(self, open_raw(path))


class _FullFile:
    def __init__(self, disk: FullDisk, file: RawFile) -> None:
        self.disk = disk
        self.file = file

    def write(self, data: bytes) -> int | None:
        if self.disk.room <= 0:
            raise OSError(self.disk.number, os.strerror(self.disk.number))
        taken = self.file.write(data[: self.disk.room])
        self.disk.room -= taken or 0
        return taken

    def seek(self, offset: int) -> int:
        return self.file.seek(offset)

    def close(self) -> None:
        self.file.close()


class FakeFactory:
    """A ``Factory`` of fakes with real files; each part can be replaced."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings
        self.clock = VirtualClock()
        self.recogniser_part = FakeRecogniser()
        self.chat_part: FakeChat | None = None
        self.speech_part = FakeSpeech()
        self.open_file: Callable[[Path], RawFile] = open_raw
        self.rules = SpeechRules()
        self.vad = LevelVad()
        self.loads: list[str] = []
        self.broken: dict[str, ParleyError] = {}

    def __call__(self, settings: Settings) -> FakeFactory:
        self.settings = settings
        return self

    def reader(self) -> SoundReader:
        return FileReader()

    def finder(self) -> VadSpeechFinder:
        self._load("finder")
        return VadSpeechFinder(self.vad, self.clock, self.rules)

    def recogniser(self) -> FakeRecogniser:
        self._load("recogniser")
        return self.recogniser_part

    def chat(self) -> FakeChat:
        self._load("chat")
        self.chat_part = self.chat_part or FakeChat()
        return self.chat_part

    def speech(self) -> FakeSpeech:
        self._load("speech")
        return self.speech_part

    def storage(self) -> Storage:
        return DiskStorage(self.open_file)

    def _load(self, name: str) -> None:
        if name in self.broken:
            raise self.broken[name]
        self.loads.append(name)
