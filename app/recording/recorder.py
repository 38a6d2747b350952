"""Records a live session: whoever gives it sound and decisions never waits for the disk.

What comes in is queued; the thread ``io`` writes it out four times a second. If the disk is too slow for
more than ten seconds, blocks are lost: they are counted, silence takes their place, and all that follows
is where it belongs. Disk full, folder gone, no permission: the recording ends with what it has,
the user is told in one sentence, the conversation goes on.
"""

from __future__ import annotations

import shutil
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.core.live_ports import BLOCK_SAMPLES
from app.core.ports import Clock
from app.core.types import FloatArray
from app.recording import lines
from app.recording.files import DiskFile, Opener
from app.recording.hashes import ModelHashes
from app.recording.session import CHANNELS, About, SessionFiles, new_folder
from app.recording.wav import RIFF_LIMIT

PUMP_S = 0.25
"""How often what was queued goes to the disk."""
SYNC_S = 5.0
"""How often the disk is asked to keep it through a loss of power, and how much room is left."""
WARN_BYTES = 2_000_000_000
STOP_BYTES = 500_000_000
_WARN_AGAIN_S = 600.0


@dataclass(frozen=True, slots=True)
class Disk:
    """What a recorder needs of the disk; tests replace it."""

    open_new: Opener = DiskFile
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    limit: int = RIFF_LIMIT
    """Size at which the sound becomes an RF64 file."""


@dataclass(frozen=True, slots=True)
class Queues:
    """How much may wait for the disk. ``threaded`` False writes in the caller's time: for simulations,
    whose time stands still meanwhile."""

    blocks: int = 1000
    lines: int = 10_000
    threaded: bool = True
    deadline_s: float = 1.5
    """How long ``close`` waits for the last of it."""


