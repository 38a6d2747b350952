"""The one place that picks concrete classes for the ports."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from app.audio.files import FileReader
from app.audio.portaudio import PortAudioDevice
from app.audio.storage import DiskStorage
from app.audio.stream import SeamlessResampler
from app.conversation.conductor import LiveParts
from app.conversation.ears import Ears
from app.conversation.policy import Judges, Policy
from app.conversation.turn import TurnPorts, TurnRunner
from app.core import turn_text
from app.core.clock import SystemClock
from app.core.live_ports import SESSION_RATE_HZ, EchoCanceller, SessionRecorder, SoundDevice
from app.core.ports import (
    ChatModel,
    Clock,
    Recogniser,
    SoundReader,
    SpeechFinder,
    SpeechModel,
    Storage,
    VoiceActivity,
)
from app.core.types import LISTEN_RATE_HZ, SPEECH_RATE_HZ
from app.listening.partials import Agreement
from app.listening.spans import SpeechRules, VadSpeechFinder
from app.listening.vad import SileroVad
from app.listening.whisper import WhisperRecogniser
from app.recording.recorder import DiskRecorder
from app.recording.repair import recover_all
from app.recording.session import About
from app.settings import paths
from app.settings.model import Settings
from app.speaking.csm import CsmSpeech, EngineOptions
from app.speaking.process import ProcessSpeech
from app.thinking import tools
from app.thinking.llama import LlamaChat, LlamaOptions
from app.thinking.prompt import system_prompt
from app.thinking.server import ServerChat, ServerOptions, key_from, shown
from app.thinking.toolsfirst import ToolsFirst

T = TypeVar("T")

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
        """The speech engine with its voice, warmed up."""
        settings = self.settings
        speech = CsmSpeech(engine_options(settings))
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
    )


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


def live_policy(settings: Settings) -> Policy:
    """Turn taking as the settings want it, with the judges of words."""
    finished = turn_text.TextCue().score
    judges = Judges(finished, turn_text.is_backchannel, turn_text.is_command)
    return Policy(patience=settings.patience, barge_in=settings.barge_in, judges=judges)


@dataclass(frozen=True, slots=True)
class Brains:
    """The loaded models of a live conversation; one set may serve several, one after another."""

    vad: VoiceActivity
    recogniser: Recogniser
    chat: ChatModel
    speech: SpeechModel


def load_brains(factory: StandardFactory, tell: Callable[[str], None] = lambda _: None) -> Brains:
    """Load everything that computes; ``tell`` takes a sentence about how it goes."""
    vad = SileroVad()
    vad.load()
    tell("Loading the speech recogniser ...")
    recogniser = factory.recogniser()
    tell("Loading the language model ...")
    chat = factory.chat()
    tell("Loading the voice ...")
    return Brains(vad, recogniser, chat, factory.speech())


def live_parts(
    brains: Brains, echo: EchoCanceller, policy: Policy, clock: Clock, seed: int = 0
) -> LiveParts:
    """A fresh live conversation."""
    brains.vad.reset()
    ears = Ears(
        brains.vad,
        echo,
        SeamlessResampler(SESSION_RATE_HZ, LISTEN_RATE_HZ).stream,
        SeamlessResampler(SESSION_RATE_HZ, SPEECH_RATE_HZ).stream,
    )
    return LiveParts(
        ears,
        brains.recogniser,
        Agreement(),
        brains.chat,
        brains.speech.conversation(seed),
        lambda: system_prompt(clock.now()),
        policy,
    )


class LiveMaker:
    """The ``LiveFactory`` of the settings: real devices, the engine in a process of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._factory = StandardFactory(settings)
        self._speech: ProcessSpeech | None = None

    def parts(self, tell: Callable[[str], None]) -> LiveParts:
        """Load the models. The engine starts in its process while the others load here."""
        from app.audio.echo import NoEcho, WebRtcEcho

        settings = self._settings
        self._speech = speech = ProcessSpeech(engine_options(settings))
        factory = _WithSpeech(settings, speech)
        brains = load_brains(factory, tell)
        echo = WebRtcEcho() if settings.echo != "off" else NoEcho()
        return live_parts(brains, echo, live_policy(settings), factory.clock, settings.seed)

    def device(self, microphone: str, loudspeaker: str) -> SoundDevice:
        """PortAudio's."""
        return PortAudioDevice(microphone, loudspeaker)

    def recorder(self, notice: Callable[[str], None]) -> SessionRecorder:
        """On the disk, in the folder of the settings."""
        settings = self._settings
        models = {"asr": settings.asr, "model": settings.model}
        if not settings.llm_is_server:
            models["llm"] = settings.llm_path
        about = About(told_models(settings), models=models)
        cache = paths.user_cache() / "hashes.json"
        return DiskRecorder(
            settings.recordings, about, self._factory.clock, notice, hash_cache=cache
        )

    def close(self, deadline_s: float) -> bool:
        """End the engine's process."""
        return self._speech is None or self._speech.close(deadline_s)


class _WithSpeech(StandardFactory):
    """The standard parts with the engine in its own process."""

    def __init__(self, settings: Settings, speech: ProcessSpeech) -> None:
        super().__init__(settings)
        self._process = speech

    def speech(self) -> SpeechModel:
        """The speech engine with its voice, warmed up."""
        self._process.load()
        return self._process


def recovered_sessions(settings: Settings) -> list[str]:
    """Repair recordings that were not closed; a sentence for each."""
    sentences: list[str] = []
    recover_all(settings.recordings, sentences.append)
    return sentences
