"""A sound system on a virtual clock: devices that are plugged in, run, stall and vanish on command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from app.audio.host import CannotOpenError, Endpoint, InputCallback, OutputCallback
from app.core.errors import SoundError
from app.core.types import FloatArray

STEP_S = 0.01


class HandClock:
    """Goes on only when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(eq=False)
class FakeStream:
    """One opened side. ``due`` keeps the fractions of a sample that its rate leaves over."""

    end: Endpoint
    latency_s: float
    callback: Callable[[FloatArray, float, bool], None]
    is_input: bool
    rate_hz: int
    alive: bool = True
    running: bool = False
    closed: bool = False
    due: float = 0.0

    def start(self) -> None:
        self.running = True

    def close(self) -> None:
        self.running, self.closed = False, True


@dataclass(eq=False)
class FakeHost:
    """The ``Host`` of tests. ``step`` lets 10 ms pass for clock, devices and who watches them."""

    clock: HandClock = field(default_factory=HandClock)
    plugged: list[Endpoint] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    """Labels whose streams do not call back."""
    missing_library: bool = False
    ppm: float = 0.0
    """How much too fast the microphone's clock runs."""
    restarts: int = 0
    opened: list[FakeStream] = field(default_factory=list)
    hears: Callable[[int], FloatArray] | None = None
    """Makes the microphone's next N samples; noise when None."""
    played: list[FloatArray] = field(default_factory=list)
    lose_next: bool = False
    restart_takes_s: float = 0.2
    _listed: tuple[Endpoint, ...] = ()
    _noise: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def restart(self) -> None:
        if self.missing_library:
            raise SoundError("There is no PortAudio: install it.")
        assert all(stream.closed for stream in self.opened), "restarted with open streams"
        self.restarts += 1
        self.clock.now_s += self.restart_takes_s
        self._listed = tuple(self.plugged)

    def endpoints(self) -> tuple[Endpoint, ...]:
        return self._listed

    def open_input(self, end: Endpoint, latency_s: float, callback: InputCallback) -> FakeStream:
        return self._open(end, latency_s, callback, True)

    def open_output(self, end: Endpoint, latency_s: float, callback: OutputCallback) -> FakeStream:
        return self._open(end, latency_s, callback, False)

    def _open(
        self,
        end: Endpoint,
        latency_s: float,
        callback: Callable[[FloatArray, float, bool], None],
        is_input: bool,
    ) -> FakeStream:
        if end.label in self.refused or end not in self.plugged:
            raise CannotOpenError(end.label, "Device unavailable")
        stream = FakeStream(end, latency_s, callback, is_input, end.rate_hz)
        self.opened.append(stream)
        return stream

    def stream(self, is_input: bool) -> FakeStream:
        """The side that runs now."""
        return next(s for s in self.opened if s.running and s.is_input == is_input)

    def unplug(self, label: str, says_so: bool = False) -> None:
        """Take a device away; most streams then just stop calling back."""
        self.plugged = [end for end in self.plugged if end.label != label]
        for stream in self.opened:
            if stream.end.label == label and says_so:
                stream.alive = False

    def step(self) -> None:
        """10 ms of the devices."""
        self.clock.now_s += STEP_S
        for stream in [s for s in self.opened if s.running and not s.is_input]:
            self._call(stream, stream.rate_hz * STEP_S)
        for stream in [s for s in self.opened if s.running and s.is_input]:
            self._call(stream, stream.rate_hz * STEP_S * (1 + self.ppm * 1e-6))

    def _call(self, stream: FakeStream, count: float) -> None:
        if stream.end not in self.plugged or not stream.alive or stream.end.label in self.silent:
            return
        stream.due += count
        whole = int(stream.due)
        stream.due -= whole
        lost, self.lose_next = self.lose_next, False
        if stream.is_input:
            if self.hears is None:
                sound = self._noise.uniform(-0.1, 0.1, whole).astype(np.float32)
            else:
                sound = self.hears(whole)
            stream.callback(sound[:, None], stream.latency_s, lost)
            return
        out = np.zeros((whole, 2), np.float32)
        stream.callback(out, stream.latency_s, lost)
        self.played.append(out[:, 0].copy())


def microphone(label: str = "Mic", rate_hz: int = 48_000, default: bool = True) -> Endpoint:
    return Endpoint(0, label, rate_hz, 1, 0, "Fake", default_input=default)


def loudspeaker(label: str = "Speaker", rate_hz: int = 48_000, default: bool = True) -> Endpoint:
    return Endpoint(1, label, rate_hz, 0, 2, "Fake", default_output=default)
