"""A live conversation in a virtual room whose models are fakes: all of it but the models is real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.audio.stream import SeamlessResampler
from app.audio.virtual import VirtualDevice
from app.conversation.ears import Ears
from app.conversation.parts import LiveParts
from app.conversation.policy import Judges, Policy
from app.conversation.simulation import Simulation
from app.core.events import WorkEvent
from app.core.live_ports import SESSION_RATE_HZ
from app.core.ports import VoiceActivity
from app.core.shown import Caption, Notice, Side
from app.core.types import FloatArray
from app.listening.partials import Agreement
from tests.fakes.parts import FakeChat, FakeRecogniser, FakeSpeech, LevelVad


class NoEchoHere:
    """An echo canceller for a room without a loudspeaker: nothing to take out."""

    erle_db: float | None = None
    settled = True
    unexplained_db = 0.0

    def __init__(self) -> None:
        self.resets = 0

    def process(self, near: FloatArray, far: FloatArray) -> FloatArray:
        return near

    def explained(self) -> float:
        return 0.0

    def reset(self) -> None:
        self.resets += 1


class HeardSoFar:
    """A recogniser that makes out as many words as ``seconds_a_word`` fit into the loud sound."""

    def __init__(self, words: str, seconds_a_word: float = 0.25) -> None:
        self.words = words.split()
        self.seconds_a_word = seconds_a_word
        self.asked: list[float] = []

    def transcribe(self, at_16k: FloatArray) -> str:
        self.asked.append(len(at_16k) / 16_000)
        loud_s = float((np.abs(at_16k) > 0.05).sum()) / 16_000 * 1.1
        return " ".join(self.words[: max(1, round(loud_s / self.seconds_a_word))])


def tone(seconds: float) -> FloatArray:
    """What the user's voice is here: a loud square wave at 48 kHz."""
    times = np.arange(round(seconds * SESSION_RATE_HZ))
    return np.where(times // 120 % 2, 0.3, -0.3).astype(np.float32)


def takes(seconds: float = 0.03) -> Any:
    """Every thing that a worker makes takes this long."""

    def profile(_worker: str, _made: WorkEvent | None, _before: int, _measured_s: float) -> float:
        return seconds

    return profile


@dataclass
class Room:
    """Fakes, a virtual device and the simulation that joins them."""

    recogniser: Any = field(default_factory=lambda: FakeRecogniser(["what time is it"]))
    chat: FakeChat = field(default_factory=FakeChat)
    speech: FakeSpeech = field(default_factory=FakeSpeech)
    vad: VoiceActivity = field(default_factory=LevelVad)
    judges: Judges = field(default_factory=lambda: Judges(lambda *_: 0.8))
    step_s: float = 0.03
    policy: Policy | None = None

    def __post_init__(self) -> None:
        self.device = VirtualDevice()
        self.echo = NoEchoHere()
        self.conversation = self.speech.conversation()
        ears = Ears(
            self.vad,
            self.echo,
            SeamlessResampler(SESSION_RATE_HZ, 16_000).stream,
            SeamlessResampler(SESSION_RATE_HZ, 24_000).stream,
        )
        parts = LiveParts(
            ears,
            self.recogniser,
            Agreement(),
            self.chat,
            self.conversation,
            lambda: "Be brief.",
            self.policy or Policy(judges=self.judges),
        )
        self.sim = Simulation(parts, self.device, takes(self.step_s))

    def say(self, seconds: float, after_s: float = 0.0) -> float:
        """The user speaks; returns when that ends."""
        return self.device.say(tone(seconds), self.sim.now_s + after_s)

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """The records of these kinds."""
        return [record for record in self.sim.log if record["kind"] in kinds]

    def turn(self, number: int = 1, at_most_s: float = 20.0) -> dict[str, Any]:
        """Wait for the end of a turn."""
        reached = self.sim.run_until(lambda _: len(self.of("turn")) >= number, at_most_s)
        assert reached, self.sim.log
        return self.of("turn")[number - 1]

    def speaking(self, at_most_s: float = 10.0) -> None:
        """Wait until an answer is heard."""
        before = len(self.of("first_sound"))
        assert self.sim.run_until(lambda _: len(self.of("first_sound")) > before, at_most_s)

    def captions(self, side: Side) -> list[Caption]:
        """What was shown of one side."""
        return [c for c in self.sim.shown if isinstance(c, Caption) and c.side is side]

    def notices(self) -> Sequence[str]:
        """What the user was told."""
        return [n.message for n in self.sim.shown if isinstance(n, Notice)]
