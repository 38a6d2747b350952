"""The speech engine in a process of its own, which may die: the conversation does not.

``ProcessSpeech`` and ``ProcessConversation`` do what ``CsmSpeech`` and ``CsmConversation`` do, frame
for frame, with the engine in a worker (``engine.worker``). When the worker dies, is killed, runs out
of memory or stops answering, a new one is started and told the conversation again, as the codec's
codes, which is exactly how the model had it. The line that it died in goes on **from the frame
where it stopped**: the new worker is given the codes of the frames that were delivered and
continues after them, so that nothing is spoken twice, nothing is left out and the sound joins.
(Making the line again and skipping its beginning would not do: the noise that chooses the codes
would have to be the same to the last bit.) That is done once in a line; then there is a
``SpeechError``, and after three lines that failed so, no worker is started any more.

Where it runs out of memory, the new worker is told only the newer half of the conversation.
Frames come ahead of the loudspeaker: the pipe holds a second or two, then the worker waits.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from app.core.errors import SpeechError
from app.core.turn import CancelToken
from app.core.types import FloatArray, SpokenLine
from app.speaking.csm import ASSISTANT, USER, EngineOptions
from app.speaking.kept import Kept, KeptLine
from app.speaking.line import Line, expect
from app.speaking.link import WorkerLink, WorkerLostError
from engine import protocol
from engine.protocol import Answer, Request

_GIVE_UP = 3


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a worker may be silent before it is taken for dead, in seconds.

    Wide, because a big model on a small processor is slow, not dead; a worker that really died is
    noticed at once.
    """

    load_s: float = 900.0
    frame_s: float = 60.0


class ProcessSpeech:
    """The ``SpeechModel`` of the assistant in its own process.

    One thread at a time may use it and its conversations; only ``close`` may come from another.
    """

    def __init__(self, options: EngineOptions, patience: Patience | None = None) -> None:
        self._options = options
        self.patience = patience or Patience()
        self._link: WorkerLink | None = None
        self._facts: protocol.Loaded | None = None
        self._closed = False
        self._lives = self._failures = 0
        self._numbers = itertools.count(1)
        self.forgotten: list[int] = []
        """Numbers of conversations that nobody holds any more."""
        self.speaking: ProcessConversation | None = None
        """Whose line is under way."""

    def load(self) -> None:
        """Start the worker and load the model and its voice, warmed up.

        Raises:
            ModelMissingError: when the model or the voice cannot be used.
            SpeechError: when the engine fails for another reason, as on a missing device.
        """
        self._failures = 0
        self._start()

    def conversation(self, seed: int = 0) -> ProcessConversation:
        """A fresh conversation in the chosen voice."""
        self._start()
        return ProcessConversation(self, seed)

    def close(self, deadline_s: float = 2.0) -> bool:
        """End the worker, by force where it must be; False when it is still there.

        A line being spoken ends as if cancelled.
        """
        self._closed = True
        link, self._link = self._link, None
        return link.end(deadline_s) if link is not None else True

    def ping(self) -> bool:
        """Whether the worker is there and answers; asks nothing while a line is under way."""
        link = self.running
        if link is None or self.speaking is not None:
            return link is not None
        number = self.next_number()
        try:
            return link.ask(protocol.Ping(number), self.patience.frame_s) == protocol.Pong(number)
        except WorkerLostError:
            self.lost()
            return False

    @property
    def facts(self) -> protocol.Loaded | None:
        """What the engine runs on and how long it took to load; None before."""
        return self._facts

    @property
    def pid(self) -> int:
        """The worker's process number; 0 when none runs."""
        link = self.running
        return link.pid if link is not None else 0

    @property
    def running(self) -> WorkerLink | None:
        """The running worker, if there is one."""
        return self._link if self._link is not None and self._link.alive else None

    @property
    def closed(self) -> bool:
        """Whether it was closed, for good."""
        return self._closed

    @property
    def life(self) -> int:
        """Counts the workers: which one runs, or ran last."""
        return self._lives

    @property
    def voice(self) -> str:
        """Folder of the voice, '' for none."""
        return str(self._options.voice or "")

    def next_number(self) -> int:
        """A number that was never given before, growing: for conversations and lines."""
        return next(self._numbers)

    def link(self) -> WorkerLink:
        """The running worker, started and loaded when there is none.

        Raises:
            WorkerLostError: when it died while loading.
            ParleyError: when it cannot be loaded, or is not to be started any more.
        """
        if self._closed:
            raise SpeechError("The speech engine was closed: start the conversation again.")
        running = self.running
        if running is not None:
            return running
        if self._failures >= _GIVE_UP:
            raise SpeechError(
                "The speech engine keeps failing, so answers come as text: restart Parley, or "
                "choose a smaller model."
            )
        self.lost()
        link = self._link = WorkerLink()
        self._lives += 1
        self.forgotten.clear()
        options = self._options
        request = protocol.Load(
            str(options.model),
            self.voice,
            options.device,
            options.precision,
            options.threads or 0,
        )
        try:
            self._facts = expect(link.ask(request, self.patience.load_s), protocol.Loaded)
        except BaseException:
            self.lost()
            raise
        if self._closed:  # meanwhile, by another thread
            link.end(0.0)
        return link

    def _start(self) -> None:
        try:
            self.link()
        except WorkerLostError as error:
            raise SpeechError(str(error)) from error

    def lost(self) -> None:
        """Let go of a worker that cannot be used any more."""
        link, self._link = self._link, None
        if link is not None:
            link.end(0.0)

    def count_line(self, *, failed: bool) -> None:
        """Note how a line went; failures in a row end the starting of workers."""
        self._failures = self._failures + 1 if failed else 0


