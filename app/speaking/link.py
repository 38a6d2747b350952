"""One life of the engine's process, from the side of the assistant: start, talk, end.

A worker that died and one that does not answer are both *lost*: ``WorkerLostError`` says which, and
the process is gone when it is raised. ``process.py`` decides what to do about it.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import threading
import time
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.sharedctypes import RawValue

from engine import protocol
from engine.protocol import Answer, Failed, Failure, Request
from engine.worker import serve

_LOOK_S = 0.02
_JUMP_S = 1.0
_ALL_LINES = 2**62


class WorkerLostError(Exception):
    """The worker died, was killed because it did not answer, or gave itself up.

    ``memory`` tells that memory ran out. The message is one sentence for a person.
    """

    def __init__(self, sentence: str, *, memory: bool = False) -> None:
        super().__init__(sentence)
        self.memory = memory


class WorkerLink:
    """A running worker. One thread at a time talks; ``end`` may be called from any."""

    def __init__(self) -> None:
        # A plain number without a lock: a process killed while it held one would take it along.
        self._cancelled = RawValue(ctypes.c_longlong, 0)
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=True)
        self._connection: Connection = ours
        self._sending = threading.Lock()
        self._process: SpawnProcess = context.Process(
            target=serve, args=(theirs, self._cancelled), name="parley-engine", daemon=True
        )
        try:
            self._process.start()
        except OSError as error:
            raise WorkerLostError(
                f"The speech engine's process cannot be started ({error.strerror}): close other "
                "programs and try again."
            ) from error
        finally:
            theirs.close()
        self._finalizer = weakref.finalize(self, _end_now, self._process)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid or 0

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    def cancel(self, line: int) -> None:
        """Cancel every line up to ``line``: the worker looks before each frame."""
        self._cancelled.value = max(self._cancelled.value, line)

    def ask(self, request: Request, patience_s: float) -> Answer:
        """Send a request and wait for its one answer.

        Raises:
            WorkerLostError: when none came in time, or never will.
        """
        self.send(request, patience_s)
        return self.receive(patience_s)

    def send(self, request: Request, patience_s: float) -> None:
        """Send a request.

        Raises:
            WorkerLostError: when the worker is gone, or takes nothing for so long.
        """
        # A full pipe blocks; what ends that is the end of a worker that reads no more.
        guard = None
        if isinstance(request, (protocol.Listen, protocol.Hear, protocol.Remember, protocol.Speak)):
            guard = threading.Timer(patience_s, self._process.kill)
            guard.daemon = True
            guard.start()
        try:
            with self._sending:
                self._connection.send(request)
        except OSError as error:
            raise self._lost() from error
        finally:
            if guard is not None:
                guard.cancel()

    def receive(self, patience_s: float, look: Callable[[], None] | None = None) -> Answer:
        """The next answer; ``look`` is called every 20 ms while there is none.

        Raises:
            WorkerLostError: when the worker died, gave itself up, or was silent for ``patience_s``.
        """
        waited_s = 0.0
        while True:
            began_s = time.monotonic()
            ready = wait([self._connection, self._process.sentinel], _LOOK_S)
            # When the computer slept, the worker slept too: a jump of the clock is no waiting.
            waited_s += min(time.monotonic() - began_s, _JUMP_S)
            # The connection first: a worker may have answered before it died.
            if self._connection in ready or (ready and self._connection.poll()):
                return self._taken()
            if ready:
                raise self._lost()
            if waited_s >= patience_s:
                self.end(0.0)
                raise WorkerLostError(
                    f"The speech engine did not answer for {patience_s:.0f} s: try a smaller model "
                    "or another device."
                )
            if look is not None:
                look()

    def end(self, deadline_s: float) -> bool:
        """Have the process end: by asking, then by force; False when it is still there."""
        self._cancelled.value = _ALL_LINES
        until_s = time.monotonic() + deadline_s
        if deadline_s > 0 and self._sending.acquire(timeout=deadline_s / 4):
            try:
                self._connection.send(protocol.Quit())
                self._process.join(deadline_s / 2)
            except OSError:
                pass  # it is gone already, or going
            finally:
                self._sending.release()
        if self._process.is_alive():
            self._process.terminate()
            self._process.join(max(0.05, (until_s - time.monotonic()) / 2))
        if self._process.is_alive():
            self._process.kill()
            self._process.join(max(0.5, until_s - time.monotonic()))
        return not self._process.is_alive()

    def _taken(self) -> Answer:
        try:
            answer: Answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        if isinstance(answer, Failed) and answer.kind in (Failure.MEMORY, Failure.CRASH):
            self.end(0.0)
            raise WorkerLostError(answer.sentence, memory=answer.kind == Failure.MEMORY)
        return answer

    def _lost(self) -> WorkerLostError:
        """How the worker died; makes sure that it did."""
        self._process.join(0.5)
        self.end(0.0)
        code = self._process.exitcode
        how = (
            f"was killed by signal {-code}" if code is not None and code < 0 else "ended by itself"
        )
        return WorkerLostError(
            f"The speech engine's process {how}: close other programs that need memory, or choose "
            "a smaller model."
        )


def _end_now(process: SpawnProcess) -> None:
    """What the garbage collector and the end of the program do with a worker."""
    if process.is_alive():
        process.kill()
    process.join(1.0)
