"""A folder of voices made ready: codes, keys and values, one safetensors file for each.

It is a cache, so nothing in it is missed: a file that is damaged, foreign or of another shape is
passed over and written anew, and a folder that cannot be written stays as it is. What a power cut
left of a file may have the right length and zeros in it, so every tensor has a check sum.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from engine.config import CsmConfig
from engine.csm.prompt import Prepared
from engine.runtime.decoder import Decoder, Prefix
from engine.types import Voice

FORMAT = "parley-voice-1"
MOST_BYTES = 256 * 2**20
"""What a folder may take up; beyond it the voices used longest ago go."""
_SUFFIX = ".safetensors"
_DRAFT = ".part"
_CHECK = "check of "
_SAMPLES = 257
"""Values of each tensor that a model is known by."""

_Told = tuple[dict[str, Tensor], dict[str, str]]

_log = logging.getLogger("parley.voices")


class VoiceStore:
    """Voices made ready by one model in one precision (``model`` names both)."""

    def __init__(
        self, folder: Path, model: str, config: CsmConfig, most_bytes: int = MOST_BYTES
    ) -> None:
        self._folder, self._model, self._config = folder, model, config
        self._most_bytes = most_bytes

    def line(self, voice: Voice) -> Prepared | None:
        """The prompt's ids and codes, if they are kept."""
        told = self._read(voice, ("ids", "codes"))
        if told is None:
            return None
        ids, codes = told[0]["ids"], told[0]["codes"].to(torch.int64)
        if ids.dim() != 1 or codes.dim() != 2 or codes.shape[1] != self._config.codebooks:
            return None
        known = self._config.mimi.codebook_size
        if not len(ids) or not codes.numel() or not 0 <= codes.min() <= codes.max() < known:
            return None
        return Prepared(tuple(ids.tolist()), codes.numpy())

    def prefix(self, voice: Voice, line: Prepared, decoder: Decoder) -> Prefix | None:
        """The prompt's keys and values, if they are kept and ``decoder`` made them."""
        told = self._read(voice, ("ids", "codes", "keys", "values"))
        if told is None or told[1].get("decoder") != _kind(decoder):
            return None
        tensors, about = told
        if tensors["ids"].tolist() != list(line.ids):
            return None
        if not np.array_equal(tensors["codes"].numpy(), line.codes):
            return None
        keys, values, backbone = tensors["keys"], tensors["values"], self._config.backbone
        shape = (backbone.layers, backbone.kv_heads, line.positions)
        if keys.dim() != 4 or tuple(keys.shape[:3]) != shape or values.shape != keys.shape:
            return None
        prefix = Prefix(keys, values, 0)
        if about.get("array") == "numpy":
            prefix = Prefix(keys.numpy(), values.numpy(), 0)
        try:
            decoder.paste(prefix)
        except (IndexError, RuntimeError, ValueError):
            return None  # of another build, with another layout
        decoder.rollback(0)
        return prefix

    def keep(self, voice: Voice, line: Prepared, prefix: Prefix, decoder: Decoder) -> None:
        """Write a voice down, whole or not at all, and make room for it."""
        path = self._path(voice)
        draft = path.with_suffix(f".{os.getpid()}{_DRAFT}")
        array = "numpy" if isinstance(prefix.keys, np.ndarray) else "torch"
        about = {"format": FORMAT, "decoder": _kind(decoder), "array": array}
        try:
            tensors = {
                "ids": torch.tensor(line.ids, dtype=torch.int32),
                "codes": torch.from_numpy(line.codes).to(torch.int16),
                "keys": _tensor(prefix.keys),
                "values": _tensor(prefix.values),
            }
            about |= {_CHECK + name: _check(tensor) for name, tensor in tensors.items()}
            data = save(tensors, about)
            if len(data) > self._most_bytes:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            self._make_room(len(data), path)
            draft.write_bytes(data)
            os.replace(draft, path)
        except (OSError, TypeError, ValueError, SafetensorError) as error:
            _log.debug("the voice %s is not kept: %s", voice.name, error)
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)

    def _path(self, voice: Voice) -> Path:
        prompt = voice.prompt
        parts = (FORMAT, self._model, str(prompt.speaker), prompt.text)
        digest = hashlib.sha256("\0".join(parts).encode())
        sound = prompt.codes if prompt.codes is not None else prompt.audio
        if sound is not None:
            digest.update(str(sound.dtype).encode() + np.ascontiguousarray(sound).tobytes())
        return self._folder / f"{digest.hexdigest()[:40]}{_SUFFIX}"

    def _read(self, voice: Voice, names: Iterable[str]) -> _Told | None:
        """Some tensors of a voice's file and its notes; None when it is not there or no good."""
        path = self._path(voice)
        try:
            with safe_open(path, framework="pt") as file:
                about: dict[str, str] = file.metadata() or {}
                if about.get("format") != FORMAT:
                    return None
                tensors = {name: file.get_tensor(name) for name in names}
        except (OSError, ValueError, SafetensorError):
            return None
        if any(about.get(_CHECK + name) != _check(tensor) for name, tensor in tensors.items()):
            return None
        with contextlib.suppress(OSError):  # a folder that is only for reading is as good
            os.utime(path)  # used just now
        return tensors, about

    def _make_room(self, wanted: int, path: Path) -> None:
        """Remove what was used longest ago, and what was never finished."""
        files: list[tuple[float, int, Path]] = []
        for file in self._folder.iterdir():
            with contextlib.suppress(OSError):  # another program makes room too
                if file.suffix == _DRAFT:
                    file.unlink()
                elif file.suffix == _SUFFIX and file != path:
                    about = file.stat()
                    files.append((about.st_mtime, about.st_size, file))
        room = self._most_bytes - wanted - sum(size for _, size, _ in files)
        for _, size, file in sorted(files):
            if room >= 0:
                return
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
                room += size


def state_of_files(path: Path) -> str:
    """Sizes and times of a model's files, so that an exchanged one is noticed.

    The tokenizer and the sizes count too: weights that stay the same read other text by them.
    """
    folder = path if path.is_dir() else path.parent
    try:
        files = [file for file in folder.iterdir() if file.suffix in (".safetensors", ".json")]
        stats = [(file.name, file.stat()) for file in sorted(files)]
    except OSError:
        return ""  # the weights' own values still tell
    return " ".join(f"{name}:{stat.st_size}:{stat.st_mtime_ns}" for name, stat in stats)


def fingerprint(tensors: Iterable[tuple[str, Tensor]], *more: str) -> str:
    """Tells models apart by some values of every tensor: reading all of a big one takes seconds."""
    digest = hashlib.sha256("\0".join(more).encode())
    for name, tensor in tensors:
        flat = tensor.detach().reshape(-1)
        step = max(1, flat.numel() // _SAMPLES)
        values = flat[::step][: _SAMPLES + 1].to("cpu").contiguous().view(torch.uint8)
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()


def _kind(decoder: Decoder) -> str:
    return f"{type(decoder).__module__}.{type(decoder).__qualname__}"


def _check(tensor: Tensor) -> str:
    return f"{zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data):08x}"


def _tensor(array: object) -> Tensor:
    if isinstance(array, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(array))
    if isinstance(array, Tensor):
        return array.detach().to("cpu").contiguous()
    raise TypeError(f"keys and values come as {type(array).__name__}")
