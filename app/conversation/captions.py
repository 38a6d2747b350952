"""What is written on the screen of both sides, as it changes."""

from __future__ import annotations

from collections.abc import Callable

from app.conversation.heard import heard_chars
from app.conversation.job import Job
from app.conversation.state import State
from app.core.shown import Caption, CaptionRemoved, Shown, Side
from app.core.turn import TurnId


class Captions:
    """Shows each caption when it changed, and takes away what came to nothing."""

    def __init__(self, show: Callable[[Shown], None]) -> None:
        self._show = show
        self._users: set[TurnId] = set()
        """Turns whose words are not final yet."""

    def user(self, turn: TurnId, text: str, sure: int, *, final: bool, typed: bool = False) -> None:
        """What the user said so far."""
        if text:
            # Words that are final were said, whatever becomes of the turn.
            (self._users.discard if final else self._users.add)(turn)
            self._show(Caption(turn, Side.USER, text, sure, len(text), final, typed))

    def reply(self, job: Job, heard: int) -> None:
        """A released answer, and how far it was heard (24 kHz samples), when either changed."""
        if not job.released or not job.text:
            return
        chars = heard_chars(job.pieces, heard)
        if job.captioned != (len(job.text), chars):
            job.captioned = (len(job.text), chars)
            text = job.text
            self._show(Caption(job.turn, Side.ASSISTANT, text, len(text), chars, final=False))

    def close(self, job: Job, chars: int) -> None:
        """The answer is over; the first ``chars`` of it were heard."""
        self._users.discard(job.turn)
        text = job.text
        self._show(Caption(job.turn, Side.ASSISTANT, text, len(text), chars, final=True))

    def take_back(self, job: Job) -> None:
        """The answer was dropped."""
        if job.captioned != (0, 0):
            self._show(CaptionRemoved(job.turn, Side.ASSISTANT))

    def tidy(self, before: State, now: State, job: Job | None) -> None:
        """Take away the user's words of a turn that is no more and was not answered."""
        gone = before.speech
        if gone is None or (now.speech is not None and now.speech.turn == gone.turn):
            return
        answered = job is not None and job.turn == gone.turn
        replied = before.reply is not None and before.reply.heard_s > 0
        if not answered and not replied and gone.turn in self._users:
            self._users.discard(gone.turn)
            self._show(CaptionRemoved(gone.turn, Side.USER))
