"""What an echo canceller has learnt of a room, kept from one session to the next.

One small file for each pair of microphone and loudspeaker. Nothing in it is trusted: a file that is
damaged, of another version or out of all proportion is as good as none, and what is loaded is on
trial until the loudspeaker has played (``echo_trial.py``). A file is the SHA-256 of an npz archive and
then the archive, because there is no end of what a reader of archives may raise over a wrong bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.core.types import FloatArray

VERSION = 1
_DIGEST = 32
_ROOM = (40, 161)
_BANDS = 11
_LAGS = 26
# The loudest echo that is believed: 20 dB above what was played, at any frequency.
_LOUDEST = 10.0

Pair = tuple[str, str]
"""Names of microphone and loudspeaker."""


@dataclass(frozen=True, slots=True, eq=False)
class EchoState:
    """A room as the canceller knows it; without ``room``, one in which no echo was heard."""

    room: npt.NDArray[np.complex64] | None = None
    """(40, 161): spectra of the response's parts of 10 ms, at 16 kHz."""
    doubt: FloatArray | None = None
    """(40, 161)."""
    leak_db: npt.NDArray[np.float64] | None = None
    """(11,): how much of each band usually gets through."""
    fits: npt.NDArray[np.float64] | None = None
    """(26,): evidence for each delay."""

    def fits_together(self) -> bool:
        """Whether the numbers can be those of a room."""
        arrays = (self.room, self.doubt, self.leak_db, self.fits)
        if self.room is None:
            return all(array is None for array in arrays)
        shapes = (_ROOM, _ROOM, (_BANDS,), (_LAGS,))
        for array, shape in zip(arrays, shapes, strict=True):
            if array is None or array.shape != shape or not np.isfinite(array).all():
                return False
        assert self.doubt is not None
        assert self.fits is not None
        return (
            float(np.abs(self.room).max()) <= _LOUDEST
            and float(self.doubt.min()) >= 0
            and float(self.doubt.max()) <= _LOUDEST
            and float(self.fits.min()) >= 0
        )


class EchoStore:
    """Rooms by pair of devices, in a folder that need not exist yet. Never raises."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, pair: Pair) -> EchoState | None:
        """What is known of a pair; None when that is nothing or cannot be read."""
        try:
            read = self._path(pair).read_bytes()
            archive = read[_DIGEST:]
            if hashlib.sha256(archive).digest() != read[:_DIGEST]:
                return None
            with np.load(io.BytesIO(archive), allow_pickle=False) as file:
                if int(file["version"]) != VERSION:
                    return None
                if "room" not in file:
                    return EchoState()
                state = EchoState(
                    file["room"].astype(np.complex64),
                    file["doubt"].astype(np.float32),
                    file["leak_db"].astype(np.float64),
                    file["fits"].astype(np.float64),
                )
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None
        return state if state.fits_together() else None

    def save(self, pair: Pair, state: EchoState) -> None:
        """Keep it for the next session; a disk that is full is no trouble here.

        That no echo was heard does not replace a room: headphones are often plugged into the same
        device.
        """
        arrays = {"version": np.array(VERSION)}
        if state.room is not None and state.doubt is not None:
            assert state.leak_db is not None
            assert state.fits is not None
            arrays |= {"room": state.room, "doubt": state.doubt}
            arrays |= {"leak_db": state.leak_db, "fits": state.fits}
        archive = io.BytesIO()
        np.savez(archive, allow_pickle=False, **arrays)
        whole = archive.getvalue()
        path = self._path(pair)
        fresh = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            if state.room is None and path.exists():
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(hashlib.sha256(whole).digest() + whole)
            fresh.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)

    def _path(self, pair: Pair) -> Path:
        # A driver's name may be anything, also what is no text or no name of a file.
        told = "\n".join(pair).encode("utf-8", "surrogatepass")
        return self._folder / f"{hashlib.sha256(told).hexdigest()[:24]}.room"
