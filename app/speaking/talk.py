"""One conversation in the engine's process, kept here as well, so that it outlives that process."""

from __future__ import annotations

import weakref
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.core.errors import SpeechError
from app.core.turn import CancelToken
from app.core.types import FloatArray, SpokenLine
from app.speaking.ahead import Ahead
from app.speaking.csm import ASSISTANT, USER
from app.speaking.kept import Kept, KeptLine
from app.speaking.line import Line, expect
from app.speaking.link import WorkerLink, WorkerLostError
from engine import protocol
from engine.protocol import Answer, Request

if TYPE_CHECKING:
    from app.speaking.process import ProcessSpeech


class ProcessConversation:
    """The ``SpeechConversation`` of a ``ProcessSpeech``; see there."""

    def __init__(self, speech: ProcessSpeech, seed: int) -> None:
        facts = speech.facts
        assert facts is not None
        self._speech, self._seed = speech, seed
        self._number = speech.next_number()
        self._frame_bytes = 2 * facts.codebooks
        self._kept = Kept(facts.window)
        self._voice = speech.voice
        self._listened = np.zeros(0, np.float32)  # what the worker has of the user's next line
        self._life = 0
        self._line: SpokenLine | None = None
        self._ahead = Ahead(speech.candidates)
        self._open: Line | None = None
        self._ask(None)
        weakref.finalize(self, speech.forgotten.append, self._number).atexit = False

    @property
    def line(self) -> SpokenLine | None:
        """What became of the last line; None when nothing of it could be spoken."""
        return self._line

    def listen(self, at_24k: FloatArray) -> None:
        """What the user has said so far of a line that ``hear`` will bring whole."""
        self._settle()
        had = len(self._listened)
        if not np.array_equal(at_24k[:had], self._listened):
            had = 0
        self._listened = at_24k.copy()
        rest = protocol.sound_bytes(at_24k[had:])
        self._ask_if_alive(protocol.Listen(self._number, had, rest))

    def hear(self, text: str, at_24k: FloatArray) -> None:
        """Add the user's line with its sound to the context."""
        self._listened = np.zeros(0, np.float32)
        self._ahead.begin_turn()
        self._add(USER, text, at_24k)

    def recall(self, text: str, at_24k: FloatArray) -> None:
        """Add a line that the assistant spoke in an earlier conversation."""
        self._add(ASSISTANT, text, at_24k)

    def change_voice(self, folder: Path | None) -> None:
        """Speak in another voice from the next line on; what was said so far stays.

        Raises:
            ModelMissingError: when there is no such voice.
        """
        self._settle()
        voice = str(folder or "")
        expect(self._ask(protocol.ChangeVoice(self._number, voice)), protocol.Done)
        self._voice = voice

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
        line = self._open = Line(text, self._frame_bytes, self._ahead.candidates(text))
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

        request = protocol.Speak(self._number, line.number, line.text, part, said, line.candidates)
        link.send(request, patience_s)
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
            self._ahead.made(self._line, line.candidates)
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
        opened = protocol.Open(self._number, self._voice, self._seed)
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
