"""Safetensors files: what is in them, whether they are whole, and their tensors one at a time.

Headers are read by hand, so that a damaged file is described exactly and sizes can be checked before a
single weight is touched; the data are memory-mapped. Knows nothing of CSM.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.errors import ModelError

PICKLE_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
"""Files of these names may run code when they are opened, so they never are."""

PARTIAL_SUFFIXES = (".incomplete", ".part", ".partial", ".crdownload", ".download", ".aria2")
"""How downloaders name what is not finished."""

_MAX_HEADER_BYTES = 100_000_000
_LFS_START = b"version https://git-lfs"
_FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where a tensor is and what it looks like, from a file's header."""

    file: Path
    shape: tuple[int, ...]
    dtype: str

    @property
    def is_float(self) -> bool:
        """Whether it holds plain floating-point numbers."""
        return self.dtype in _FLOATS


def read_header(path: Path) -> dict[str, TensorInfo]:
    """Names, shapes and types of the tensors of a safetensors file, found whole.

    Raises:
        ModelError: when it is missing, cut short, damaged or no safetensors file at all.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            _check_start(path, start + file.read(len(_LFS_START) - len(start)))
            length = struct.unpack("<Q", start)[0]
            if length > _MAX_HEADER_BYTES:
                raise ModelError(f"{path} is not a safetensors file: download the model again.")
            file.seek(8)
            raw = file.read(length)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    if len(raw) < length:
        raise _cut_short(path, size, 8 + length)
    try:
        tensors, end = _parse(path, raw)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{path} has a damaged safetensors header: download the model again."
        ) from error
    if size < 8 + length + end:
        raise _cut_short(path, size, 8 + length + end)
    return tensors


def _check_start(path: Path, start: bytes) -> None:
    if start.startswith(_LFS_START):
        raise ModelError(
            f"{path} is a Git LFS pointer, not the weights themselves: fetch them with "
            "'git lfs pull' in the model's folder."
        )
    if start.startswith(b"GGUF"):
        raise ModelError(f"{path} is a GGUF file, which llama.cpp runs; a CSM needs safetensors.")
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04")):
        raise ModelError(
            f"{path} is a pickle file under another name, which could run code when opened: use "
            "safetensors weights."
        )
    if len(start) < 8:
        raise ModelError(f"{path} is empty or cut short: download the model again.")


def _parse(path: Path, raw: bytes) -> tuple[dict[str, TensorInfo], int]:
    header: dict[str, Any] = json.loads(raw)
    tensors: dict[str, TensorInfo] = {}
    end = 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        shape = tuple(int(size) for size in entry["shape"])
        tensors[name] = TensorInfo(path, shape, str(entry["dtype"]))
        end = max(end, int(entry["data_offsets"][1]))
    return tensors, end


def _cut_short(path: Path, size: int, wanted: int) -> ModelError:
    return ModelError(
        f"{path} is cut short ({size} of {wanted} bytes): the download did not finish, so repeat it."
    )


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None when there is no such file.

    Raises:
        ModelError: when it cannot be read or holds something else.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged (no valid JSON): download the model again.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} is damaged (not a JSON object): download the model again.")
    return content


class TensorReader:
    """Opens each file once, memory-mapped, and hands out its tensors. Use with ``with``."""

    def __init__(self, tensors: Mapping[str, TensorInfo]) -> None:
        self._tensors = tensors
        self._open: dict[Path, Any] = {}

    def __enter__(self) -> TensorReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.clear()  # the mapping ends with its last tensor

    def get(self, name: str) -> Tensor:
        """The tensor as stored, on the CPU, backed by the file until it is copied."""
        path = self._tensors[name].file
        try:
            if path not in self._open:
                self._open[path] = safe_open(str(path), framework="pt", device="cpu")
            return self._open[path].get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} cannot be read: {error}.") from error

    def load(
        self,
        name: str,
        device: torch.device,
        dtype: torch.dtype | None = None,
        change: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """The tensor in memory of its own, contiguous, on ``device``.

        Args:
            name: which one.
            device: where to.
            dtype: number format; None keeps the stored one.
            change: applied on the way (it may return a view).
        """
        stored = self.get(name)
        changed = stored if change is None else change(stored)
        moved = changed.to(device=device, dtype=dtype or stored.dtype).contiguous()
        # Never keep the mapping: whoever replaces the file would change or crash a loaded model.
        return moved.clone() if moved.data_ptr() == stored.data_ptr() else moved
