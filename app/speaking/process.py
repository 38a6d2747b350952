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
from dataclasses import dataclass

from app.core.errors import SpeechError
from app.speaking.csm import EngineOptions
from app.speaking.line import expect
from app.speaking.link import WorkerLink, WorkerLostError
from app.speaking.talk import ProcessConversation
from engine import protocol

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

    @property
    def candidates(self) -> int:
        """Readings of a line to choose from, where there is time for them."""
        return self._options.candidates

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
            str(options.voices or ""),
            options.candidates,
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
