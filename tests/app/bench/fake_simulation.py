"""A conversation that follows a script instead of thinking: for the runner of the bench."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.core.events import Typed

RATE = 48_000
BLOCK = 480


@dataclass
class Sound:
    start_s: float
    end_s: float
    samples: np.ndarray


class FakePlayer:
    underruns = 0


@dataclass
class FakeDevice:
    """Keeps what is said and gives what the script plays."""

    player: FakePlayer = field(default_factory=FakePlayer)
    said: list[Sound] = field(default_factory=list)
    tape: list[np.ndarray] = field(default_factory=list)

    def say(self, sound, at_s=None, gain_db=0.0) -> float:
        assert at_s is not None
        end_s = at_s + len(sound) / RATE
        self.said.append(Sound(at_s, end_s, sound))
        return end_s

    def played(self, start_s=0.0, end_s=None) -> np.ndarray:
        whole = np.concatenate([np.zeros(0, np.float32), *self.tape])
        end = len(whole) if end_s is None else round(end_s * RATE)
        return whole[round(start_s * RATE) : end]


@dataclass
class Block:
    near: np.ndarray
    clean: np.ndarray
    far: np.ndarray


@dataclass
class Script:
    """How the assistant behaves. Times in seconds."""

    reply_s: float = 4.0
    release_s: float = 0.25
    early_cut: bool = False
    """Answers in the first pause."""
    reaction: str = "none"
    """To sound during an answer: none, cut, or pause (and go on 0.4 s later, 0.2 s back)."""
    reaction_s: float = 0.2
    dumb: bool = False
    reply: str = "one two three four five six seven eight"


class FakeSimulation:
    """Speaks a rising tone, so that every moment of it sounds different."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.device: Any = FakeDevice()
        self.log: list[dict[str, Any]] = []
        self.now_s = 0.0
        self.closed = False
        time_s = np.arange(round(script.reply_s * RATE)) / RATE
        phase = 2 * np.pi * (200 * time_s + 150 * time_s**2)
        self._reply = (0.3 * np.sin(phase)).astype(np.float32)
        self._at: int | None = None
        self._paused_s: float | None = None
        self._turn = 0
        self._answered = 0
        self._done: set[str] = set()

    def tell(self, event) -> None:
        assert isinstance(event, Typed)
        if not self.script.dumb:
            self._begin()

    def close(self) -> None:
        self.closed = True

    def step(self) -> Block:
        out = np.zeros(BLOCK, np.float32)
        if self._at is not None and self._paused_s is None:
            piece = self._reply[self._at : self._at + BLOCK]
            out[: len(piece)] = piece
            self._at += BLOCK
        self.device.tape.append(out)
        self.now_s = round(self.now_s + 0.01, 4)
        self._listen()
        if self._at is not None and self._at >= len(self._reply):
            self._over(cut=False)
        return Block(out * 0.5, out * 0.05, out)

    def _write(self, kind: str, **fields: Any) -> None:
        self.log.append({"at_s": self.now_s, "kind": kind, **fields})

    def _begin(self) -> None:
        self._turn += 1
        ids = {"turn": self._turn, "revision": 0}
        self._write("answer", **ids, start_s=self.now_s, end_s=self.now_s, text="")
        self._write("final", **ids, text=" ".join(str(n) for n in range(3)))
        self._write("release", **ids, silence_s=self.script.release_s)
        self._write("reply_text", **ids, text=self.script.reply)
        self._write("reply_sound", **ids, seconds=self.script.reply_s)
        self._write("first_sound", **ids)
        self._at = 0

    def _over(self, *, cut: bool) -> None:
        heard_s = (self._at or 0) / RATE
        words = self.script.reply.split()
        share = min(1.0, heard_s / self.script.reply_s)
        heard = " ".join(words[: round(share * len(words))])
        self._write("cut" if cut else "finish", turn=self._turn, revision=0)
        self._write(
            "turn", turn=self._turn, reply_text=self.script.reply, heard_text=heard, heard_s=heard_s
        )
        self._at, self._paused_s = None, None

    def _listen(self) -> None:
        said = self.device.said
        if not said:
            return
        if self._paused_s is not None:
            if self.now_s >= self._paused_s + 0.4:
                self._write("resume", back_s=0.2)
                self._write("gain", db=0.0, ramp_s=0.1)
                self._at = max(0, (self._at or 0) - round(0.2 * RATE))
                self._paused_s = None
            return
        if self._at is not None:
            self._react(said[-1].start_s)
            return
        due = said[: 1 if self.script.early_cut else None][-1].end_s + self.script.release_s
        if self._answered == 0 and self.now_s >= due and not self._done:
            self._answered += 1
            self._begin()

    def _react(self, onset_s: float) -> None:
        script = self.script
        if script.reaction == "none" or self.now_s < onset_s + script.reaction_s or self._done:
            return
        self._done.add("reacted")
        self._write("gain", db=-12.0, ramp_s=0.02)
        self._write("pause")
        if script.reaction == "cut":
            self._over(cut=True)
        else:
            self._paused_s = self.now_s


class FakeStage:
    """Makes ``FakeSimulation`` and counts them."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.made: list[FakeSimulation] = []

    def simulation(self, scene, *, keep_s=None, record=None) -> FakeSimulation:
        self.made.append(FakeSimulation(self.script))
        return self.made[-1]

    def recognise(self, at_16k: np.ndarray) -> str:
        """As many words of the reply as fit in the sound."""
        words = self.script.reply.split()
        seconds = len(at_16k) / 16_000 - 0.5
        return " ".join(words[: round(seconds / self.script.reply_s * len(words))])


class ToneVoices:
    """Half a second of tone a word, with quiet at both ends."""

    def speak(self, text: str, voice: int) -> tuple[np.ndarray, int]:
        tone = 0.2 * np.sin(
            2 * np.pi * 300 * np.arange(round(0.5 * len(text.split()) * 16_000)) / 16_000
        )
        quiet = np.zeros(3_200)
        return np.concatenate([quiet, tone, quiet]).astype(np.float32), 16_000