class DiskRecorder:
    """Implements ``SessionRecorder``. Any thread may call; nothing raises.

    ``notice`` gets sentences for the user, on the thread ``io``.
    """

    def __init__(
        self,
        root: Path,
        about: About,
        clock: Clock,
        notice: Callable[[str], None],
        *,
        hash_cache: Path | None = None,
        disk: Disk | None = None,
        queues: Queues | None = None,
    ) -> None:
        """Begin a recording in a new folder of ``root``."""
        self._clock, self._notice = clock, notice
        self._disk, self._queues = disk or Disk(), queues or Queues()
        self._about = about
        self._blocks: deque[tuple[int, FloatArray]] = deque()
        self._lines: deque[bytes] = deque()
        self._lost_blocks = 0
        self._lost_told = 0
        self._lost_lines = 0
        self._wake = threading.Event()
        self._ending = False
        self._done = threading.Event()
        self._files: SessionFiles | None = None
        self._hashes = ModelHashes(about.models, hash_cache)
        self._hashed = not about.models
        self._synced_s = clock.monotonic_s()
        self._warned_s: float | None = None
        self._folder = root
        self._thread: threading.Thread | None = None
        self._begin(root)

    def _begin(self, root: Path) -> None:
        started = self._clock.now()
        if not self._look_at_room(_existing(root)):
            return
        try:
            self._folder = new_folder(root, started)
            self._files = SessionFiles(
                self._folder, started, self._about, self._disk.open_new, self._disk.limit
            )
        except OSError as error:
            self._done.set()
            self._notice(
                f"The session is not recorded because {root} cannot be written "
                f"({_reason(error)}): choose another folder in the settings."
            )
            return
        if self._queues.threaded:
            self._thread = threading.Thread(target=self._run, name="io", daemon=True)
            self._thread.start()

    # ------------------------------------------------------------------ what anyone may call

    def block(self, near: FloatArray, clean: FloatArray, played: FloatArray, index: int) -> None:
        """See ``SessionRecorder``. Copies the sound and returns."""
        if self._ending or self._done.is_set():
            return
        if len(self._blocks) >= self._queues.blocks:
            self._lost_blocks += 1
            return
        sound = np.empty((len(CHANNELS), BLOCK_SAMPLES), np.float32)
        try:
            sound[0], sound[1], sound[2] = near, clean, played
        except (ValueError, TypeError):
            # A block of another shape is our own fault; it must not end a conversation.
            self._lost_blocks += 1
            return
        self._blocks.append((int(index), sound))
        if len(self._blocks) * 4 >= self._queues.blocks or not self._queues.threaded:
            self._hurry()

    def event(self, at_s: float, kind: str, data: Mapping[str, Any]) -> None:
        """See ``SessionRecorder``. ``data`` may change afterwards."""
        if self._ending or self._done.is_set():
            return
        if len(self._lines) >= self._queues.lines:
            self._lost_lines += 1
            return
        try:
            self._lines.append(lines.encoded(at_s, kind, data))
        except (TypeError, ValueError, RecursionError):
            # Data that contains itself, and the like: our own fault, and no reason to stop talking.
            self._lost_lines += 1

    def finish(self) -> None:
        """Begin to finish and return at once; ``close`` waits for the end of it."""
        self._ending = True
        self._wake.set()

    def close(self) -> None:
        """See ``SessionRecorder``. Waits at most the deadline; a second call does nothing."""
        self.finish()
        if self._thread is None:
            self._end()
        elif not self._done.wait(self._queues.deadline_s):
            self._notice(
                f"The recording in {self._folder} could not be finished in time because the disk is "
                "slow: it is put right when Parley starts again."
            )

    @property
    def folder(self) -> Path:
        """Where the session is."""
        return self._folder

    @property
    def seconds(self) -> float:
        """Length of what is on the disk."""
        return self._files.seconds if self._files is not None else 0.0

    @property
    def recording(self) -> bool:
        """Whether it still records; False once it was closed or had to stop."""
        return not (self._ending or self._done.is_set())

    @property
    def lost_blocks(self) -> int:
        """Blocks in whose place there is silence because the disk was too slow."""
        return self._lost_blocks

    # ------------------------------------------------------------------------ the thread io

    def _run(self) -> None:
        while not self._done.is_set():
            # Hashing models goes on in the pauses, in steps short enough not to hold up the sound.
            self._wake.wait(PUMP_S if self._hashed else PUMP_S / 10)
            self._wake.clear()
            ending = self._ending
            self._pump()
            if ending:
                self._end()

    def _hurry(self) -> None:
        """Much is waiting: write now, on the thread where there is one."""
        if self._thread is not None:
            self._wake.set()
        elif len(self._blocks) * BLOCK_SAMPLES >= PUMP_S * 48_000:
            self._pump()

    def _pump(self) -> None:
        """Write out what is queued; afterwards everything on the disk is whole."""
        files = self._files
        if files is None or self._done.is_set():
            return
        try:
            self._write_queued(files)
            now_s = self._clock.monotonic_s()
            if now_s - self._synced_s >= SYNC_S:
                self._synced_s = now_s
                files.sync()
                self._look_at_room(self._folder)
            if self._done.is_set():
                return
            if not self._hashed and not self._ending and self._hashes.step():
                self._hashed = True
                files.hashes = self._hashes.result
                files.describe_meanwhile()
        except OSError as error:
            self._stop(
                f"The recording stopped because {self._folder} cannot be written "
                f"({_reason(error)}): what was recorded is kept, and the conversation goes on."
            )

    def _write_queued(self, files: SessionFiles) -> None:
        # Lines first: they are never behind the sound that they are about.
        while self._lines:
            files.line(self._lines.popleft())
        # A length seen once: what comes in meanwhile waits for the next time.
        taken = [self._blocks.popleft() for _ in range(len(self._blocks))]
        for at in range(0, len(taken), 100):
            part = taken[at : at + 100]
            files.sound([index for index, _ in part], np.stack([sound for _, sound in part]))
        if taken:
            files.patch()
        lost = self._lost_blocks
        if lost > self._lost_told:
            files.lost(lost - self._lost_told, self._lost_lines)
            if not self._lost_told:
                self._notice(
                    "The disk is too slow for the recording: silence stands where sound is missing; "
                    "choose a faster disk in the settings."
                )
            self._lost_told = lost

    def _look_at_room(self, folder: Path) -> bool:
        """Warn or stop when the disk fills up; False when stopped."""
        try:
            free = self._disk.free_bytes(folder)
        except OSError:
            return True
        if free < STOP_BYTES:
            self._stop(
                f"Nothing more is recorded because only {free / 1e6:.0f} MB are free on the disk: "
                "free some space and start recording again; what was recorded is kept."
            )
            return False
        now_s = self._clock.monotonic_s()
        if free < WARN_BYTES and (
            self._warned_s is None or now_s - self._warned_s >= _WARN_AGAIN_S
        ):
            self._warned_s = now_s
            self._notice(
                f"Only {free / 1e9:.1f} GB are free on the disk of the recording, which takes 17 MB a "
                "minute: free some space, or it will stop by itself."
            )
        return True

    def _stop(self, sentence: str) -> None:
        """End the recording for a reason that the user is told; what exists is kept."""
        if self._done.is_set():
            return
        self._finish_files("stopped")
        self._notice(sentence)

    def _end(self) -> None:
        self._pump()
        if not self._done.is_set() and self._finish_files("closed"):
            self._notice(
                f"The recording in {self._folder} could not be finished: free some space; it is put "
                "right when Parley starts again."
            )

    def _finish_files(self, state: str) -> OSError | None:
        """Close the files as well as can be; what went wrong."""
        failure: OSError | None = None
        if self._files is not None:
            if not self._hashed:
                self._files.hashes = self._hashes.result or None
            try:
                self._files.finish(state, self._clock.now())
            except OSError as error:
                failure = error
        self._blocks.clear()
        self._lines.clear()
        self._done.set()
        return failure


def _existing(folder: Path) -> Path:
    """The folder itself or the nearest one above it that exists."""
    return next((place for place in (folder, *folder.parents) if place.is_dir()), folder)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
