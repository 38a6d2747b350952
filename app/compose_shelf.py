"""What the window shows of recordings and marks: the shelf of ``app.core.shelf``, from the disk."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from app.audio.files import FileReader
from app.core.errors import InputError
from app.core.shelf import KeptSession, MarkSearch
from app.core.types import SPEECH_RATE_HZ, FloatArray
from app.recording.reader import Session, sessions
from app.recording.transcript import txt
from app.settings import paths
from app.settings.watermark_key import read_key

LONGEST_S = 600.0
"""So much of a file is looked at for the mark: more takes long, and says no more."""


class DiskShelf:
    """The ``Shelf`` of the recordings' folder and of the user's own key."""

    def sessions(self, root: Path) -> tuple[KeptSession, ...]:
        """What was recorded in ``root``, the newest first; none where there is no such folder."""
        found: list[KeptSession] = []
        for session in reversed(sessions(root)):
            try:
                found.append(session.summary())
            except OSError:
                continue  # taken away while we looked
        return tuple(found)

    def transcript(self, folder: Path) -> str:
        """What was said in a session, as text with times. Raises ``InputError``."""
        return txt(Session(folder).turns())

    def find_mark(self, file: Path) -> MarkSearch:
        """Look for the mark of the user's own key. Raises ``InputError``."""
        from app.speaking.marked import find_mark

        if not os.path.exists(paths.watermark_key_file()):
            raise InputError(
                "There is no key to look for yet: it is made when Parley first speaks with the mark "
                "switched on."
            )
        key = read_key()
        sound, whole = _beginning(file)
        verdict = find_mark(sound, key)
        return MarkSearch(verdict.found, verdict.log10_p, verdict.spans_s, whole)


def _beginning(file: Path) -> tuple[FloatArray, bool]:
    """At most ``LONGEST_S`` of a file at 24 kHz, and whether that is all of it."""
    parts: list[FloatArray] = []
    room = round(LONGEST_S * SPEECH_RATE_HZ)
    for block in FileReader().blocks(file, lambda _: None):
        if len(block.at_24k) > room:
            return np.concatenate([*parts, block.at_24k[:room]]), False
        parts.append(block.at_24k)
        room -= len(block.at_24k)
    return np.concatenate(parts), True
