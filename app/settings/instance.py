"""A file that only one process can hold: for one Parley at a time, and for a session being recorded.

The lock is the operating system's, so it ends with the process however that ends; a lock file that
was left behind is simply taken over. The file's text is the holder's process number, for the message.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from types import TracebackType

from app.core.errors import OutputError, ParleyError
from app.settings import paths

# Windows locks bytes, and what is locked cannot be read: so far out there is never any text.
_FAR_BYTE = 1 << 30


class AlreadyRunningError(ParleyError):
    """Another Parley is running for this user."""


class HeldFile:
    """A file held by this process until ``release``. Made by ``hold``."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def release(self, remove: bool = False) -> None:
        """Let go, and take the file away if asked to; a second call does nothing."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
        if remove and sys.platform != "win32":
            # Before the lock ends, so that nobody can take over a file that is about to go.
            with contextlib.suppress(OSError):
                self._path.unlink()
        os.close(descriptor)
        if remove and sys.platform == "win32":
            # Windows cannot remove a file that is open.
            with contextlib.suppress(OSError):
                self._path.unlink()

    def __enter__(self) -> HeldFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def hold(path: Path) -> HeldFile | None:
    """Hold ``path``, making it where it is missing; None when another holder has it.

    Raises:
        OSError: when the file can be neither made nor opened.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            if not _lock(descriptor):
                os.close(descriptor)
                return None
            if _is_at(descriptor, path):
                # The text is for a message only: a full disk keeps nobody from holding the file.
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, f"{os.getpid()}\n".encode())
                return HeldFile(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        # The former holder took the file away between our opening and our locking it: again.
        os.close(descriptor)


def single_instance(path: Path | None = None) -> HeldFile:
    """Hold the lock of the running Parley; ends with the process or with ``release``.

    Raises:
        AlreadyRunningError: when another Parley of this user runs.
        OutputError: when the lock file cannot be made.
    """
    path = path or paths.lock_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = hold(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}): make its folder writable."
        ) from error
    if held is None:
        raise AlreadyRunningError(
            f"Parley is already running{_holder(path)}: use its window, or close it first."
        )
    return held


def _holder(path: Path) -> str:
    """Which process holds ``path``, as far as it says so."""
    with contextlib.suppress(OSError, ValueError):
        return f" (process {int(path.read_text().strip())})"
    return ""


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one under its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


if sys.platform == "win32":

    def _lock(descriptor: int) -> bool:
        """Lock the open file for this process; False when another has it."""
        import msvcrt

        os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:

    def _lock(descriptor: int) -> bool:
        """Lock the open file for this process; False when another has it."""
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # Some network drives know no locks: better two windows there than none.
            return True
        return True
