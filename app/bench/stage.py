"""Where the bench takes place: a virtual room with a live conversation in it, one for every item."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from app.bench.sets import Scene
from app.bench.take import Record
from app.core.events import Event
from app.core.live_ports import Player
from app.core.types import FloatArray


class HeardBlock(Protocol):
    """10 ms as the conversation heard them, all (480,) at 48 kHz."""

    @property
    def near(self) -> FloatArray:
        """The raw microphone."""
        ...

    @property
    def clean(self) -> FloatArray:
        """The microphone without the echo."""
        ...

    @property
    def far(self) -> FloatArray:
        """What the loudspeaker was given."""
        ...


class RoomDevice(Protocol):
    """The virtual sound device of a simulation, as far as the bench needs it."""

    @property
    def player(self) -> Player:
        """Its loudspeaker."""
        ...

    def say(self, sound: FloatArray, at_s: float | None = None, gain_db: float = 0.0) -> float:
        """Let ``sound`` (48 kHz) be heard at the microphone from ``at_s`` on; returns when it ends."""
        ...

    def played(self, start_s: float = 0.0, end_s: float | None = None) -> FloatArray:
        """What left the loudspeaker, at 48 kHz."""
        ...


class Simulation(Protocol):
    """A live conversation on a virtual clock."""

    @property
    def now_s(self) -> float:
        """The session's clock."""
        ...

    @property
    def log(self) -> list[Record]:
        """Every decision so far."""
        ...

    @property
    def device(self) -> Any:
        """Its ``RoomDevice``."""
        ...

    def step(self) -> HeardBlock:
        """Let 10 ms pass."""
        ...

    def tell(self, event: Event) -> None:
        """Something that the user does besides speaking."""
        ...

    def close(self) -> None:
        """End the conversation."""
        ...


class Stage(Protocol):
    """Makes conversations out of loaded models."""

    def simulation(
        self, scene: Scene, *, keep_s: float | None = None, record: Path | None = None
    ) -> Simulation:
        """A fresh conversation in that room; its device remembers ``keep_s`` of what it played.

        With ``record`` it is recorded in a new folder in there.
        """
        ...

    def recognise(self, at_16k: FloatArray) -> str:
        """What an independent listener makes of a sound."""
        ...


class Watched:
    """A simulation, and what has happened in it since ``begin``."""

    _SETTLED_S = 3.0
    _ACTIVE = 1e-6
    """Mean square of the loudspeaker above which it sounds: -60 dBFS."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.device: RoomDevice = simulation.device
        self.begin()

    def begin(self) -> None:
        """What comes now belongs to the next item."""
        self.start_s = self.simulation.now_s
        self._first = self._seen = len(self.simulation.log)
        self._latest: dict[str, Record] = {}
        self._counts: dict[str, int] = {}
        self.near_energy = self.clean_energy = 0.0
        self._far_s = 0.0
        self.user_silent = True
        self._underruns = self.device.player.underruns

    @property
    def now_s(self) -> float:
        """The session's clock."""
        return self.simulation.now_s

    @property
    def log(self) -> list[Record]:
        """The decisions since ``begin``."""
        return self.simulation.log[self._first :]

    @property
    def underruns(self) -> int:
        """How often the sound broke off since ``begin``."""
        return self.device.player.underruns - self._underruns

    def latest(self, kind: str) -> Record | None:
        """The last record of a kind since ``begin``."""
        return self._latest.get(kind)

    def count(self, kind: str) -> int:
        """How many records of a kind since ``begin``."""
        return self._counts.get(kind, 0)

    def run(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self.until(lambda: False, seconds)

    def until(self, reached: Callable[[], bool], at_most_s: float) -> bool:
        """Let time pass until ``reached`` holds; False when it did not within ``at_most_s``."""
        end_s = self.now_s + at_most_s - 1e-9
        while not reached():
            if self.now_s >= end_s:
                return False
            self._step()
        return True

    def _step(self) -> None:
        block = self.simulation.step()
        log = self.simulation.log
        while self._seen < len(log):
            record = log[self._seen]
            self._latest[record["kind"]] = record
            self._counts[record["kind"]] = self._counts.get(record["kind"], 0) + 1
            self._seen += 1
        if float(np.dot(block.far, block.far)) > self._ACTIVE * len(block.far):
            self._far_s += 0.01
            if self.user_silent and self._far_s > self._SETTLED_S:
                self.near_energy += float(np.dot(block.near, block.near))
                self.clean_energy += float(np.dot(block.clean, block.clean))
