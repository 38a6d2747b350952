"""Each contestant in a process of its own: its peak of memory is its own, and it gives all back.

The processes stay while others measure, asleep in a pipe, so that contestants can take turns.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from engine.bench.build import Wanted
from engine.bench.profiling import Part
from engine.bench.rows import About, Round
from engine.errors import EngineError, ModelError

LONGEST_END_S = 20.0


@dataclass(frozen=True, slots=True)
class Entry:
    """Who takes part: ``parley`` or a mode of the peer (see ``engine.bench.peer``)."""

    kind: str
    wanted: Wanted
    frames: int

    @property
    def is_peer(self) -> bool:
        """Whether it is not ours."""
        return self.kind != "parley"


class Runner(Protocol):
    """A loaded contestant, here or in another process."""

    about: About
    patience_s: float | None
    """How long an answer is waited for, where that can be left off."""

    def round(self, frames: int) -> Round:
        """One round."""
        ...

    def profile(self) -> list[Part]:
        """Where a frame's time goes; after a round."""
        ...

    def peak(self) -> float | None:
        """Most memory so far, bytes."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


class Here:
    """A contestant in this process, which has to be waited for."""

    patience_s: float | None = None

    def __init__(self, entry: Entry) -> None:
        if entry.is_peer:
            from engine.bench.peer import Peer

            self._contestant: Any = Peer(entry.wanted, entry.kind, entry.frames)
        else:
            from engine.bench.ours import Ours

            self._contestant = Ours(entry.wanted)
        self.about: About = self._contestant.about

    def round(self, frames: int) -> Round:
        """One round."""
        return self._contestant.round(frames)

    def profile(self) -> list[Part]:
        """Where a frame's time goes; after a round."""
        return self._contestant.profile()

    def peak(self) -> float | None:
        """Most memory so far, bytes; in this process it is that of everything so far."""
        import torch

        from engine.bench.memory import peak_memory

        return peak_memory(torch.device(self.about.device))

    def close(self) -> None:
        """Free everything."""
        self._contestant = None


class Child:
    """A contestant in a process of its own; ``patience_s`` is for loading it."""

    def __init__(self, entry: Entry, patience_s: float | None = None) -> None:
        self.patience_s = patience_s
        self._stuck = False
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, entry))
        os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # the profiler would talk to the terminal
        self._process.start()
        theirs.close()
        try:
            self.about: About = self._answer()
        except BaseException:
            self.close()
            raise

    def round(self, frames: int) -> Round:
        """One round."""
        return self._ask("round", frames)

    def profile(self) -> list[Part]:
        """Where a frame's time goes; after a round."""
        return self._ask("profile")

    def peak(self) -> float | None:
        """Most memory so far, bytes."""
        return self._ask("peak")

    def close(self) -> None:
        """End the process."""
        if not self._stuck:
            with suppress(OSError):
                self._pipe.send(None)
            self._process.join(LONGEST_END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()

    def _ask(self, method: str, *arguments: object) -> Any:
        try:
            self._pipe.send((method, arguments))
        except OSError as error:
            raise ModelError(_GONE) from error
        return self._answer()

    def _answer(self) -> Any:
        try:
            if not self._pipe.poll(self.patience_s):
                self._stuck = True
                raise ModelError(
                    f"It was not done within {self.patience_s:.0f} s, half of the time that was "
                    "left: give more of it, or measure it alone."
                )
            done, value = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise ModelError(_GONE) from error
        if done:
            return value
        raise ModelError(value)


_GONE = "It ended without a word, most likely for want of memory: free some, or measure it alone."


def sentence(error: Exception) -> str:
    """What a person should know of an error."""
    if isinstance(error, EngineError):
        return str(error)
    first = next(iter(str(error).strip().splitlines()), "")
    return (
        f"It failed with {type(error).__name__} ({first[:200]}): try again with nothing beside it."
    )


def _serve(pipe: Connection, entry: Entry) -> None:
    """The process: load, answer questions, end at None or when the asker is gone."""
    sys.stdout.flush()
    os.dup2(2, 1)  # what libraries print there is not the bench's result
    runner: Here | None = None
    with suppress(EOFError, OSError, KeyboardInterrupt):
        question: Any = None
        while True:
            try:
                if runner is None:
                    runner = Here(entry)
                    answer: Any = runner.about
                else:
                    answer = getattr(runner, question[0])(*question[1])
            except Exception as error:  # noqa: BLE001  (told to the asker)
                pipe.send((False, sentence(error)))
                if runner is None:
                    return
            else:
                pipe.send((True, answer))
            question = pipe.recv()
            if question is None:
                return
