"""What a live conversation is put together from: the window's and the bench's."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.audio.portaudio import PortAudioDevice
from app.audio.stream import SeamlessResampler
from app.compose import StandardFactory, engine_options, told_models
from app.conversation.ears import Ears
from app.conversation.parts import LiveParts
from app.conversation.policy import Judges, Policy
from app.core import turn_end, turn_text
from app.core.echo_text import matches_playback
from app.core.errors import ModelMissingError, ParleyError
from app.core.live_ports import SESSION_RATE_HZ, EchoCanceller, SessionRecorder, SoundDevice
from app.core.ports import ChatModel, Clock, Recogniser, SpeechModel, VoiceActivity
from app.core.types import LISTEN_RATE_HZ, SPEECH_RATE_HZ, FloatArray
from app.listening.partials import Agreement
from app.listening.vad import SileroVad
from app.recording.recorder import DiskRecorder
from app.recording.repair import recover_all
from app.recording.session import About
from app.settings import paths
from app.settings.keeping import why_not
from app.settings.model import Settings
from app.settings.watermark_key import own_key
from app.speaking.process import ProcessSpeech
from app.thinking.prompt import system_prompt

_ROOM_BYTES = 100_000
"""A little more than what an echo canceller remembers of a room."""


def live_policy(settings: Settings) -> Policy:
    """Turn taking as the settings want it, with the judges of words."""
    finished = turn_end.TextCue().score
    judges = Judges(
        finished,
        turn_text.is_backchannel,
        turn_text.is_command,
        turn_text.is_only_command,
        matches_playback,
    )
    return Policy(patience=settings.patience, barge_in=settings.barge_in, judges=judges)


def make_echo(settings: Settings) -> EchoCanceller:
    """What takes the loudspeaker out of the microphone, as the settings want it."""
    from app.audio.echo import NoEcho, WebRtcEcho

    return NoEcho() if settings.echo == "off" else WebRtcEcho()


class EspeakVoices:
    """Users for the bench: espeak-ng in voices that the assistant does not speak with."""

    def __init__(self) -> None:
        self._espeak: Any = None

    def speak(self, text: str, voice: int) -> tuple[FloatArray, int]:
        """``text`` in one of many manners of speaking: samples (N,) and their rate.

        Raises:
            ModelMissingError: when espeak-ng is not installed.
        """
        from engine.errors import EngineError
        from engine.training.speech import SAMPLE_RATE_HZ, render, user_voice

        try:
            if self._espeak is None:
                from engine.training.espeak import Espeak

                self._espeak = Espeak()
            made = render(self._espeak, text, user_voice(random.Random(voice)))
        except (OSError, EngineError) as error:
            raise ModelMissingError(
                "The bench needs espeak-ng for its users' voices: install it (Debian and Ubuntu: "
                "apt-get install espeak-ng)."
            ) from error
        return made.samples, SAMPLE_RATE_HZ


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

    def __init__(self, settings: Settings, notice: Callable[[str], None] = lambda _: None) -> None:
        """``notice`` takes a sentence for the user, on the thread that loads."""
        self._settings = settings
        self._notice = notice
        self._factory = StandardFactory(settings)
        self._speech: ProcessSpeech | None = None
        self._echo: EchoCanceller | None = None
        self._device: SoundDevice | None = None

    def parts(self, tell: Callable[[str], None]) -> LiveParts:
        """Load the models. The engine starts in its process while the others load here."""
        settings = self._settings
        self._speech = speech = ProcessSpeech(engine_options(settings))
        factory = _WithSpeech(settings, speech)
        for sentence in unkept(settings):
            self._notice(sentence)
        brains = load_brains(factory, tell)
        self._echo = echo = self._remembering(make_echo(settings))
        return live_parts(brains, echo, live_policy(settings), factory.clock, settings.seed)

    def device(self, microphone: str, loudspeaker: str) -> SoundDevice:
        """PortAudio's."""
        self._device = PortAudioDevice(microphone, loudspeaker)
        return self._device

    def _remembering(self, echo: EchoCanceller) -> EchoCanceller:
        """``echo`` with a memory of rooms, and a sound to learn a new one by."""
        from app.audio.chime import chime
        from app.audio.echo import WebRtcEcho
        from app.audio.echo_memory import RememberingEcho
        from app.audio.echo_state import EchoStore

        if not isinstance(echo, WebRtcEcho):
            return echo

        def pair() -> tuple[str, str]:
            device = self._device
            return (device.microphone, device.loudspeaker) if device else ("", "")

        def greet() -> None:
            if not self._settings.chime or self._device is None:
                return
            # An answer that still plays teaches too, and the sound would count among its words.
            player = self._device.player
            if player.heard == player.written:
                player.write(chime())

        return RememberingEcho(echo, EchoStore(_rooms()), pair, greet)

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

    @property
    def engine_pid(self) -> int:
        """The engine's process; 0 while there is none."""
        return self._speech.pid if self._speech is not None else 0

    def close(self, deadline_s: float) -> bool:
        """Keep what was learnt of the room, and end the engine's process."""
        from app.audio.echo_memory import RememberingEcho

        if isinstance(self._echo, RememberingEcho):
            self._echo.remember()
        return self._speech is None or self._speech.close(deadline_s)


class _WithSpeech(StandardFactory):
    """The standard parts with the engine in its own process, which begins to load at once."""

    def __init__(self, settings: Settings, speech: ProcessSpeech) -> None:
        super().__init__(settings)
        self._process = speech
        self._error: ParleyError | None = None
        self._loading = threading.Thread(target=self._load, name="load engine", daemon=True)
        self._loading.start()

    def engine(self) -> SpeechModel:
        """The speech engine alone, without the mark."""
        self._loading.join()
        if self._error is not None:
            raise self._error
        return self._process

    def _load(self) -> None:
        try:
            self._process.load()
        except ParleyError as error:
            self._error = error


def unkept(settings: Settings) -> list[str]:
    """What Parley would keep on the disk and cannot, a sentence for each; the talk goes on without."""
    sentences: list[str] = []
    if settings.watermark:
        try:
            own_key()
        except ParleyError as error:
            sentences.append(f"{error} Until then Parley's voice bears the mark of no lasting key.")
    if settings.echo != "off" and (reason := why_not(_rooms(), _ROOM_BYTES)):
        sentences.append(
            f"How your room sounds cannot be kept in {_rooms()} ({reason}): make the folder writable "
            "or free some space. Until then Parley learns it anew at every start."
        )
    return sentences


def _rooms() -> Path:
    return paths.user_data() / "rooms"


def recovered_sessions(settings: Settings) -> list[str]:
    """Repair recordings that were not closed; a sentence for each."""
    sentences: list[str] = []
    recover_all(settings.recordings, sentences.append)
    return sentences
