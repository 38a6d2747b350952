"""Whether something can be kept on the disk, found out before it matters."""

from __future__ import annotations

import tempfile
from pathlib import Path


def why_not(folder: Path, size_bytes: int) -> str:
    """Why a file of ``size_bytes`` cannot be kept in ``folder``, in the system's words; '' when it can.

    The folder is made where it is missing; nothing else of the attempt stays.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(size_bytes))
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""
