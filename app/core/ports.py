"""The doors between the conversation and the world. ``app.compose`` chooses what stands behind.

Every method may raise a ``ParleyError``. A fake for each port is in ``tests/fakes``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from app.core.turn import CancelToken
from app.core.types import FloatArray, Heard, Message, SoundBlock, SpokenLine

Notice = Callable[[str], None]
"""Takes one sentence for the user about something that was put right or left out."""


class Clock(Protocol):
    """Tells the time."""

    def monotonic_s(self) -> float:
        """Seconds for measuring."""
        ...

    def now(self) -> datetime:
        """Local time of day."""
        ...


class SoundReader(Protocol):
    """Opens a sound file as a stream."""

    def blocks(self, path: Path, notice: Notice) -> Iterator[SoundBlock]:
        """The file in blocks of about a second, resampled; memory does not grow with the file."""
        ...

    def check(self, path: Path) -> None:
        """Raise ``InputError`` when it cannot be read, as far as the head of the file tells."""
        ...


class VoiceActivity(Protocol):
    """Judges 32 ms windows, keeping state from one to the next."""

    def reset(self) -> None:
        """Forget what was heard."""
        ...

    def probabilities(self, windows: FloatArray) -> FloatArray:
        """Probability of speech of each window; windows (T, 512) at 16 kHz, result (T,)."""
        ...


class SpeechFinder(Protocol):
    """Finds the user's speech in a stream."""

    def find(self, blocks: Iterable[SoundBlock]) -> Heard:
        """The speech, from its first to its last word.

        Raises:
            NoSpeechError: when the stream ends without any.
        """
        ...


class Recogniser(Protocol):
    """Writes down what was said."""

    def transcribe(self, at_16k: FloatArray) -> str:
        """The words; empty when none can be made out."""
        ...


class ChatModel(Protocol):
    """Answers a conversation."""

    def stream(self, messages: Sequence[Message], cancel: CancelToken) -> Iterator[str]:
        """The answer in pieces as they are made. What came before an error stays valid."""
        ...


class SpeechConversation(Protocol):
    """One conversation of the speech engine, which remembers how both sides sounded."""

    def listen(self, at_24k: FloatArray) -> None:
        """What the user has said so far of a line that ``hear`` will bring whole.

        What can be done of it ahead is done now; the conversation knows nothing of it.
        """
        ...

    def hear(self, text: str, at_24k: FloatArray) -> None:
        """Add the user's line with its sound to the context."""
        ...

    def recall(self, text: str, at_24k: FloatArray) -> None:
        """Add a line that the assistant spoke in an earlier conversation."""
        ...

    def speak(self, text: str, cancel: CancelToken) -> Iterator[FloatArray]:
        """Say one line; 80 ms frames (1920,) at 24 kHz. Nothing when nothing can be spoken."""
        ...

    @property
    def line(self) -> SpokenLine | None:
        """What became of the last line; None when nothing of it could be spoken."""
        ...

    def change_voice(self, folder: Path | None) -> None:
        """Speak in another voice from the next line on; what was said so far stays."""
        ...

    def mark(self) -> int:
        """The present place in the conversation, for ``back_to``."""
        ...

    def back_to(self, mark: int) -> None:
        """Forget everything since ``mark``, as if it had never happened."""
        ...

    def keep_heard(self, frames: int) -> None:
        """Cut what was spoken since the user's last line to its first ``frames`` 80 ms frames."""
        ...


class SpeechModel(Protocol):
    """A loaded speech engine with its voice."""

    def conversation(self, seed: int = 0) -> SpeechConversation:
        """A fresh conversation in the chosen voice."""
        ...


class SoundSink(Protocol):
    """A sound file being written."""

    def write(self, samples: FloatArray) -> None:
        """Append sound."""
        ...

    def close(self) -> None:
        """Finish the file and put it in its place, also after a failed write."""
        ...


class Storage(Protocol):
    """Where results are written. Every failure is an ``OutputError``."""

    def folder(self, path: Path) -> None:
        """Make the folder and see that files can be written in it."""
        ...

    def text(self, path: Path, text: str) -> None:
        """Write a text file whole or not at all."""
        ...

    def sound(self, path: Path, rate_hz: int) -> SoundSink:
        """Begin a WAV file; it appears under its name when it is closed."""
        ...

    def remove(self, path: Path) -> None:
        """Take away a file if it is there."""
        ...