class ProcessConversation:
    """One conversation in the worker, kept here as well, so that it outlives the worker."""

    def __init__(self, speech: ProcessSpeech, seed: int) -> None:
        facts = speech.facts
        assert facts is not None
        self._speech, self._seed = speech, seed
        self._number = speech.next_number()
        self._frame_bytes = 2 * facts.codebooks
        self._kept = Kept(facts.window)
        self._life = 0
        self._line: SpokenLine | None = None
        self._open: Line | None = None
        self._ask(None)
        weakref.finalize(self, speech.forgotten.append, self._number).atexit = False

    @property
    def line(self) -> SpokenLine | None:
        """What became of the last line; None when nothing of it could be spoken."""
        return self._line

    def hear(self, text: str, at_24k: FloatArray) -> None:
        """Add the user's line with its sound to the context."""
        self._add(USER, text, at_24k)

    def recall(self, text: str, at_24k: FloatArray) -> None:
        """Add a line that the assistant spoke in an earlier conversation."""
        self._add(ASSISTANT, text, at_24k)

    def mark(self) -> int:
        """The present place, for ``back_to``; the last 16 are kept. It outlives the worker."""
        self._settle()
        answer = expect(self._ask(protocol.Mark(self._number)), protocol.Marked)
        return self._kept.mark(self._life, answer.mark)

    def back_to(self, mark: int) -> None:
        """Forget everything since ``mark``, as if it had never happened; the mark stays valid.

        Raises:
            ValueError: when the mark is too old, or was itself forgotten.
        """
        self._settle()
        life, engine_mark = self._kept.back_to(mark)
        if life != self._life:
            self._life = 0  # made in an earlier worker: this one is told the conversation anew
        self._ask_if_alive(protocol.BackTo(self._number, engine_mark))

    def keep_heard(self, frames: int) -> None:
        """Cut what was spoken since the user's last line to its first ``frames`` 80 ms frames."""
        self._settle()
        cut = self._kept.keep_heard(frames)
        if cut:
            self._ask_if_alive(protocol.Unhear(self._number, cut))

    def speak(self, text: str, cancel: CancelToken) -> Iterator[FloatArray]:
        """Say one line; frames (1920,) at 24 kHz. Nothing when nothing can be spoken.

        Raises:
            SpeechError: when the engine failed and starting it again did not help.
        """
        self._settle()
        self._line = None
        self._speech.speaking = self
        line = self._open = Line(text, self._frame_bytes)
        try:
            yield from self._frames(line, cancel)
        finally:
            self._finish(line)

    def _frames(self, line: Line, cancel: CancelToken) -> Generator[FloatArray]:
        """The frames of a line, over the death of one worker."""
        for attempt in range(2):
            try:
                link = self._ensure(line.finished())
                yield from self._take(line, link, cancel)
            except WorkerLostError as error:
                self._mourn(error)
                line.asked = False
                if self._speech.closed or cancel.cancelled or line.over:
                    return
                if attempt:
                    self._speech.count_line(failed=True)
                    raise SpeechError(str(error)) from error
            else:
                self._speech.count_line(failed=False)
                return

    def _take(self, line: Line, link: WorkerLink, cancel: CancelToken) -> Generator[FloatArray]:
        """Ask for the line, or for the rest of it, and take its frames."""
        patience_s = self._speech.patience.frame_s
        line.number, line.link = self._speech.next_number(), link
        part, said = line.reached()

        def look() -> None:
            if cancel.cancelled:
                link.cancel(line.number)

        link.send(protocol.Speak(self._number, line.number, line.text, part, said), patience_s)
        line.asked = True
        while not line.over:
            answer = link.receive(patience_s, look)
            look()
            if not isinstance(answer, protocol.Sound):
                line.end(answer)
            elif cancel.cancelled:
                line.unheard += 1
            else:
                line.add(answer)
                yield protocol.sound_of(answer.pcm)

    def _finish(self, line: Line) -> None:
        """The line is over, in whatever way: stop the worker, and keep what was delivered of it."""
        if self._open is not line:
            return
        self._open = self._speech.speaking = None
        if line.asked and not line.over and line.link is not None:
            self._drain(line, line.link)
        line.over = True
        if line.frames:
            self._kept.speak(line.kept())
            self._line = line.report()
        if line.unheard:
            self._ask_if_alive(protocol.Unhear(self._number, line.unheard))

    def _drain(self, line: Line, link: WorkerLink) -> None:
        """Cancel a line that nobody wants any more and take what is under way of it."""
        link.cancel(line.number)
        try:
            while not line.over:
                answer = link.receive(self._speech.patience.frame_s)
                if isinstance(answer, protocol.Sound):
                    line.unheard += 1
                else:
                    line.over = True
        except WorkerLostError as error:
            self._mourn(error)

    def _settle(self) -> None:
        """Finish a line that whoever asked for it left in the middle."""
        speaking = self._speech.speaking
        if speaking is not None and speaking._open is not None:
            speaking._finish(speaking._open)

    def _add(self, speaker: int, text: str, at_24k: FloatArray) -> None:
        self._settle()
        request = protocol.Hear(self._number, speaker, text, protocol.sound_bytes(at_24k))
        told = expect(self._ask(request), protocol.Remembered)
        self._kept.hear(
            KeptLine(speaker, text, told.codes, self._frame_bytes, False, told.positions)
        )

    def _ask(self, request: Request | None) -> Answer:
        """Ask, and once more of a new worker when this one dies of it; None only sees to a worker."""
        error: WorkerLostError | None = None
        for _ in range(2):
            try:
                link = self._ensure(())
                if request is None:
                    return protocol.Done()
                return link.ask(request, self._speech.patience.frame_s)
            except WorkerLostError as lost:
                error = lost
                self._mourn(lost)
        self._speech.count_line(failed=True)
        raise SpeechError(str(error)) from error

    def _ask_if_alive(self, request: Request) -> None:
        """Tell the worker of a change that is made here already; a new one will be told anyway."""
        link = self._speech.running
        if link is None or self._life != self._speech.life:
            return
        try:
            expect(link.ask(request, self._speech.patience.frame_s), protocol.Done)
        except WorkerLostError as error:
            self._mourn(error)

    def _ensure(self, more: tuple[KeptLine, ...]) -> WorkerLink:
        """The worker, which knows this conversation, with ``more`` lines at its end if it is new."""
        link, patience_s = self._speech.link(), self._speech.patience.frame_s
        while self._speech.forgotten:
            link.ask(protocol.Close(self._speech.forgotten.pop()), patience_s)
        if self._life == self._speech.life:
            return link
        opened = protocol.Open(self._number, self._speech.voice, self._seed)
        expect(link.ask(opened, patience_s), protocol.Done)
        for line in (*self._kept.lines, *more):
            again = protocol.Remember(self._number, line.speaker, line.text, line.codes, line.own)
            expect(link.ask(again, patience_s), protocol.Done)
        self._life = self._speech.life
        return link

    def _mourn(self, error: WorkerLostError) -> None:
        self._speech.lost()
        if error.memory:
            self._kept.make_do()
