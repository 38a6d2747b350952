"""One answer in work: what it was asked, what was made of it, and the pieces of work that make it."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.conversation.heard import Piece
from app.core import events as ev
from app.core.errors import ParleyError
from app.core.ports import ChatModel, Recogniser, SpeechConversation
from app.core.text import SentenceChunker
from app.core.turn import CancelToken, TurnId
from app.core.types import FloatArray, Message


@dataclass(slots=True)
class Job:
    """An answer. Written by the workers' threads in turn, read by the conversation's."""

    turn: TurnId
    revision: int
    start_s: float
    end_s: float
    spoke_until_s: float
    """End of the user's last voice: where waiting begins."""
    begun_s: float
    typed: bool = False
    user_text: str = ""
    cancel: CancelToken = field(init=False)
    mark: int | None = None
    """Where the engine's memory stood before this turn; None while it knows nothing of it."""
    heard_as: str = ""
    """The user's words as the engine was told them; '' while it was not."""
    pieces: list[Piece] = field(default_factory=list[Piece])
    frames: deque[FloatArray] = field(default_factory=deque[FloatArray])
    """Sound that was made and not yet given to the loudspeaker."""
    made: int = 0
    """24 kHz samples made so far, by the worker's count."""
    ready: int = 0
    """24 kHz samples that were reported and may be played."""
    base: int | None = None
    """The loudspeaker's count when the first of it was given; None before."""
    given: int = 0
    released: bool = False
    complete: bool = False
    times_s: dict[str, float] = field(default_factory=dict[str, float])
    """Moments on the session's clock: final, first_text, first_sound, released, heard, last_text."""
    captioned: tuple[int, int] = (0, 0)
    """Characters written and heard when the caption was last shown."""

    def __post_init__(self) -> None:
        self.cancel = CancelToken(self.turn)

    @property
    def text(self) -> str:
        """The answer as far as it is written."""
        return "".join(piece.text for piece in self.pieces)

    def timings_ms(self) -> dict[str, float]:
        """Where the time went, from the end of the user's voice on."""
        at, zero = self.times_s, self.spoke_until_s
        spans = {
            "release": ("released", zero),
            "asr": ("final", self.begun_s),
            "llm_first": ("first_text", at.get("final", self.begun_s)),
            "speech_first": ("first_sound", at.get("first_text", self.begun_s)),
            "reply": ("heard", zero),
        }
        return {
            name: round((at[moment] - since) * 1000, 1)
            for name, (moment, since) in spans.items()
            if moment in at and not (self.typed and name == "asr")
        }


def transcribe(
    job: Job, recogniser: Recogniser, sound: Callable[[], FloatArray]
) -> Iterator[ev.WorkEvent]:
    """Write the user's turn down, for good."""
    if job.cancel.cancelled:
        return
    try:
        text = recogniser.transcribe(sound()).strip()
    except ParleyError as error:
        yield ev.ReplyFailed(0.0, job.turn, job.revision, str(error))
        return
    yield ev.Final(0.0, job.turn, job.revision, text if _has_words(text) else "")


def transcribe_partial(
    turn: TurnId,
    until_s: float,
    recogniser: Recogniser,
    agree: Callable[[str], str],
    sound: Callable[[], FloatArray],
) -> Iterator[ev.WorkEvent]:
    """Write down what can be made out so far."""
    try:
        text = recogniser.transcribe(sound()).strip()
    except ParleyError:
        return  # the final pass will say what is wrong
    text = text if _has_words(text) else ""
    yield ev.Partial(0.0, turn, text, agree(text), until_s)


def think(job: Job, chat: ChatModel, messages: Sequence[Message]) -> Iterator[ev.WorkEvent]:
    """Write the answer, piece by speakable piece."""
    chunker, trouble = SentenceChunker(), ""
    try:
        for token in chat.stream(messages, job.cancel):
            for text in chunker.feed(token):
                yield ev.ReplyText(0.0, job.turn, job.revision, text)
            if job.cancel.cancelled:
                return
    except ParleyError as error:
        trouble = str(error)
    for text in chunker.finish():
        yield ev.ReplyText(0.0, job.turn, job.revision, text)
    if trouble:
        yield ev.Trouble(0.0, job.turn, job.revision, trouble)
    yield ev.Written(0.0, job.turn, job.revision)


def listen(
    conversation: SpeechConversation, sound: Callable[[], FloatArray]
) -> Iterator[ev.WorkEvent]:
    """Let the engine begin with what the user has said so far; whatever is wrong, ``hear`` tells."""
    with contextlib.suppress(ParleyError):
        conversation.listen(sound())
    yield from ()


def hear(
    job: Job, conversation: SpeechConversation, text: str, sound: Callable[[], FloatArray]
) -> Iterator[ev.WorkEvent]:
    """Tell the engine what the user said, with how it sounded.

    It may have been told before, while the words were only likely: if they were others, that is
    taken back.
    """
    if job.cancel.cancelled or (job.heard_as and _letters(text) == _letters(job.heard_as)):
        return
    try:
        if job.mark is None:
            job.mark = conversation.mark()
        else:
            conversation.back_to(job.mark)
        conversation.hear(text, sound())
        job.heard_as = text
    except ParleyError as error:
        yield ev.Trouble(0.0, job.turn, job.revision, str(error))


def change_voice(
    conversation: SpeechConversation, folder: Path | None, trouble: Callable[[str], None]
) -> Iterator[ev.WorkEvent]:
    """Speak in another voice from here on; one that cannot be had changes nothing."""
    try:
        conversation.change_voice(folder)
    except ParleyError as error:
        trouble(str(error))
    yield from ()


def speak(job: Job, conversation: SpeechConversation, piece: Piece) -> Iterator[ev.WorkEvent]:
    """Say one piece of the answer."""
    piece.start = job.made
    if job.cancel.cancelled:
        return
    try:
        for frame in conversation.speak(piece.text, job.cancel):
            if job.cancel.cancelled:
                return
            job.frames.append(frame)
            job.made += len(frame)
            piece.samples += len(frame)
            yield ev.ReplySound(0.0, job.turn, job.revision, job.made / 24_000)
    except ParleyError as error:
        yield ev.Trouble(0.0, job.turn, job.revision, str(error))
    piece.done = True


def end(job: Job) -> Iterator[ev.WorkEvent]:
    """Say that everything before is done."""
    yield ev.ReplyMade(0.0, job.turn, job.revision)


def forget(job: Job, conversation: SpeechConversation) -> Iterator[ev.WorkEvent]:
    """Make the engine forget this turn."""
    if job.mark is not None:
        try:
            conversation.back_to(job.mark)
        except ParleyError as error:
            yield ev.Trouble(0.0, job.turn, job.revision, str(error))


def keep(job: Job, conversation: SpeechConversation, frames: int) -> Iterator[ev.WorkEvent]:
    """Make the engine remember no more of this answer than was heard."""
    if job.mark is not None:
        try:
            conversation.keep_heard(frames)
        except ParleyError as error:
            yield ev.Trouble(0.0, job.turn, job.revision, str(error))


def _letters(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def _has_words(text: str) -> bool:
    return any(char.isalnum() for char in text)
