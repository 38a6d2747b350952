"""Workers that die when told, in this process, and what is asked of a conversation on them."""

from __future__ import annotations

import pickle
from collections import deque
from typing import Any

import numpy as np

from app.core.turn import CancelToken, TurnId
from app.core.types import FloatArray
from app.speaking.csm import CsmConversation
from app.speaking.link import WorkerLostError
from app.speaking.process import ProcessConversation
from engine import protocol
from engine.generator import SpeechEngine
from engine.protocol import Answer, Failed, Request
from engine.worker import Worker

TEXT = "Yes. So."


class Fate:
    """When workers die. ``sounds[i]``: how many frames the ``i``-th worker gives before it dies."""

    def __init__(self, engine: SpeechEngine) -> None:
        self.engine = engine
        self.sounds: dict[int, int] = {}
        self.memory = False
        self.requests: list[list[Request]] = []
        self.refuse: Failed | None = None

    def dies(self, life: int) -> None:
        """Kill the worker of that life before its next answer."""
        self.sounds[life] = 0


class FakeLink:
    """A worker that does each request when it is asked, and dies by its fate."""

    def __init__(self, fate: Fate) -> None:
        self.fate, self.life = fate, len(fate.requests)
        self.pid, self.alive = 1000 + self.life, True
        self.value = 0
        self.inbox: deque[Answer] = deque()
        self.asked: list[Request] = []
        fate.requests.append(self.asked)
        outer = self

        class Wire:
            def send(self, answer: Answer) -> None:
                outer.inbox.append(answer)

        wire: Any = Wire()
        number: Any = self
        self.worker = Worker(wire, number, lambda _: fate.engine)

    def cancel(self, line: int) -> None:
        self.value = line

    def ask(self, request: Request, patience_s: float) -> Answer:
        self.send(request, patience_s)
        return self.receive(patience_s)

    def send(self, request: Request, patience_s: float) -> None:
        if not self.alive:
            raise WorkerLostError("It was dead already: never mind.")
        self.asked.append(request)
        if isinstance(request, protocol.Load) and self.fate.refuse is not None:
            self.inbox.append(self.fate.refuse)
            return
        self.inbox.append(self.worker._answer(pickle.loads(pickle.dumps(request))))

    def receive(self, patience_s: float, look: Any = None) -> Answer:
        if look is not None:
            look()
        left = self.fate.sounds.get(self.life)
        if left is not None and not isinstance(self.inbox[0], protocol.Loaded):
            if left == 0:
                self.alive = False
                raise WorkerLostError("The engine died: try again.", memory=self.fate.memory)
            if isinstance(self.inbox[0], protocol.Sound):
                self.fate.sounds[self.life] = left - 1
        return self.inbox.popleft()

    def end(self, deadline_s: float) -> bool:
        self.alive = False
        return True


def token() -> CancelToken:
    return CancelToken(TurnId(1))


def noise(frames: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(0, 0.1, frames * 1920).astype(np.float32)


def say(conversation: Any, text: str = TEXT) -> FloatArray:
    return np.concatenate(list(conversation.speak(text, token())))


def direct(fate: Fate) -> CsmConversation:
    return CsmConversation(fate.engine.conversation(None))


def lines_of(fate: Fate, conversation: ProcessConversation) -> list[tuple[int, ...]]:
    """The lines that the engine in the running worker remembers: lengths and first codes."""
    link: Any = conversation._speech.running
    history = link.worker._conversations[conversation._number].history
    return [(len(line.codes), *line.ids, *line.codes[:2].ravel()) for line in history]
