"""What the conductor asks of the workers: words of the recogniser, an answer of the model, sound.

Every method puts a piece of work (``job.py``) into a worker's queue and returns at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from app.conversation import job as jobs
from app.conversation.heard import Piece
from app.conversation.job import Job
from app.conversation.parts import LiveParts, Workers
from app.core import commands as do
from app.core.turn import TurnId
from app.core.types import FloatArray, Message

PRE_ROLL_S = 0.3
"""Sound before the first voice that belongs to a turn: the beginning of its first word."""


class Asking:
    """The workers, and the one partial that waits for a free recogniser."""

    def __init__(self, parts: LiveParts, workers: Workers) -> None:
        self._parts, self._workers = parts, workers
        self._partial: do.Transcribe | None = None
        self._partial_of = (TurnId(0), 0.0)

    # -------------------------------------------------------------------------- the recogniser

    def partial(self, wanted: do.Transcribe) -> None:
        """Make out what was said so far. Only the newest is worth making: it takes the last's place."""
        self._partial = wanted
        self.send_partial()

    def send_partial(self) -> None:
        """Ask for the partial that waits, once the recogniser is free."""
        wanted, parts = self._partial, self._parts
        if wanted is None or self._workers.transcriber.pending:
            return
        self._partial = None
        if (wanted.turn, wanted.start_s) != self._partial_of:
            # Another turn, or other sound that may become it: an earlier murmur is no front of it.
            parts.agreement.reset()
            self._partial_of = (wanted.turn, wanted.start_s)
        self._workers.transcriber.submit(
            lambda: jobs.transcribe_partial(
                wanted.turn,
                wanted.end_s,
                parts.recogniser,
                parts.agreement.feed,
                lambda: parts.ears.at_16k.between(wanted.start_s - PRE_ROLL_S, wanted.end_s),
            )
        )

    def final(self, job: Job) -> None:
        """Make out the words of a whole turn; a partial that waits is of no use any more."""
        self._partial, parts = None, self._parts
        self._workers.transcriber.submit(
            lambda: jobs.transcribe(
                job,
                parts.recogniser,
                lambda: parts.ears.at_16k.between(job.start_s - PRE_ROLL_S, job.end_s),
            )
        )

    # ------------------------------------------------------------------------ language model

    def think(self, job: Job, messages: Sequence[Message]) -> None:
        """Write an answer."""
        self._workers.thinker.submit(lambda: jobs.think(job, self._parts.chat, messages))

    # ---------------------------------------------------------------------------- the engine

    @property
    def engine_idle(self) -> bool:
        """Whether the engine was asked for nothing that it has not done."""
        return not self._workers.speaker.pending

    def listen(self, start_s: float, end_s: float) -> None:
        """Begin with the user's sound while the words are being made out."""
        sound = self._sound(start_s - PRE_ROLL_S, end_s)
        self._workers.speaker.submit(lambda: jobs.listen(self._parts.speech, sound))

    def hear(self, job: Job, text: str) -> None:
        """Remember the user's words with their sound."""
        start_s = job.start_s - PRE_ROLL_S
        sound = self._sound(start_s, start_s if job.typed else job.end_s)
        self._workers.speaker.submit(lambda: jobs.hear(job, self._parts.speech, text, sound))

    def speak(self, job: Job, piece: Piece) -> None:
        """Say a piece of the answer."""
        self._workers.speaker.submit(lambda: jobs.speak(job, self._parts.speech, piece))

    def end(self, job: Job) -> None:
        """Tell when all pieces are said."""
        self._workers.speaker.submit(lambda: jobs.end(job))

    def forget(self, job: Job) -> None:
        """Forget the turn."""
        self._workers.speaker.submit(lambda: jobs.forget(job, self._parts.speech))

    def keep(self, job: Job, frames: int) -> None:
        """Remember no more of the answer than its first ``frames`` frames."""
        self._workers.speaker.submit(lambda: jobs.keep(job, self._parts.speech, frames))

    def change_voice(self, folder: Path | None, trouble: Callable[[str], None]) -> None:
        """Speak in another voice from the next line on; ``trouble`` is told on the worker's thread."""
        speech = self._parts.speech
        self._workers.speaker.submit(lambda: jobs.change_voice(speech, folder, trouble))

    def _sound(self, start_s: float, end_s: float) -> Callable[[], FloatArray]:
        return lambda: self._parts.ears.at_24k.between(start_s, end_s)
