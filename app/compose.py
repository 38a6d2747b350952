"""The one place that picks concrete classes for the ports."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from app.audio.files import FileReader
from app.audio.storage import DiskStorage
from app.conversation.turn import TurnPorts, TurnRunner
from app.core.clock import SystemClock
from app.core.errors import InputError, ParleyError
from app.core.ports import (
    ChatModel,
    Clock,
    Recogniser,
    SoundReader,
    SpeechFinder,
    SpeechModel,
    Storage,
)
from app.listening.spans import SpeechRules, VadSpeechFinder
from app.listening.vad import SileroVad
from app.listening.whisper import WhisperRecogniser
from app.settings import paths
from app.settings.model import Settings
from app.settings.watermark_key import KEY_BYTES, own_key
from app.speaking.csm import CsmSpeech, EngineOptions
from app.speaking.marked import marked
from app.thinking import tools
from app.thinking.llama import LlamaChat, LlamaOptions
from app.thinking.prompt import system_prompt
from app.thinking.server import ServerChat, ServerOptions, key_from, shown
from app.thinking.toolsfirst import ToolsFirst

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

# llm-nano has learnt from conversations of up to seven exchanges.
_NANO_EXCHANGES = 6


class Factory(Protocol):
    """Makes loaded parts. Tests bring their own."""

    @property
    def clock(self) -> Clock:
        """Tells the time."""
        ...

    def reader(self) -> SoundReader:
        """Opens sound files."""
        ...

    def finder(self) -> SpeechFinder:
        """Finds speech."""
        ...

    def recogniser(self) -> Recogniser:
        """Writes down speech."""
        ...

    def chat(self) -> ChatModel:
        """Answers."""
        ...

    def speech(self) -> SpeechModel:
        """Speaks."""
        ...

    def storage(self) -> Storage:
        """Writes files."""
        ...


class StandardFactory:
    """The parts that the settings name, loaded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock: Clock = SystemClock()

    def reader(self) -> SoundReader:
        """Files of any kind that libsndfile reads."""
        return FileReader()

    def finder(self) -> SpeechFinder:
        """Silero's voice activity."""
        vad = SileroVad()
        vad.load()
        return VadSpeechFinder(vad, self.clock, SpeechRules(turn_s=self.settings.turn_s))

    def recogniser(self) -> Recogniser:
        """faster-whisper, warmed up."""
        recogniser = WhisperRecogniser(self.settings.asr, threads=self.settings.library_threads)
        recogniser.load()
        return recogniser

    def chat(self) -> ChatModel:
        """The tools in front of a GGUF file or a server."""
        model = self.model()
        model.load()
        return ToolsFirst(model, tools.answer, self.clock)

    def model(self) -> LlamaChat | ServerChat:
        """The language model alone, not loaded."""
        settings = self.settings
        if settings.llm_is_server:
            options = ServerOptions(
                model=settings.llm_model,
                reply_tokens=settings.reply_tokens,
                temperature=settings.temperature,
            )
            return ServerChat(
                settings.llm, self.clock, key=key_from(os.environ), options=options, tools=tools
            )
        return LlamaChat(
            settings.llm_path,
            LlamaOptions(
                threads=settings.library_threads,
                reply_tokens=settings.reply_tokens,
                temperature=settings.temperature,
                gpu=settings.device != "cpu",
                exchanges=_NANO_EXCHANGES if "llm" in settings.nano_parts() else None,
            ),
        )

    def speech(self) -> SpeechModel:
        """The speech engine with its voice, warmed up; what it says is marked unless unwanted."""
        speech = self.engine()
        return marked(speech, _marking_key()) if self.settings.watermark else speech

    def engine(self) -> SpeechModel:
        """The speech engine alone, without the mark."""
        speech = CsmSpeech(engine_options(self.settings))
        speech.load()
        return speech

    def storage(self) -> Storage:
        """The disk."""
        return DiskStorage()


def engine_options(settings: Settings) -> EngineOptions:
    """What the speech engine is loaded with."""
    return EngineOptions(
        settings.model,
        settings.voice_folder(),
        settings.device,
        settings.precision,
        settings.threads,
        voices=paths.user_cache() / "voices",
        candidates=settings.candidates,
    )


def _marking_key() -> bytes:
    """The user's key; where it cannot be kept, one for this run, so that the talk goes on."""
    try:
        return own_key()
    except ParleyError as error:
        _LOG.warning("%s What is said now carries the mark of a key that nobody keeps.", error)
        return secrets.token_bytes(KEY_BYTES)


@dataclass(frozen=True, slots=True)
class Parts:
    """A conversation ready to begin, and how long each part took to load."""

    runner: TurnRunner
    load_ms: dict[str, float]


def assemble(factory: Factory, seed: int = 0) -> Parts:
    """Load everything that a conversation needs."""
    load_ms: dict[str, float] = {}
    finder = _timed(factory, "vad", factory.finder, load_ms)
    recogniser = _timed(factory, "asr", factory.recogniser, load_ms)
    chat = _timed(factory, "llm", factory.chat, load_ms)
    speech = _timed(factory, "speech", factory.speech, load_ms)
    ports = TurnPorts(factory.reader(), finder, recogniser, chat, factory.clock)
    clock = factory.clock
    runner = TurnRunner(ports, speech.conversation(seed), lambda: system_prompt(clock.now()))
    return Parts(runner, load_ms)


def told_models(settings: Settings) -> dict[str, Any]:
    """The settings as a session folder keeps them: no key, no password in an address."""
    llm = shown(settings.llm) if settings.llm_is_server else settings.llm
    return {**settings.described(), "llm": llm}


def _timed(factory: Factory, name: str, make: Callable[[], T], load_ms: dict[str, float]) -> T:
    began = factory.clock.monotonic_s()
    made = make()
    load_ms[name] = round((factory.clock.monotonic_s() - began) * 1000, 1)
    return made


def bench_engine(**wanted: Any) -> dict[str, Any]:
    """``engine.bench.run`` with the assistant's errors."""
    from engine.bench import run
    from engine.errors import EngineError

    try:
        return run(**wanted)
    except EngineError as error:
        raise InputError(str(error)) from error
