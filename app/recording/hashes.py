"""SHA-256 of model files, in small steps beside other work, remembered by size and time of change."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from app.recording.files import replace_text

STEP_BYTES = 8 << 20


class ModelHashes:
    """Hashes of every file of some models. ``step`` until it is True, then ``result``."""

    def __init__(self, models: Mapping[str, Path], cache: Path | None = None) -> None:
        """``models``: name to file or folder. ``cache``: where hashes are kept for the next time."""
        self._models = models
        self._cache = cache
        self._steps = self._work()
        self._done = False
        self.hashed_bytes = 0
        """How much was read; less than there is when hashes were remembered."""
        self.result: dict[str, Any] = {}
        """By name: ``path`` and ``sha256``, which maps each file's name to its hash, None while it
        is not known."""

    def step(self) -> bool:
        """Do a little; whether all is done. Never raises: what cannot be read stays None."""
        if not self._done:
            try:
                self._done = next(self._steps, None) is None
            except OSError:
                self._done = True
        return self._done

    def _work(self) -> Iterator[bool]:
        known = self._remembered()
        for name, path in self._models.items():
            found: dict[str, str | None] = dict.fromkeys(_files(path))
            self.result[name] = {"path": str(path), "sha256": found}
        fresh = dict[str, str]()
        for name, path in self._models.items():
            hashes = self.result[name]["sha256"]
            for inner in hashes:
                file = path / inner if path.is_dir() else path
                try:
                    stat = file.stat()
                    stamp = f"{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
                    digest = known.get(stamp)
                    if digest is None:
                        digest = yield from self._hash(file)
                except OSError:
                    continue
                hashes[inner] = fresh[stamp] = digest
        if self._cache is not None and self.hashed_bytes:
            # Entries of files that are gone or changed go with them, those of other models stay.
            gone = {stamp.split("|")[0] for stamp in fresh}
            kept = {
                stamp: value for stamp, value in known.items() if stamp.split("|")[0] not in gone
            }
            with contextlib.suppress(OSError):
                self._cache.parent.mkdir(parents=True, exist_ok=True)
                replace_text(self._cache, json.dumps({**kept, **fresh}, indent=1) + "\n")

    def _hash(self, file: Path) -> Iterator[bool]:  # returns the digest
        digest = hashlib.sha256()
        with file.open("rb", buffering=0) as stream:
            while part := stream.read(STEP_BYTES):
                digest.update(part)
                self.hashed_bytes += len(part)
                yield True
        return digest.hexdigest()

    def _remembered(self) -> dict[str, str]:
        if self._cache is None:
            return {}
        try:
            content = json.loads(self._cache.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(content, dict):
            return {}
        return {str(stamp): value for stamp, value in content.items() if isinstance(value, str)}


def _files(path: Path) -> list[str]:
    """The files of a model by their names inside its folder; one file is its own name."""
    if not path.is_dir():
        return [path.name]
    return sorted(
        entry.relative_to(path).as_posix()
        for entry in path.rglob("*")
        if entry.is_file() and not entry.name.startswith(".")
    )
