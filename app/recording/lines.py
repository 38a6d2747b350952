"""Lines of ``events.jsonl``: one JSON object each, with a checksum, so that damage is seen.

The checksum is CRC-32 of the line as it would be without it. A file is believed up to its first
damaged line.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

_CRC = "crc"
_TAIL = re.compile(rb',"crc":"([0-9a-f]{8})"\}\n?\Z')
_PASSWORD = re.compile(r"(\w+://)[^\s/@\"']+@")


@dataclass(frozen=True, slots=True)
class Believed:
    """The good lines at the front of a file, and how many bytes they take up."""

    records: tuple[dict[str, Any], ...]
    good_bytes: int
    file_bytes: int

    @property
    def damaged(self) -> bool:
        """Whether something follows that cannot be believed."""
        return self.good_bytes < self.file_bytes


def encoded(at_s: float, kind: str, data: Mapping[str, Any]) -> bytes:
    """A record as a line. Takes any data: what JSON cannot say is written as text."""
    record = {"at_s": at_s, "kind": kind}
    for key, value in data.items():
        # Our three names cannot be taken by the data.
        record[f"{key}_" if key in ("at_s", "kind", _CRC) else str(key)] = value
    body = json.dumps(plain(record), ensure_ascii=False, separators=(",", ":")).encode()
    return body[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(body)


def decoded(line: bytes) -> dict[str, Any] | None:
    """The record of a line, without its checksum; None when the line is damaged."""
    found = _TAIL.search(line)
    if found is None or not line.endswith(b"\n"):
        return None
    body = line[: found.start()] + b"}"
    if zlib.crc32(body) != int(found.group(1), 16):
        return None
    try:
        record = json.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def believed(path: Path) -> Believed:
    """Read a whole file up to its first damaged line.

    Raises:
        OSError: when it cannot be read.
    """
    reader = LineReader(path)
    records = tuple(reader)
    return Believed(records, reader.good_bytes, path.stat().st_size)


class LineReader:
    """Iterates the good records at the front of a file, one line in memory at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.good_bytes = 0
        """Length of the lines given out so far."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self.good_bytes = 0
        with self._path.open("rb") as file:
            for line in file:
                record = decoded(line)
                if record is None:
                    return
                self.good_bytes += len(line)
                yield record


def plain(value: Any) -> Any:
    """``value`` as JSON can say it. Never raises; no address keeps its password."""
    match value:
        case Enum():
            return plain(value.value)
        case None | bool() | int():
            return value
        case str():
            text = value.encode("utf-8", "replace").decode()
            return _PASSWORD.sub(r"\1", text) if "://" in text else text
        case float():
            # JSON has no infinity. A millionth is finer than any time or level here.
            return round(value, 6) if math.isfinite(value) else None
        case Mapping():
            return {str(plain(key)): plain(item) for key, item in value.items()}
        case np.generic() | np.ndarray():
            return plain(value.tolist())
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return plain(asdict(value))
        case _:
            return plain(str(value))
