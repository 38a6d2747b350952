"""The conversation without a window: sound files in, sound files out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app import __version__
from app.compose import Factory, Parts, assemble, told_models
from app.conversation.folder import TRANSCRIPT, SessionFolder
from app.conversation.session import Session
from app.core.errors import InputError
from app.core.ports import SoundReader, SoundSink, SpeechConversation
from app.core.text import WHOLE_SENTENCES, chunks
from app.core.turn import CancelToken, TurnId
from app.core.types import SPEECH_RATE_HZ, worse_end
from app.settings import paths
from app.settings.model import Settings

Tell = Callable[[str], None]
"""Takes a line about how it goes, for the person at the terminal."""


@dataclass(slots=True)
class Outcome:
    """What a command has to show so far. Filled on the way, so that a failure leaves what was made."""

    result: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class TalkRequest:
    """What ``talk`` was asked for."""

    inputs: Sequence[Path]
    output: Path
    session: Path | None = None


@dataclass(frozen=True, slots=True)
class SayRequest:
    """What ``say`` was asked for."""

    text: str
    output: Path
    context: Path | None = None


def talk(
    request: TalkRequest, settings: Settings, factory: Factory, outcome: Outcome, tell: Tell
) -> None:
    """Hold a conversation in which each input file is one turn of the user.

    Raises:
        ParleyError: at the first turn that fails; the turns before are in ``outcome`` and on disk.
    """
    result = outcome.result
    result.update(turns=[], output=str(request.output))
    if request.session is not None:
        result["session"] = str(request.session)
    _check_inputs(request, factory.reader())
    storage = factory.storage()
    check_wav_name(request.output)
    storage.folder(request.output.parent)
    folder = SessionFolder(request.session, storage) if request.session is not None else None
    if folder is not None:
        folder.begin(
            {
                "parley": __version__,
                "started": factory.clock.now().isoformat(timespec="seconds"),
                "models": told_models(settings),
            }
        )
    tell("Loading the models ...")
    parts = assemble(factory, settings.seed)
    result["load_ms"] = parts.load_ms
    tell(f"Loaded in {sum(parts.load_ms.values()) / 1000:.1f} s.")
    _take_turns(request, parts, storage.sound(request.output, SPEECH_RATE_HZ), folder, result, tell)


def _check_inputs(request: TalkRequest, reader: SoundReader) -> None:
    """Raise ``InputError`` for an input that cannot be read or that the results would overwrite.

    Before anything is loaded: whoever mistypes the third file is told so at once.
    """
    taken = request.session.resolve() if request.session is not None else None
    for path in request.inputs:
        if not path.exists():
            raise InputError(f"There is no sound file {path}: check the name.")
        reader.check(path)
        if path.resolve() == request.output.resolve():
            raise InputError(f"{path} is both input and output: choose another output.")
        if taken is not None and taken in path.resolve().parents:
            raise InputError(
                f"{path} lies in the session folder, which is written anew: "
                "choose another folder for --session."
            )


def _take_turns(
    request: TalkRequest,
    parts: Parts,
    replies: SoundSink,
    folder: SessionFolder | None,
    result: dict[str, Any],
    tell: Tell,
) -> None:
    with Session(parts.runner, replies, folder, parts.load_ms) as session:
        for number, path in enumerate(request.inputs, start=1):
            tell(f"[{number}/{len(request.inputs)}] listening to {path.name} ...")
            try:
                session.turn(path)
            finally:
                result["turns"] = session.result()
                draft = session.drafts[-1]
                for notice in draft.notices:
                    tell(notice)
                if draft.user_text:
                    tell(f"You:    {draft.user_text}")
                if draft.reply_text:
                    took_s = draft.times_s.get("turn", 0.0)
                    tell(f"Parley: {draft.reply_text}   ({took_s:.2f} s)")


def say(
    request: SayRequest, settings: Settings, factory: Factory, outcome: Outcome, tell: Tell
) -> None:
    """Speak a text into a file.

    Raises:
        ParleyError: when it fails; what was spoken before is in the file.
    """
    result = outcome.result
    result.update(output=str(request.output), text=request.text)
    pieces = chunks(request.text, WHOLE_SENTENCES)
    if not pieces:
        raise InputError("There is no text to speak: write some words between quotes.")
    context = read_context(request.context) if request.context is not None else []
    check_wav_name(request.output)
    storage = factory.storage()
    storage.folder(request.output.parent)
    tell("Loading the model ...")
    conversation = factory.speech().conversation(settings.seed)
    for speaker, text, path in context:
        _remember(conversation, speaker, text, path, tell)
    sink = storage.sound(request.output, SPEECH_RATE_HZ)
    spoken = _Spoken(result)
    began = factory.clock.monotonic_s()
    try:
        for number, piece in enumerate(pieces, start=1):
            for frame in conversation.speak(piece, CancelToken(TurnId(1))):
                if spoken.first_s is None:
                    spoken.first_s = factory.clock.monotonic_s() - began
                sink.write(frame)
            if (line := conversation.line) is not None:
                spoken.add(line.frames, line.audio_s, line.elapsed_s, line.ended)
            if len(pieces) > 1:
                tell(f"[{number}/{len(pieces)}] {spoken.audio_s:.1f} s of speech")
    finally:
        spoken.close()
        sink.close()
    if not spoken.frames:
        raise InputError("There is nothing in this text that can be spoken: use English words.")


class _Spoken:
    """Adds up the lines of a text into the result of ``say``."""

    def __init__(self, result: dict[str, Any]) -> None:
        self._result = result
        self._elapsed_s = 0.0
        self._ended = ""
        self.frames = 0
        self.audio_s = 0.0
        self.first_s: float | None = None

    def add(self, frames: int, audio_s: float, elapsed_s: float, ended: str) -> None:
        """Count one line in."""
        self.frames += frames
        self.audio_s += audio_s
        self._elapsed_s += elapsed_s
        self._ended = worse_end(self._ended, ended)

    def close(self) -> None:
        """Write the sums down."""
        self._result.update(
            seconds=round(self.audio_s, 3),
            rtf=round(self._elapsed_s / self.audio_s, 4) if self.audio_s else None,
            first_audio_ms=round((self.first_s or 0.0) * 1000, 2),
            frames=self.frames,
            ended=self._ended,
        )


def read_context(folder: Path) -> list[tuple[str, str, Path]]:
    """The lines of a kept session: ``user`` or ``reply``, the words, and the sound's file.

    Raises:
        InputError: when it is no session folder, or names a file outside of it.
    """
    try:
        turns = json.loads((folder / TRANSCRIPT).read_text(encoding="utf-8"))["turns"]
        lines = [
            (kind, str(turn[f"{kind}_text"]), str(turn[f"{kind}_wav"]))
            for turn in turns
            for kind in ("user", "reply")
            if turn.get(f"{kind}_wav") and turn.get(f"{kind}_text")
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder} is not a session: name a folder that talk --session has written."
        ) from error
    for _, _, name in lines:
        if Path(name).name != name or not (folder / name).is_file():
            raise InputError(f"The session in {folder} has no sound file {name}: record it again.")
    return [(kind, text, folder / name) for kind, text, name in lines]


def _remember(
    conversation: SpeechConversation, kind: str, text: str, path: Path, tell: Tell
) -> None:
    from app.audio.files import read_sound

    sound = read_sound(path, tell)
    if kind == "user":
        conversation.hear(text, sound)
    else:
        conversation.recall(text, sound)


def check_wav_name(path: Path) -> None:
    """Raise ``InputError`` when ``path`` cannot be a WAV file to write."""
    if path.suffix.lower() != ".wav":
        raise InputError(f"The output {path} must be a WAV file: give a name that ends in .wav.")
    if path.exists() and not path.is_file():
        raise InputError(f"The output {path} is not a file: choose another name.")


def sample_request(out: Path) -> TalkRequest:
    """The sample conversation, into ``out``.

    Raises:
        InputError: when its files are not there.
    """
    about = paths.samples() / "conversation.json"
    try:
        turns = json.loads(about.read_text(encoding="utf-8"))["turns"]
        inputs = [paths.samples() / Path(turn["file"]).name for turn in turns]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The sample conversation {about} is missing or damaged: get the program again."
        ) from error
    return TalkRequest(inputs, out / "reply.wav", out / "session")
