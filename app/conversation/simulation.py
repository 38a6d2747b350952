"""The live conversation on a virtual clock: the same conductor, with work done in between.

Sound moves 10 ms at a time. Workers compute for real, at the moment at which they would have begun,
and what they made is delivered after the time that it took: as measured, or as a ``Profile`` says it
takes on another machine. So a conversation of an hour runs in minutes, and twice alike when the profile
does not measure.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.conversation.conductor import Conductor
from app.conversation.ears import HeardBlock
from app.conversation.parts import LiveParts, Workers
from app.core.events import Event, WorkEvent
from app.core.live_ports import SessionRecorder, SteppedDevice, Work
from app.core.shown import Phase, Shown

Profile = Callable[[str, WorkEvent | None, int, float], float]
"""(worker, what it made, how many things this piece of work made before, measured seconds) to the
seconds that it shall have taken. None is the end of a piece of work."""


def as_measured(_worker: str, _made: WorkEvent | None, _before: int, measured_s: float) -> float:
    """The machine that it runs on."""
    return measured_s


class SimulatedWorker:
    """Implements the ``Worker`` port without a thread: computes when ``advance`` comes to it."""

    def __init__(self, name: str, post: Callable[[WorkEvent], None], profile: Profile) -> None:
        self._name, self._post, self._profile = name, post, profile
        self._queue: deque[Work] = deque()
        self._work: Iterator[WorkEvent] | None = None
        self._made = 0
        self._due_s = 0.0
        self._next: WorkEvent | None = None

    def submit(self, work: Work) -> None:
        """Queue ``work``."""
        self._queue.append(work)

    @property
    def pending(self) -> int:
        """Pieces queued or running."""
        return len(self._queue) + (self._work is not None)

    def close(self, deadline_s: float = 1.0) -> bool:
        """Let go of everything."""
        self._queue.clear()
        self._work = None
        return True

    def advance(self, now_s: float) -> None:
        """Deliver everything that is made by ``now_s``."""
        while True:
            if self._work is None:
                if not self._queue:
                    return
                self._work = iter(self._queue.popleft()())
                self._made = 0
                self._compute(now_s if self._due_s < now_s else self._due_s)
            if self._due_s > now_s:
                return
            made, self._next = self._next, None
            if made is None:
                self._work = None
                continue
            self._made += 1
            self._post(made)
            self._compute(self._due_s)

    def _compute(self, begun_s: float) -> None:
        assert self._work is not None
        began = time.perf_counter()
        self._next = next(self._work, None)
        measured_s = time.perf_counter() - began
        self._due_s = begun_s + self._profile(self._name, self._next, self._made, measured_s)


class Simulation:
    """A conversation in a virtual room. ``device`` gives the sound, ``log`` keeps every decision."""

    def __init__(
        self,
        parts: LiveParts,
        device: SteppedDevice,
        profile: Profile = as_measured,
        recorder: SessionRecorder | None = None,
    ) -> None:
        self.device = device
        self.log: list[dict[str, Any]] = []
        self.shown: list[Shown] = []
        self.recorder = recorder
        self._workers = [
            SimulatedWorker(name, self._post, profile) for name in ("transcribe", "think", "speak")
        ]
        self.conductor = Conductor(
            parts, device.player, Workers(*self._workers), self.shown.append, self._note
        )

    @property
    def now_s(self) -> float:
        """The session's clock."""
        return self.conductor.now_s

    @property
    def phase(self) -> Phase:
        """What Parley is doing."""
        return self.conductor.phase

    def tell(self, event: Event) -> None:
        """Something that the user does besides speaking."""
        self.conductor.handle(event)

    def step(self) -> HeardBlock:
        """Let 10 ms pass."""
        block = self.device.step()
        heard = self.conductor.parts.ears.hear(block)
        if self.recorder is not None:
            self.recorder.block(heard.near, heard.clean, heard.far, heard.index)
        self.conductor.block(heard)
        for worker in self._workers:
            worker.advance(self.now_s)
        return heard

    def run_for(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        end_s = self.now_s + seconds
        while self.now_s < end_s - 1e-9:
            self.step()

    def run_until(self, reached: Callable[[Simulation], bool], at_most_s: float) -> bool:
        """Let time pass until ``reached`` holds; False when it did not within ``at_most_s``."""
        end_s = self.now_s + at_most_s
        while not reached(self):
            if self.now_s >= end_s:
                return False
            self.step()
        return True

    def close(self) -> None:
        """End the conversation."""
        for worker in self._workers:
            worker.close()
        if self.recorder is not None:
            self.recorder.close()

    def _post(self, event: WorkEvent) -> None:
        self.conductor.handle(event)

    def _note(self, at_s: float, kind: str, fields: Mapping[str, Any]) -> None:
        self.log.append({"at_s": at_s, "kind": kind, **fields})
        if self.recorder is not None:
            self.recorder.event(at_s, kind, fields)
