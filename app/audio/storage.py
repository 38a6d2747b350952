"""Write results so that a file is whole or, when something fails, holds what was made so far.

Text appears at once under its name; sound grows in a hidden file beside it that takes the name
when it is closed. Every failure becomes one sentence.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from app.core.errors import OutputError
from app.core.types import FloatArray

_UNKNOWN_LENGTH = 0xFFFF_FFFF
_HEADER_BYTES = 44


class RawFile(Protocol):
    """The part of an unbuffered binary file that writing needs."""

    def write(self, data: bytes, /) -> int | None:
        """Write some of ``data``; how many bytes were taken."""
        ...

    def seek(self, offset: int, /) -> int:
        """Go to a byte."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


Opener = Callable[[Path], RawFile]


def open_raw(path: Path) -> RawFile:
    """A new file, unbuffered: what was written is on its way to the disk."""
    return path.open("wb", buffering=0)


class DiskStorage:
    """The ``Storage`` of the assistant. ``open_file`` is there for tests with full disks."""

    def __init__(self, open_file: Opener = open_raw) -> None:
        self._open = open_file

    def folder(self, path: Path) -> None:
        """Make the folder with its parents, and try it with an empty file."""
        probe = path / f".parley-{os.getpid()}.part"
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._open(probe).close()
        except OSError as error:
            raise _told(error, path) from error
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()

    def text(self, path: Path, text: str) -> None:
        """Write UTF-8 text whole or not at all."""
        part = _part(path)
        try:
            file = self._open(part)
            try:
                _write_all(file, text.encode())
            finally:
                file.close()
            part.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            raise _told(error, path) from error

    def sound(self, path: Path, rate_hz: int) -> WavSink:
        """Begin a 16-bit mono WAV."""
        try:
            return WavSink(path, self._open(_part(path)), rate_hz)
        except OSError as error:
            raise _told(error, path) from error

    def remove(self, path: Path) -> None:
        """Take a file away if it is there."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _told(error, path) from error


class WavSink:
    """A growing 16-bit mono WAV file; see ``DiskStorage.sound``."""

    def __init__(self, path: Path, file: RawFile, rate_hz: int) -> None:
        self._path = path
        self._file = file
        self._rate_hz = rate_hz
        self._bytes = 0
        self._closed = False
        try:
            # A head of unknown length: if closing fails too, every player still reads the file.
            _write_all(file, _header(rate_hz, None))
        except OSError:
            file.close()
            with contextlib.suppress(OSError):
                _part(path).unlink()
            raise

    def write(self, samples: FloatArray) -> None:
        """Append float sound; values beyond ±1 are clipped."""
        data = np.rint(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
        try:
            _write_all(self._file, data)
        except OSError as error:
            raise _told(error, self._path) from error
        self._bytes += len(data)

    def close(self) -> None:
        """Write the length into the head and give the file its name; a second call does nothing.

        A file without sound is not left behind.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if not self._bytes:
                self._file.close()
                _part(self._path).unlink()
                return
            with contextlib.suppress(OSError):
                self._file.seek(0)
                _write_all(self._file, _header(self._rate_hz, self._bytes))
            self._file.close()
            _part(self._path).replace(self._path)
        except OSError as error:
            raise _told(error, self._path) from error


def _write_all(file: RawFile, data: bytes) -> None:
    """Write every byte; an unbuffered file may take fewer at a time."""
    view = memoryview(data)
    while view:
        taken = file.write(bytes(view))
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[taken:]


def _header(rate_hz: int, data_bytes: int | None) -> bytes:
    """The head of a 16-bit mono PCM WAV; None for a length not known yet."""
    length = _UNKNOWN_LENGTH if data_bytes is None else data_bytes
    whole = _UNKNOWN_LENGTH if data_bytes is None else data_bytes + _HEADER_BYTES - 8
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", whole, b"WAVE", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16, b"data", length,
    )  # fmt: skip


def _part(path: Path) -> Path:
    """The hidden file in which ``path`` grows."""
    return path.with_name(f".{path.name}.part")


def _told(error: OSError, path: Path) -> OutputError:
    """The sentence for a failed write at ``path``."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return OutputError(
                f"The disk is full while writing {path}: free some space and run it again; "
                "what was finished before is kept."
            )
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return OutputError(
                f"{path} cannot be written (no permission): choose a folder that is yours."
            )
        case errno.ENOTDIR | errno.EEXIST | errno.EISDIR:
            return OutputError(
                f"{path} cannot be made because a file or folder of another kind is in its way: "
                "choose another name."
            )
        case _:
            reason = error.strerror or str(error)
            return OutputError(f"{path} cannot be written ({reason}): choose another place.")
