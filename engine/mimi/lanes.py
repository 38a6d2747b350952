"""One direction of one stream: on a CPU with memory of its own, on a card on the stage of all.

A CUDA graph works at fixed addresses, so a card has one memory for each direction: the stage. A lane
that comes on it when another was there pays for copying what both remember, a few megabytes within
the card. Nothing else differs: the same networks write the same tensors in place.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from engine.mimi.graphs import Network, Runner
from engine.mimi.memory import Snapshot, StreamMemory

CHUNK_FRAMES: Final = 16
"""Frames that go through the networks at once; longer input is cut up, unheard."""

Array = NDArray[Any]


class Lane(Protocol):
    """Takes frame after frame, and can be set to where it was."""

    def run(self, given: Array) -> Array:
        """What the network makes of the next frames (T, in): (T, out)."""
        ...

    def reset(self) -> None:
        """Begin anew."""
        ...

    def save(self) -> Snapshot | None:
        """A copy of where it is; None where nothing was ever run."""
        ...

    def restore(self, place: Snapshot | None) -> None:
        """Go to where ``place`` was saved, on this lane or another of the same network."""
        ...


class OwnLane:
    """With memory of its own, made when it is first used; ``network`` is asked for no sooner."""

    def __init__(self, network: Callable[[], Network]) -> None:
        self._network = network
        self._memory: StreamMemory | None = None

    @torch.inference_mode()
    def run(self, given: Array) -> Array:
        """See ``Lane.run``."""
        network = self._network()
        if self._memory is None:
            self._memory = network.memory(CHUNK_FRAMES)
        made: list[Array] = []
        for first in range(0, len(given), CHUNK_FRAMES):
            part = torch.from_numpy(given[first : first + CHUNK_FRAMES]).to(network.device)
            made.append(network(part, self._memory).cpu().numpy())
        if len(made) == 1:
            return made[0]
        return np.concatenate([network.made.rows(0).numpy(), *made])

    @torch.inference_mode()
    def reset(self) -> None:
        """See ``Lane.reset``."""
        if self._memory is not None:
            self._memory.reset()

    @torch.inference_mode()
    def save(self) -> Snapshot | None:
        """See ``Lane.save``."""
        return None if self._memory is None else self._memory.save()

    @torch.inference_mode()
    def restore(self, place: Snapshot | None) -> None:
        """See ``Lane.restore``."""
        if place is None:
            self.reset()
            return
        if self._memory is None:
            self._memory = self._network().memory(CHUNK_FRAMES)
        self._memory.restore(place)


class Stage:
    """The one memory that a captured network writes, and whose it is at present.

    Lanes may be used from several threads: one at a time is on the stage.
    """

    def __init__(self, runner: Runner) -> None:
        self.runner, self.memory = runner, runner.memory
        self.lock = threading.Lock()
        self._owner: weakref.ref[SharedLane] | None = None

    @property
    def owner(self) -> SharedLane | None:
        """Whose memory it is; nobody's when that lane is gone."""
        return None if self._owner is None else self._owner()

    @owner.setter
    def owner(self, lane: SharedLane) -> None:
        self._owner = weakref.ref(lane)


class SharedLane:
    """With its memory on the stage while it works, and beside it while another does."""

    def __init__(self, stage: Callable[[], Stage]) -> None:
        self._stage = stage
        self._place: Snapshot | None = None  # while not on the stage; None is the beginning

    def run(self, given: Array) -> Array:
        """See ``Lane.run``."""
        stage = self._stage()
        with stage.lock, stage.runner.on():
            self._enter(stage)
            return stage.runner.run(given)

    def reset(self) -> None:
        """See ``Lane.reset``."""
        self.restore(None)

    def save(self) -> Snapshot | None:
        """See ``Lane.save``."""
        stage = self._stage()
        with stage.lock, stage.runner.on():
            return stage.memory.save() if stage.owner is self else self._place

    def restore(self, place: Snapshot | None) -> None:
        """See ``Lane.restore``."""
        stage = self._stage()
        with stage.lock, stage.runner.on():
            self._place = place
            if stage.owner is self:
                self._put(stage.memory)

    def _enter(self, stage: Stage) -> None:
        before = stage.owner
        if before is self:
            return
        if before is not None:
            before._place = stage.memory.save()
        stage.owner = self
        self._put(stage.memory)

    def _put(self, memory: StreamMemory) -> None:
        place, self._place = self._place, None
        if place is None:
            memory.reset()
        else:
            memory.restore(place)
