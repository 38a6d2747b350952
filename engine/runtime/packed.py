"""A model converted once: fused, permuted, in its number format, in a file beside the original.

The file is our own, so on a CPU the weights stay where it is mapped: nothing is read before it is used,
and two programs share the memory. It is named after what it was made from; when that changes, it no
longer fits the name and is removed. It only saves time: where it cannot be written, nothing is said.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor, nn

from engine.csm.model import CsmModel
from engine.errors import ModelError
from engine.runtime.fused import (
    DEPTH_TABLE,
    STORED,
    depth_table,
    matrices,
    parts_of,
    release,
    stored_matrices,
)
from engine.runtime.precision import Precision
from engine.runtime.quantise import Stored
from engine.weights.files import TensorReader, read_header
from engine.weights.find import Checkpoint

TEXT_TABLE = "text_embedding.weight"

_VERSION = 1
"""Of the contents; another one makes every older file stale."""

_SPARE_BYTES = 2 << 30
"""Left free on the disk."""

_ALIGNMENT = 64
_MATRICES = "matrix."
_HEADS = "depth_heads."
_TYPES = {
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.int8: "I8",
    torch.uint8: "U8",
}


class Packed:
    """The packed file of one checkpoint in one precision; it need not exist."""

    def __init__(self, checkpoint: Checkpoint, precision: Precision) -> None:
        self.path = checkpoint.folder / f"model.{precision}-{_digest(checkpoint)}.packed"
        self._precision = precision

    def fill(self, model: CsmModel, device: torch.device) -> bool:
        """Give ``model``, made on ``meta``, the weights in the file; False when there are none."""
        try:
            tensors = read_header(self.path)
            with TensorReader(tensors) as reader:
                state = {
                    name: _aligned(reader.get(name)).to("cpu" if name == TEXT_TABLE else device)
                    for name in tensors
                }
            _fill(model, state)
        except (ModelError, KeyError, RuntimeError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            with contextlib.suppress(OSError):
                self.path.unlink()
            return False
        return True

    def keep(self, model: CsmModel) -> None:
        """Write the file from a model that was loaded from the checkpoint, if that can be done."""
        if self.path.exists():
            return
        part = self.path.with_suffix(f".{os.getpid()}")
        try:
            state = _state(model)
            size = sum(tensor.nbytes for tensor in state.values())
            if shutil.disk_usage(self.path.parent).free < size + _SPARE_BYTES:
                return
            with part.open("wb") as file:
                _write(file, state)
            part.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            return
        for stale in self.path.parent.glob(f"model.{self._precision}-*.packed"):
            if stale != self.path:
                with contextlib.suppress(OSError):
                    stale.unlink()


def leave_text_at_home(model: CsmModel) -> None:
    """Keep the table of text tokens in the memory of the host: of its rows, few are ever read."""
    table = model.text_embedding.weight
    if table.device.type != "cpu":
        model.text_embedding.weight = nn.Parameter(table.detach().cpu(), requires_grad=False)


def quantise(model: CsmModel, precision: Precision) -> None:
    """Round the model's matrices; its own are given up, and only decoders can run it."""
    with torch.no_grad():
        model.derived[STORED] = stored_matrices(model, precision)
        model.derived[DEPTH_TABLE] = depth_table(model)
    release(model)


def _aligned(mapped: Tensor) -> Tensor:
    """Where it is mapped, but for odd sizes' sake: PyTorch's int8 kernel crashes on an odd address."""
    return mapped if mapped.data_ptr() % _ALIGNMENT == 0 else mapped.clone()


def _state(model: CsmModel) -> dict[str, Tensor]:
    """All that the file holds: fused matrices, or their quantised form, and what is not fused."""
    stored: Mapping[str, Stored] | None = model.derived.get(STORED)
    state: dict[str, Tensor] = {}
    if stored is not None:
        for name, one in stored.items():
            state |= one.tensors(f"{_MATRICES}{name}")
    else:
        fused = matrices(model)
        state |= {
            f"{_MATRICES}{name}": one for name, one in fused.items() if not name.startswith(_HEADS)
        }
        state["audio_head"] = model.audio_head.detach()
    if DEPTH_TABLE not in model.derived:
        with torch.no_grad():
            model.derived[DEPTH_TABLE] = depth_table(model)
    state[DEPTH_TABLE] = model.derived[DEPTH_TABLE]
    linears = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)}
    for name, weight in model.named_parameters():
        plain = id(weight) not in linears or name == "projection.weight"
        if plain and name != "audio_head":
            state[name] = weight.detach()
    return state


def _fill(model: CsmModel, state: dict[str, Tensor]) -> None:
    """The inverse of ``_state``.

    Raises:
        KeyError: when something is missing.
        RuntimeError: when something has another shape.
    """
    model.derived[DEPTH_TABLE] = state.pop(DEPTH_TABLE)
    found = {name: state.pop(name) for name in list(state) if name.startswith(_MATRICES)}
    quantised = any(name.endswith(".scales") for name in found)
    if quantised:
        names = {name.rsplit(".", 1)[0] for name in found}
        model.derived[STORED] = {
            name.removeprefix(_MATRICES): Stored.of(found, name) for name in names
        }
    else:
        for name, parts in parts_of(model).items():
            whole = found[f"{_MATRICES}{name}"]
            rows = whole.split([len(part) for part in parts.values()])
            state |= dict(zip(parts, rows, strict=True))
    model.load_state_dict(state, strict=not quantised, assign=True)
    if quantised:
        release(model)


def _write(file: BinaryIO, state: Mapping[str, Tensor]) -> None:
    """A safetensors file, one tensor after the other: no second copy of the model in memory."""
    order = sorted(state, key=lambda name: (-state[name].itemsize, name))
    header: dict[str, object] = {}
    place = 0
    for name in order:
        tensor = state[name]
        header[name] = {
            "dtype": _TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [place, place + tensor.nbytes],
        }
        place += tensor.nbytes
    raw = json.dumps(header).encode()
    raw += b" " * (-(len(raw) + 8) % _ALIGNMENT)
    file.write(struct.pack("<Q", len(raw)) + raw)
    for name in order:
        data = state[name].detach().cpu().contiguous().view(-1).view(torch.uint8)
        data.numpy().tofile(file)


def _digest(checkpoint: Checkpoint) -> str:
    """Of the headers, sizes and times of the files that the weights are in."""
    digest = hashlib.sha256(str(_VERSION).encode())
    for path in sorted({info.file for info in checkpoint.tensors.values()}, key=Path.as_posix):
        about = path.stat()
        with path.open("rb") as file:
            start = file.read(8)
            digest.update(start + file.read(struct.unpack("<Q", start)[0]))
        digest.update(f"{path.name} {about.st_size} {about.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]
