"""One turn: the user's sound in, the assistant's sound out.

    file → speech found → words → tools or model ─pieces→ speech → sink
                                  └── "think" thread ──┘ └ this thread ┘

The model writes while the engine already speaks; a short queue between them keeps the model from
running far ahead. What a turn has reached is in its ``Draft`` at every moment, so that whoever
stops it, an error or the user, leaves what was made so far.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.conversation.history import History
from app.core.errors import NoSpeechError, ThinkingError
from app.core.ports import (
    ChatModel,
    Clock,
    Recogniser,
    SoundReader,
    SpeechConversation,
    SpeechFinder,
)
from app.core.text import SentenceChunker
from app.core.turn import CancelToken, TurnId
from app.core.types import FloatArray, Heard, Message, SoundBlock, SpokenLine, worse_end

_PIECES_AHEAD = 3
# How long the queue is tried before looking whether the turn was cancelled.
_PATIENCE_S = 0.1
_JOIN_S = 2.0

Sink = Callable[[FloatArray], None]


@dataclass(frozen=True, slots=True)
class TurnPorts:
    """The parts that a turn goes through."""

    reader: SoundReader
    finder: SpeechFinder
    recogniser: Recogniser
    chat: ChatModel
    clock: Clock


@dataclass(slots=True)
class Draft:
    """How far a turn has come. Times in seconds; 0 for what was not reached."""

    turn: TurnId
    source: Path
    heard: Heard | None = None
    user_text: str = ""
    reply_text: str = ""
    ended: str = ""
    audio_s: float = 0.0
    times_s: dict[str, float] = field(default_factory=dict[str, float])
    notices: list[str] = field(default_factory=list[str])
    error: str = ""

    def timings_ms(self) -> dict[str, float]:
        """The times under their public names, and the real-time factor of the speech."""
        timings = {f"{name}_ms": round(spent * 1000, 2) for name, spent in self.times_s.items()}
        if self.audio_s:
            timings["speech_rtf"] = round(self.times_s.get("speech", 0.0) / self.audio_s, 4)
        return timings


@dataclass(frozen=True, slots=True)
class _Piece:
    """A speakable piece of the answer and when it was ready."""

    text: str
    ready_s: float


class TurnRunner:
    """Runs turns of one conversation, one after another, on the thread that calls."""

    def __init__(
        self, ports: TurnPorts, speech: SpeechConversation, system: Callable[[], str]
    ) -> None:
        self._ports = ports
        self._speech = speech
        self._system = system
        self._history = History()

    def run(self, draft: Draft, sink: Sink, cancel: CancelToken) -> None:
        """Take the turn of ``draft.source`` and fill in the draft on the way.

        Raises:
            ParleyError: when a part fails; what was answered before is spoken and kept.
        """
        clock = self._ports.clock
        began = clock.monotonic_s()
        try:
            heard = self._listen(draft)
            self._answer(draft, heard, sink, cancel)
        finally:
            draft.times_s["turn"] = clock.monotonic_s() - began
            self._history.add(draft.user_text, draft.reply_text)

    def _listen(self, draft: Draft) -> Heard:
        """Find the user's speech and write it down."""
        ports, times = self._ports, draft.times_s
        blocks = ports.reader.blocks(draft.source, draft.notices.append)
        with contextlib.closing(_Timed(blocks, ports.clock)) as timed:
            try:
                heard = ports.finder.find(timed)
            except NoSpeechError as error:
                raise NoSpeechError(
                    f"No speech was found in {draft.source}: speak closer or louder."
                ) from error
            finally:
                times["decode"] = timed.spent_s
        times["vad"] = heard.vad_s
        draft.heard = heard
        if heard.cut:
            draft.notices.append(
                f"The speech in {draft.source} is longer than a turn may be; "
                f"its first {heard.seconds:.0f} s were used."
            )
        found = ports.clock.monotonic_s()
        draft.user_text = ports.recogniser.transcribe(heard.at_16k).strip()
        times["asr"] = ports.clock.monotonic_s() - found
        if not any(char.isalnum() for char in draft.user_text):
            draft.user_text = ""
            raise NoSpeechError(
                f"No words could be made out in {draft.source}: speak more clearly, or choose "
                "another recogniser with --asr."
            )
        return heard

    def _answer(self, draft: Draft, heard: Heard, sink: Sink, cancel: CancelToken) -> None:
        """Think and speak at the same time."""
        clock, times = self._ports.clock, draft.times_s
        messages = self._history.messages(self._system(), draft.user_text)
        thought = _Thought(self._ports.chat, messages, clock, cancel)
        thought.start()
        try:
            began = clock.monotonic_s()
            self._speech.hear(draft.user_text, heard.at_24k)
            times["context"] = clock.monotonic_s() - began
            for piece in thought.pieces():
                draft.reply_text += piece.text
                self._say(draft, piece, sink, cancel)
        except BaseException:
            cancel.cancel()
            raise
        finally:
            thought.join()
            times["llm_first_token"] = thought.first_s
            times["llm"] = thought.whole_s
            draft.reply_text = draft.reply_text.strip()
        if thought.error is not None:
            raise thought.error
        if not draft.reply_text:
            raise ThinkingError(
                "The language model gave no answer: ask again or choose another model with --llm."
            )
        if not draft.audio_s:
            draft.notices.append("Nothing in the answer could be spoken.")

    def _say(self, draft: Draft, piece: _Piece, sink: Sink, cancel: CancelToken) -> None:
        """Speak one piece into the sink."""
        clock, times = self._ports.clock, draft.times_s
        began = clock.monotonic_s()
        try:
            for frame in self._speech.speak(piece.text, cancel):
                times.setdefault("first_audio", clock.monotonic_s() - piece.ready_s)
                sink(frame)
        finally:
            times["speech"] = times.get("speech", 0.0) + clock.monotonic_s() - began
            line = self._speech.line
            if line is not None:
                _note(draft, line)


