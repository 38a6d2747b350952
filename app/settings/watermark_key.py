"""The user's own key for the mark in Parley's voice: made once, kept where only he can read it.

It is in no settings file, no log and no session folder. Whoever has it can recognise his files, and
can make others look like them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from app.core.errors import InputError, OutputError
from app.settings import paths

KEY_BYTES = 32


def own_key(path: Path | None = None) -> bytes:
    """The user's key (32 bytes), made when there is none yet.

    Raises:
        InputError: when the file is damaged or cannot be read.
        OutputError: when it cannot be made.
    """
    path = path or paths.watermark_key_file()
    return read_key(path) if os.path.exists(path) else _made(path)  # unlike Path's, never raises


def read_key(path: Path | None = None) -> bytes:
    """The key (32 bytes) in a file, or the user's own; makes none.

    Raises:
        InputError: when there is none, or it is damaged.
    """
    path = path or paths.watermark_key_file()
    try:
        key = bytes.fromhex(path.read_text("ascii").strip())
    except FileNotFoundError:
        raise InputError(
            f"There is no watermark key in {path}: name the key file of who spoke with --key."
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"The watermark key {path} cannot be read ({reason}): check its rights."
        ) from error
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InputError(
            f"{path} is no watermark key: put a copy of yours in its place, or remove it to begin "
            "with a new one, which knows nothing of your older files."
        )
    return key


def _made(path: Path) -> bytes:
    key = secrets.token_bytes(KEY_BYTES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unsaved(path, error) from error
    try:
        # Private from its first moment, and never over one that another Parley has just made.
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return read_key(path)
    except OSError as error:
        raise _unsaved(path, error) from error
    try:
        with os.fdopen(descriptor, "w", encoding="ascii", newline="\n") as file:
            file.write(key.hex() + "\n")
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise _unsaved(path, error) from error
    return key


def _unsaved(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"The watermark key cannot be kept in {path} ({error.strerror or error}): make the folder "
        "writable, or switch the watermark off."
    )
