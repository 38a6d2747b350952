"""Read the one number in a GGUF file's head that must be known before loading it.

Source: the GGUF specification of ggml, versions 2 and 3: magic, version, counts of tensors and of
key-value pairs, then the pairs; strings are a length of 8 bytes and UTF-8. Architecture and
context length stand before the long token lists, so only the first few hundred bytes are read.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_UINT32, _STRING, _UINT64 = 4, 8, 10
_MOST_PAIRS = 1000
_LONGEST_STRING = 1 << 20


def context_length(path: Path) -> int | None:
    """How many tokens the model was trained for; None when the head does not say.

    Raises:
        ValueError: when the file is no GGUF or its head is cut or nonsense.
    """
    with path.open("rb") as file:
        magic, version, _, pairs = _unpack(file, "<4sIQQ")
        if magic != b"GGUF" or version not in (2, 3) or pairs > _MOST_PAIRS:
            raise ValueError("not a GGUF head")
        for _ in range(pairs):
            key = _string(file)
            (kind,) = _unpack(file, "<I")
            if key.endswith(".context_length") and kind in (_UINT32, _UINT64):
                return int(_unpack(file, "<I" if kind == _UINT32 else "<Q")[0])
            if kind == _STRING:
                _string(file)
            elif kind in _SIZES:
                file.seek(_SIZES[kind], 1)
            else:
                return None  # an array: the numbers of the model are behind us
    return None


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "<Q")
    if length > _LONGEST_STRING:
        raise ValueError("a string longer than any")
    data = file.read(length)
    if len(data) < length:
        raise ValueError("cut in a string")
    return data.decode("utf-8", errors="replace")


def _unpack(file: BinaryIO, form: str) -> tuple[Any, ...]:
    size = struct.calcsize(form)
    data = file.read(size)
    if len(data) < size:
        raise ValueError("cut in its head")
    return struct.unpack(form, data)
