"""The speech engine as the assistant sees it: lines of text in, 80 ms of sound at a time out.

The engine's own errors become the assistant's. The engine runs in this process, on the thread
that calls.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.core.errors import InputError, ModelMissingError, ParleyError, SpeechError
from app.core.turn import CancelToken
from app.core.types import FloatArray, SpokenLine

if TYPE_CHECKING:
    from engine.generator import Conversation, SpeechEngine
    from engine.types import Voice

ASSISTANT, USER = 0, 1
"""Speaker numbers in the model's text template."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Which model speaks, in which voice, and on what."""

    model: Path
    voice: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    voices: Path | None = None
    """Where voices made ready are kept from one start to the next; None keeps none."""
    candidates: int = 1
    """Readings of a line to choose from, where the loudspeaker is far enough behind."""


class CsmSpeech:
    """The ``SpeechModel`` of the assistant."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._engine: SpeechEngine | None = None
        self._voice: Voice | None = None

    def load(self) -> None:
        """Load the model, warmed up, and its voice, so that the first turn is fast.

        Raises:
            ModelMissingError: when the model or the voice cannot be used.
            SpeechError: when the engine fails for another reason, as on a missing device.
        """
        from engine.generator import SpeechEngine
        from engine.voice import load_voice

        options = self._options
        with _told():
            engine = SpeechEngine.load(
                options.model,
                device=options.device,
                precision=options.precision,
                threads=options.threads,
                voices=options.voices,
            )
            if options.voice is not None:
                self._voice = load_voice(options.voice, engine.sample_rate_hz)
                engine.prepare_voice(self._voice)
            self._engine = engine

    def conversation(self, seed: int = 0) -> CsmConversation:
        """A fresh conversation in the chosen voice."""
        if self._engine is None:
            self.load()
        assert self._engine is not None
        with _told():
            return CsmConversation(self._engine.conversation(self._voice, seed=seed))


class CsmConversation:
    """One conversation; keeps the engine's memory of both voices."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._line: SpokenLine | None = None

    @property
    def line(self) -> SpokenLine | None:
        """What became of the last line; None when nothing of it could be spoken."""
        return self._line

    def listen(self, at_24k: FloatArray) -> None:
        """What the user has said so far of a line that ``hear`` will bring whole."""
        with _told():
            self._conversation.listen(at_24k)

    def hear(self, text: str, at_24k: FloatArray) -> None:
        """Add the user's line with its sound to the context."""
        self._add(USER, text, at_24k)

    def recall(self, text: str, at_24k: FloatArray) -> None:
        """Add a line that the assistant spoke in an earlier conversation."""
        self._add(ASSISTANT, text, at_24k)

    def speak(self, text: str, cancel: CancelToken) -> Iterator[FloatArray]:
        """Say one line; frames (1920,) at 24 kHz. Nothing when nothing can be spoken."""
        from engine.errors import TextError

        self._line = None
        before = self._conversation.report
        with _told():
            try:
                with contextlib.closing(
                    self._conversation.speak(text, lambda: cancel.cancelled)
                ) as frames:
                    for frame in frames:
                        yield frame.samples
            except TextError:
                return
            finally:
                if self._conversation.report is not before:
                    self._keep_report(text)

    def mark(self) -> int:
        """The present place, for ``back_to``; the last 16 are kept."""
        return self._conversation.mark()

    def back_to(self, mark: int) -> None:
        """Forget everything since ``mark``, as if it had never happened; the mark stays valid."""
        with _told():
            self._conversation.back_to(mark)

    def keep_heard(self, frames: int) -> None:
        """Cut what was spoken since the user's last line to its first ``frames`` 80 ms frames."""
        with _told():
            self._conversation.keep_heard(frames)

    def change_voice(self, folder: Path | None) -> None:
        """Speak in another voice from the next line on; what was said so far stays.

        Raises:
            ModelMissingError: when there is no such voice.
        """
        from engine.voice import load_voice

        with _told():
            rate_hz = self._conversation.engine.sample_rate_hz
            self._conversation.change_voice(load_voice(folder, rate_hz) if folder else None)

    def _add(self, speaker: int, text: str, at_24k: FloatArray) -> None:
        from engine.types import Segment

        with _told():
            self._conversation.add(Segment(speaker=speaker, text=text, audio=at_24k))

    def _keep_report(self, text: str) -> None:
        report = self._conversation.report
        assert report is not None
        self._line = SpokenLine(
            text,
            report.frames,
            str(report.ended),
            report.audio_s,
            report.elapsed_s,
            report.first_audio_s,
        )


@contextlib.contextmanager
def _told() -> Generator[None]:
    """Turn the engine's errors into the assistant's; the engine's sentences are kept."""
    from engine.errors import EngineError, ModelError, TextError, VoiceError

    try:
        yield
    except (ModelError, VoiceError) as error:
        raise ModelMissingError(str(error)) from error
    except TextError as error:
        raise InputError(str(error)) from error
    except EngineError as error:
        raise SpeechError(str(error)) from error
    except ParleyError:
        raise
    except (RuntimeError, MemoryError) as error:
        raise SpeechError(
            f"The speech engine failed ({_first_line(error)}): try again, or choose another model "
            "or device."
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")[:160]


def describe_device(device: str) -> str:
    """Where the engine would run, in words.

    Raises:
        SpeechError: when the wanted device is not there.
    """
    import importlib.metadata

    from engine.runtime.device import pick_device

    with _told():
        return f"torch {importlib.metadata.version('torch')} on {pick_device(device)}"


def describe_cpu_engine() -> tuple[bool, str]:
    """Whether the compiled CPU engine can be used, and what it is made of or why not."""
    from engine.native import library

    problem = library.reason()
    if problem:
        return False, problem
    return True, f"compiled for {library.load().parley_kernels().decode()} instructions"
