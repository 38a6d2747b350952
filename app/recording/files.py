"""Files as the recorder writes them: unbuffered, so that what was written outlives the process."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class RawFile(Protocol):
    """A new binary file. Every method may raise OSError."""

    def write(self, data: bytes | memoryview, /) -> int | None:
        """Write some of ``data``; how many bytes were taken."""
        ...

    def seek(self, offset: int, /) -> int:
        """Go to a byte."""
        ...

    def truncate(self, size: int, /) -> int:
        """Cut the file to ``size`` bytes."""
        ...

    def sync(self) -> None:
        """Have everything on the disk itself when this returns."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


Opener = Callable[[Path], RawFile]


class DiskFile:
    """A real file: a new one, or with ``update`` an existing one to be repaired."""

    def __init__(self, path: Path, update: bool = False) -> None:
        self._file = path.open("r+b" if update else "xb", buffering=0)

    def write(self, data: bytes | memoryview, /) -> int | None:
        """See ``RawFile``."""
        return self._file.write(data)

    def seek(self, offset: int, /) -> int:
        """See ``RawFile``."""
        return self._file.seek(offset)

    def truncate(self, size: int, /) -> int:
        """See ``RawFile``."""
        return self._file.truncate(size)

    def sync(self) -> None:
        """See ``RawFile``."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """See ``RawFile``."""
        self._file.close()


def write_all(file: RawFile, data: bytes) -> None:
    """Write every byte; an unbuffered file may take fewer at a time.

    Raises:
        OSError: when the disk is full or the file cannot be written.
    """
    view = memoryview(data)
    while view:
        taken = file.write(view)
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[taken:]


def replace_text(path: Path, text: str, open_new: Opener = DiskFile) -> None:
    """Write a text file whole or not at all.

    Raises:
        OSError: when it cannot be written; an older file under the name is as it was.
    """
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        file = open_new(part)
        try:
            write_all(file, text.encode())
        finally:
            file.close()
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
