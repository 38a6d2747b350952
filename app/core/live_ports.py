"""The doors of a live conversation: sound in and out, echo, workers, recorder.

All sound between device and conversation is float32 mono at 48 kHz in blocks of 10 ms (480 samples);
the conversation's clock is the count of these blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from app.core.events import WorkEvent
from app.core.shown import Levels, Watcher
from app.core.types import FloatArray

SESSION_RATE_HZ = 48_000
BLOCK_SAMPLES = 480
BLOCK_S = BLOCK_SAMPLES / SESSION_RATE_HZ


@dataclass(frozen=True, slots=True, eq=False)
class DuplexBlock:
    """10 ms of the room: what the microphone heard and what the loudspeaker was given meanwhile.

    ``near`` and ``far`` are (480,) at 48 kHz. ``index`` counts blocks since the session began, also
    over gaps: when ``gap`` blocks are missing before this one (device lost, clock jumped), ``index``
    has gone on by as many. ``far`` never comes later than its echo in ``near``.
    """

    near: FloatArray
    far: FloatArray
    index: int
    gap: int = 0


class Player(Protocol):
    """The loudspeaker's side. Control methods may be called from any one thread."""

    def write(self, at_24k: FloatArray) -> int:
        """Append speech; returns how many samples were taken (at most 3 s are held ahead)."""
        ...

    def space(self) -> int:
        """How many 24 kHz samples ``write`` would take now."""
        ...

    def gain(self, db: float, ramp_s: float) -> None:
        """Ramp the level to ``db`` (0 is as written)."""
        ...

    def pause(self, fade_s: float = 0.02) -> None:
        """Fade out and hold; what is left stays."""
        ...

    def resume(self, back_s: float = 0.0, fade_s: float = 0.02) -> None:
        """Go on, ``back_s`` before where it stopped (at most 1 s)."""
        ...

    def flush(self, fade_s: float = 0.01) -> None:
        """Fade out and drop everything that was not played; also ends a pause."""
        ...

    @property
    def written(self) -> int:
        """24 kHz samples taken since the player was made, without those that were flushed."""
        ...

    @property
    def heard(self) -> int:
        """24 kHz samples, of those written, that have left the loudspeaker (latency deducted)."""
        ...

    @property
    def underruns(self) -> int:
        """How often there was nothing to play in the middle of speech."""
        ...


class SoundDevice(Protocol):
    """A microphone and a loudspeaker on one clock."""

    @property
    def player(self) -> Player:
        """Its loudspeaker."""
        ...

    def start(self, on_block: Callable[[DuplexBlock], None]) -> None:
        """Begin; ``on_block`` is called for every 10 ms, on one thread, never on the device's own.

        A missing microphone or loudspeaker is no error: blocks come with silence, speech plays to
        nowhere in real time, the name is '' and ``problem`` says what to do; it is used when it comes.

        Raises:
            SoundError: when sound cannot be used on this machine at all.
        """
        ...

    def stop(self) -> None:
        """Close both sides; may be started again."""
        ...

    @property
    def microphone(self) -> str:
        """Name of the microphone in use, '' without one."""
        ...

    @property
    def loudspeaker(self) -> str:
        """Name of the loudspeaker in use, '' without one."""
        ...

    @property
    def problem(self) -> str:
        """One sentence about what is wrong with the devices and what to do; '' when all is well."""
        ...

    @property
    def xruns(self) -> int:
        """Overflows and underruns that the device reported."""
        ...

    def names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Microphones and loudspeakers to choose from, as last listed."""
        ...


class SteppedDevice(Protocol):
    """A sound device on a virtual clock: time goes on only when asked."""

    @property
    def player(self) -> Player:
        """Its loudspeaker."""
        ...

    def step(self) -> DuplexBlock:
        """Let 10 ms pass."""
        ...


class EchoCanceller(Protocol):
    """Takes the loudspeaker's sound out of the microphone's."""

    def process(self, near: FloatArray, far: FloatArray) -> FloatArray:
        """10 ms of each at 48 kHz (480,); the cleaned microphone (480,)."""
        ...

    def explained(self) -> float:
        """How much of the last 450 ms of the microphone the loudspeaker explains, 0 to 1."""
        ...

    @property
    def unexplained_db(self) -> float:
        """By how much the last 10 ms stand out of what is usually left of the echo; 0 where none is."""
        ...

    @property
    def erle_db(self) -> float | None:
        """Echo return loss enhancement over the last seconds of playback; None before any."""
        ...

    @property
    def settled(self) -> bool:
        """Whether it takes enough away to trust what is left."""
        ...

    def reset(self) -> None:
        """Forget the room, after a gap or a change of device."""
        ...


Work = Callable[[], Iterator[WorkEvent]]
"""A piece of work: yields events as it goes; must not raise."""


class Worker(Protocol):
    """Does one piece of work after another, each event delivered to the conversation."""

    def submit(self, work: Work) -> None:
        """Queue ``work``."""
        ...

    @property
    def pending(self) -> int:
        """Pieces queued or running."""
        ...

    def close(self, deadline_s: float = 1.0) -> bool:
        """Let go of what is queued and end; False when it did not end in time."""
        ...


class SessionRecorder(Protocol):
    """Keeps a live session on disk. Never raises: on a full disk it stops and says so."""

    def block(self, near: FloatArray, clean: FloatArray, played: FloatArray, index: int) -> None:
        """10 ms of raw microphone, cleaned microphone and loudspeaker, each (480,) at 48 kHz.

        ``index`` is the block's; missing ones before it are filled with silence.
        """
        ...

    def event(self, at_s: float, kind: str, data: Mapping[str, Any]) -> None:
        """A decision, as one line of ``events.jsonl``."""
        ...

    def finish(self) -> None:
        """Begin to finish all files, without waiting for it."""
        ...

    def close(self) -> None:
        """Finish all files, and wait for it a little."""
        ...

    @property
    def recording(self) -> bool:
        """Whether it still records: False once the disk is full, or where it could not begin."""
        ...

    @property
    def folder(self) -> Path:
        """Where the session is."""
        ...

    @property
    def seconds(self) -> float:
        """Length of the recording so far."""
        ...


class LiveControl(Protocol):
    """A live conversation as its window drives it. No method blocks; any thread may call."""

    def watch(self, watcher: Watcher) -> None:
        """Tell ``watcher`` everything that is shown from now on."""
        ...

    def start(self) -> None:
        """Load the models in the background and begin; progress comes as what is shown."""
        ...

    def close(self, deadline_s: float = 2.0) -> bool:
        """End everything; False when a part did not end in time and was left behind."""
        ...

    def type(self, text: str) -> None:
        """Take written words as the user's turn."""
        ...

    def stop(self) -> None:
        """Silence the assistant."""
        ...

    def mute(self, on: bool) -> None:
        """Close or open the microphone."""
        ...

    def talk_key(self, down: bool) -> None:
        """Push-to-talk pressed or let go."""
        ...

    def hands_free(self, on: bool) -> None:
        """Whether speech alone opens a turn."""
        ...

    def record(self, on: bool) -> None:
        """Start or stop recording the session."""
        ...

    def choose_devices(self, microphone: str, loudspeaker: str) -> None:
        """Use these devices from now on; '' is the system's choice."""
        ...

    def levels(self) -> Levels:
        """The meters, now."""
        ...
