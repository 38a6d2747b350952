"""The engine in its own process: it may crash, run out of memory or be killed; nothing else does.

``serve`` is the entry of the process (start method spawn). It imports nothing heavy before the
environment is settled. It dies with its parent, however that dies, and ignores Ctrl+C, because
only the parent knows whether that ends the program.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine import protocol
from engine.errors import EngineError, ModelError, TextError, VoiceError
from engine.protocol import Answer, Failed, Failure, Request

if TYPE_CHECKING:
    from engine.generator import Conversation, SpeechEngine
    from engine.types import FloatArray, PcmFrame, Voice

ORPHANED = 3
"""Exit code of a worker whose parent is gone."""

PAUSE_S = 0.1
"""Nothing asked for so long is a pause; the next line of an answer comes sooner."""

_log = logging.getLogger("parley.worker")


class SharedNumber(Protocol):
    """A number in shared memory: every line up to it is cancelled."""

    @property
    def value(self) -> int:
        """What it is now."""
        ...


Loader = Callable[[protocol.Load], "SpeechEngine"]


def serve(connection: Connection, cancelled: SharedNumber) -> None:
    """Answer requests until the parent asks to quit, closes the connection or dies."""
    _settle_in()
    threading.Thread(target=_die_with_parent, name="parent", daemon=True).start()
    code = Worker(connection, cancelled, load_engine).run()
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    # Straight out: tidying up CUDA and thread pools takes seconds and helps nobody.
    os._exit(code)


def load_engine(request: protocol.Load) -> SpeechEngine:
    """The real thing."""
    from engine.generator import SpeechEngine

    return SpeechEngine.load(
        Path(request.model),
        device=request.device,
        precision=request.precision,
        threads=request.threads or None,
        voices=Path(request.voices) if request.voices else None,
        candidates=request.candidates,
    )


class Worker:
    """One engine and its conversations, served over one connection."""

    def __init__(self, connection: Connection, cancelled: SharedNumber, load: Loader) -> None:
        self._connection, self._cancelled, self._load_engine = connection, cancelled, load
        self._engine: SpeechEngine | None = None
        self._voices: dict[str, Voice | None] = {"": None}
        self._conversations: dict[int, Conversation] = {}
        self._listened: dict[int, FloatArray] = {}  # of the line to come, by conversation
        self._resting = True
        self._handlers: dict[type, Callable[[Any], Answer]] = {
            protocol.Load: self._load,
            protocol.Open: self._begin,
            protocol.ChangeVoice: self._change_voice,
            protocol.Listen: self._listen,
            protocol.Hear: self._hear,
            protocol.Remember: self._remember,
            protocol.Speak: self._speak,
            protocol.Mark: lambda m: protocol.Marked(self._talk(m).mark()),
            protocol.BackTo: lambda m: self._done(self._talk(m).back_to(m.mark)),
            protocol.Unhear: self._unhear,
            protocol.Close: self._close,
            protocol.Ping: lambda m: protocol.Pong(m.number),
        }

    def run(self) -> int:
        """Serve until the end; the exit code: 0 when asked to end, 1 after a crash."""
        try:
            while True:
                pause_s = PAUSE_S
                while not self._connection.poll(pause_s) and self._rest():
                    pause_s = 0.0  # a request waits for no more than one bite of that
                request: Request = self._connection.recv()
                if isinstance(request, protocol.Quit):
                    return 0
                answer = self._answer(request)
                self._connection.send(answer)
                if isinstance(answer, Failed) and answer.kind in (Failure.MEMORY, Failure.CRASH):
                    return 1
        except (EOFError, OSError, _GoneError):
            return ORPHANED

    def _answer(self, request: Request) -> Answer:
        try:
            return self._handlers[type(request)](request)
        except (ModelError, VoiceError) as error:
            return Failed(Failure.MODEL, str(error))
        except TextError as error:
            return Failed(Failure.TEXT, str(error))
        except EngineError as error:
            return Failed(Failure.ENGINE, str(error))
        except _GoneError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is, the parent must be told)
            _log.warning("%s: %s", type(error).__name__, _first_line(error), exc_info=_debugging())
            if out_of_memory(error):
                return Failed(
                    Failure.MEMORY,
                    "The speech engine ran out of memory: close other programs, or choose a "
                    "smaller model.",
                )
            return Failed(
                Failure.CRASH,
                f"The speech engine failed ({_first_line(error)}): try again, or choose another "
                "model or device.",
            )

    def _rest(self) -> bool:
        """Do a bite of what a conversation has to do between its turns; whether there was any."""
        if not self._resting:
            return False
        try:
            return any(talk.rest() for talk in self._conversations.values())
        except Exception as error:  # noqa: BLE001  (nobody asked for it: what is asked for will tell)
            _log.warning("%s in a pause: %s", type(error).__name__, _first_line(error))
            self._resting = False
            return False

    def _load(self, request: protocol.Load) -> Answer:
        from engine.runtime.precision import precision_of

        began = time.perf_counter()
        engine = self._engine = self._load_engine(request)
        voice = self._voice(request.voice)
        if voice is not None:
            engine.prepare_voice(voice)
        return protocol.Loaded(
            str(engine.model.device),
            precision_of(engine.model).value,
            time.perf_counter() - began,
            engine.config.codebooks,
            engine.window,
        )

    def _begin(self, request: protocol.Open) -> Answer:
        voice = self._voice(request.voice)
        self._conversations[request.conversation] = self._loaded.conversation(
            voice, seed=request.seed
        )
        return protocol.Done()

    def _change_voice(self, request: protocol.ChangeVoice) -> Answer:
        self._talk(request).change_voice(self._voice(request.voice))
        return protocol.Done()

    def _close(self, request: protocol.Close) -> Answer:
        self._conversations.pop(request.conversation, None)
        self._listened.pop(request.conversation, None)
        return protocol.Done()

    def _listen(self, request: protocol.Listen) -> Answer:
        import numpy as np

        before = self._listened.get(request.conversation, np.zeros(0, np.float32))
        if request.start <= len(before):  # else this worker is new: it will be told all by ``Hear``
            sound = np.concatenate((before[: request.start], protocol.sound_of(request.pcm)))
            self._listened[request.conversation] = sound
            self._talk(request).listen(sound)
        return protocol.Done()

    def _hear(self, request: protocol.Hear) -> Answer:
        from engine.types import Segment

        self._listened.pop(request.conversation, None)
        segment = Segment(request.speaker, request.text, audio=protocol.sound_of(request.pcm))
        prepared = self._talk(request).add(segment)
        return protocol.Remembered(protocol.code_bytes(prepared.codes), prepared.positions)

    def _remember(self, request: protocol.Remember) -> Answer:
        from engine.types import Segment

        codes = protocol.codes_of(request.codes, self._loaded.config.codebooks)
        conversation = self._talk(request)
        if request.own:
            conversation.respoken(request.text, codes)
        else:
            conversation.add(Segment(request.speaker, request.text, codes=codes))
        return protocol.Done()

    def _unhear(self, request: protocol.Unhear) -> Answer:
        conversation = self._talk(request)
        conversation.keep_heard(max(0, conversation.turn_frames - request.frames))
        return protocol.Done()

    def _speak(self, request: protocol.Speak) -> Answer:
        """Say a line; when memory runs out, once more from where it was, with half the past."""
        from engine.types import Said

        conversation = self._talk(request)
        codes = protocol.codes_of(request.said, self._loaded.config.codebooks)
        progress = _Progress(request, Said(request.part, codes), conversation.turn_frames)
        try:
            return self._frames(conversation, progress)
        except Exception as error:
            if not out_of_memory(error):
                raise
            _log.warning("out of memory while speaking: going on with half of the conversation")
        free_memory()
        conversation.make_do()
        conversation.keep_heard(progress.turn_frames)
        return self._frames(conversation, progress)

    def _frames(self, conversation: Conversation, progress: _Progress) -> Answer:
        request, line = progress.request, progress.request.line
        with contextlib.closing(
            conversation.speak(
                request.text,
                lambda: self._cancelled.value >= line,
                progress.said,
                request.candidates,
            )
        ) as frames:
            for frame in frames:
                self._send(progress.next(frame))
        report = conversation.report
        assert report is not None
        return protocol.Spoken(
            line, progress.frames, str(report.ended), report.first_audio_s, report.elapsed_s
        )

    def _send(self, answer: Answer) -> None:
        try:
            self._connection.send(answer)
        except OSError as error:
            raise _GoneError from error

    @property
    def _loaded(self) -> SpeechEngine:
        if self._engine is None:
            raise ModelError("No speech model is loaded: load one first.")
        return self._engine

    def _voice(self, folder: str) -> Voice | None:
        from engine.voice import load_voice

        if folder not in self._voices:
            self._voices[folder] = load_voice(Path(folder), self._loaded.sample_rate_hz)
        return self._voices[folder]

    def _talk(self, request: Any) -> Conversation:
        return self._conversations[request.conversation]

    @staticmethod
    def _done(_nothing: object) -> Answer:
        return protocol.Done()


class _Progress:
    """How far a line has come, in the terms in which it could be taken up again."""

    def __init__(self, request: protocol.Speak, said: Any, turn_frames: int) -> None:
        self.request, self.said = request, said
        self.turn_frames = turn_frames  # of finished lines, this text's finished parts included
        self.frames = 0

    def next(self, frame: PcmFrame) -> protocol.Sound:
        """Note a frame; its message."""
        import numpy as np

        from engine.types import Said

        if frame.line != self.said.line:
            self.turn_frames += len(self.said.codes)
            self.said = Said(frame.line, self.said.codes[:0])
        codes = np.concatenate((self.said.codes, frame.codes[None]))
        self.said = Said(frame.line, codes)
        self.frames += 1
        return protocol.Sound(
            self.request.line,
            self.frames - 1,
            protocol.sound_bytes(frame.samples),
            protocol.code_bytes(frame.codes),
            frame.line,
            frame.text,
        )


class _GoneError(Exception):
    """Nobody listens any more."""


def out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out, on the card or on the computer."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    told = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in told or "can't allocate memory" in told or "not enough memory" in told
    )


def free_memory() -> None:
    """Give back what torch keeps for later."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _debugging() -> bool:
    return bool(os.environ.get("PARLEY_DEBUG"))


def _settle_in() -> None:
    """What must hold before torch is imported."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("KMP_BLOCKTIME", "0")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The parent's standard output belongs to its results. A windowed program has neither.
    with contextlib.suppress(OSError):
        os.dup2(2, 1)
    if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison]  (None without console)
        logging.basicConfig(stream=sys.stderr, format="%(name)s: %(message)s")


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(ORPHANED)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")[:160]