def _note(draft: Draft, line: SpokenLine) -> None:
    """Add a spoken line to the draft's account."""
    draft.audio_s += line.audio_s
    draft.ended = worse_end(draft.ended, line.ended)


class _Thought:
    """The answer being written on its own thread, ``think``."""

    def __init__(
        self, chat: ChatModel, messages: list[Message], clock: Clock, cancel: CancelToken
    ) -> None:
        self._chat, self._messages, self._clock, self._cancel = chat, messages, clock, cancel
        self._queue: queue.Queue[_Piece | None] = queue.Queue(_PIECES_AHEAD)
        self._thread = threading.Thread(target=self._work, name="think", daemon=True)
        self.first_s = 0.0
        self.whole_s = 0.0
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin writing."""
        self._thread.start()

    def pieces(self) -> Iterator[_Piece]:
        """The pieces as they become ready, until the answer ends."""
        while True:
            try:
                piece = self._queue.get(timeout=_PATIENCE_S)
            except queue.Empty:
                if self._cancel.cancelled:
                    return
                continue
            if piece is None:
                return
            yield piece

    def join(self) -> None:
        """Wait until the thread is done; a server that says nothing is left to itself."""
        self._thread.join(_JOIN_S)

    def _work(self) -> None:
        try:
            self._write()
        except Exception as error:  # noqa: BLE001  (carried to the turn's own thread and raised there)
            self.error = error
        finally:
            self._offer(None)

    def _write(self) -> None:
        began = self._clock.monotonic_s()
        chunker = SentenceChunker()
        try:
            for token in self._chat.stream(self._messages, self._cancel):
                self.first_s = self.first_s or self._clock.monotonic_s() - began
                for text in chunker.feed(token):
                    self._offer(_Piece(text, self._clock.monotonic_s()))
                if self._cancel.cancelled:
                    return
        finally:
            self.whole_s = self._clock.monotonic_s() - began
            # Also after an error: what was received is spoken.
            for text in chunker.finish():
                self._offer(_Piece(text, self._clock.monotonic_s()))

    def _offer(self, piece: _Piece | None) -> None:
        """Put a piece into the queue, unless nobody listens any more."""
        while not self._cancel.cancelled:
            try:
                self._queue.put(piece, timeout=_PATIENCE_S)
            except queue.Full:
                continue
            return


class _Timed:
    """A stream of sound that counts the time spent in making it."""

    def __init__(self, blocks: Iterator[SoundBlock], clock: Clock) -> None:
        self._blocks = blocks
        self._clock = clock
        self.spent_s = 0.0

    def __iter__(self) -> Iterator[SoundBlock]:
        return self

    def __next__(self) -> SoundBlock:
        began = self._clock.monotonic_s()
        try:
            return next(self._blocks)
        finally:
            self.spent_s += self._clock.monotonic_s() - began

    def close(self) -> None:
        """Let go of the file, also when only its beginning was wanted."""
        close = getattr(self._blocks, "close", None)
        if close is not None:
            close()
