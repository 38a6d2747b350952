"""A recorder that keeps everything in memory, and a disk that fails when asked."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.core.live_ports import BLOCK_S
from app.core.types import FloatArray
from app.recording.files import DiskFile


class FakeRecorder:
    """Implements ``SessionRecorder``: ``blocks`` and ``events`` hold what it was given."""

    def __init__(self, folder: Path = Path("fake-session")) -> None:
        self.folder = folder
        self.blocks: list[tuple[int, FloatArray]] = []
        self.events: list[dict[str, Any]] = []
        self.closed = False
        self.recording = True

    def block(self, near: FloatArray, clean: FloatArray, played: FloatArray, index: int) -> None:
        if not self.closed:
            self.blocks.append((index, np.stack([near, clean, played])))

    def event(self, at_s: float, kind: str, data: Mapping[str, Any]) -> None:
        if not self.closed:
            self.events.append({"at_s": at_s, "kind": kind, **data})

    def finish(self) -> None:
        self.close()

    def close(self) -> None:
        self.closed, self.recording = True, False

    @property
    def seconds(self) -> float:
        return len(self.blocks) * BLOCK_S

    def kinds(self) -> list[str]:
        """What happened, in order."""
        return [event["kind"] for event in self.events]


class FaultyDisk:
    """Opens real files; with ``room`` set, writes fail once so many more bytes were taken in all.

    With ``gate`` cleared, writes wait until it is set: a disk that hangs.
    """

    def __init__(self) -> None:
        self.room: int | None = None
        self.number = errno.ENOSPC
        self.gate = threading.Event()
        self.gate.set()
        self.writes = 0
        self.syncs = 0

    def __call__(self, path: Path) -> DiskFile:
        return _FaultyFile(self, path)


class _FaultyFile(DiskFile):
    def __init__(self, disk: FaultyDisk, path: Path) -> None:
        self.disk = disk
        if disk.room == 0:
            raise OSError(disk.number, os.strerror(disk.number))
        super().__init__(path)

    def write(self, data: bytes | memoryview, /) -> int | None:
        disk = self.disk
        disk.gate.wait(60)
        disk.writes += 1
        if disk.room is None:
            return super().write(data)
        if disk.room <= 0:
            raise OSError(disk.number, os.strerror(disk.number))
        taken = super().write(data[: disk.room])
        disk.room -= taken or 0
        return taken

    def sync(self) -> None:
        self.disk.syncs += 1
        super().sync()
