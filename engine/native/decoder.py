"""The decoder on the CPU's own instructions: one call into compiled code per frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from engine.config import CsmConfig
from engine.csm.model import CsmModel
from engine.csm.sampling import BranchNoise, candidates, frame_noise
from engine.native import library
from engine.native.branches import NativeBranches
from engine.native.library import NativeUnavailableError
from engine.native.weights import pack_model
from engine.runtime.decoder import Prefix, check_branches
from engine.runtime.precision import SMALL_MODEL, precision_of
from engine.types import CodeArray, FloatArray, Sampling

_LANES = 16  # heads are padded to whole vectors in the cache
_DERIVED = "native"


def native_decoder(model: CsmModel, sampling: Sampling, seed: int) -> NativeDecoder | None:
    """A decoder on the compiled engine; None where that was not built, or is switched off.

    The weights are packed at the first call and shared by all later ones. PyTorch's number of
    threads is this engine's too. A big model that is quantised keeps no second copy in the format it
    was loaded in, so nothing else can run it then.
    """
    shared = model.derived.get(_DERIVED)
    if not isinstance(shared, NativeModel):
        precision = precision_of(model)
        big = sum(parameter.numel() for parameter in model.parameters()) > SMALL_MODEL
        try:
            shared = NativeModel(
                model, precision.value, torch.get_num_threads(), free=big and precision.quantised
            )
        except NativeUnavailableError:
            return None
        model.derived[_DERIVED] = shared
    return shared.decoder(sampling, seed)


class NativeModel:
    """A model's weights in the native engine, with its threads; shared by all conversations.

    Calls take turns: two conversations may be on two threads, and one waits for the other.
    """

    def __init__(
        self,
        model: CsmModel,
        precision: str,
        threads: int,
        *,
        free: bool = False,
        path: Path | None = None,
    ) -> None:
        """Pack the weights and start the threads.

        Args:
            model: on the CPU.
            precision: ``fp32``, ``bf16``, ``int8`` or ``int4``.
            threads: at work on one frame, the caller's included.
            free: let go of the model's own copy of what was packed.
            path: a build of the library other than this machine's.

        Raises:
            NativeUnavailableError: when the library is not there.
            DeviceError: for another precision or device.
        """
        self.config, self.precision, self.threads = model.config, precision, threads
        self.library = library.load(path)
        self.weights = pack_model(self.library, model, precision, threads, free=free)
        self.cache_dtype = torch.float32 if model.dtype == torch.float32 else torch.bfloat16
        self.handle: int | None = self.library.parley_create(self.weights.description, threads)
        if self.handle is None:
            raise MemoryError("no memory for the CPU engine")

    @property
    def kernels(self) -> str:
        """Which instructions it was compiled for: ``avx512``, ``avx2`` or ``portable``."""
        return self.library.parley_kernels().decode()

    def cache(self, positions: int, *batch: int) -> tuple[Tensor, Tensor]:
        """Empty keys and values (…, L, Hkv, positions, d), d rounded up to whole vectors.

        Zeros cost no memory before something is written.
        """
        config = self.config.backbone
        padded = (config.head_dim + _LANES - 1) // _LANES * _LANES
        shape = (*batch, config.layers, config.kv_heads, positions, padded)
        return torch.zeros(shape, dtype=self.cache_dtype), torch.zeros(
            shape, dtype=self.cache_dtype
        )

    def decoder(self, sampling: Sampling, seed: int) -> NativeDecoder:
        """A conversation of its own on these weights."""
        return NativeDecoder(self, sampling, seed)

    def __del__(self) -> None:
        if getattr(self, "handle", None) is not None:
            self.library.parley_destroy(self.handle)
            self.handle = None


class NativeDecoder:
    """``engine.runtime.decoder.Decoder`` over a ``NativeModel``."""

    def __init__(self, model: NativeModel, sampling: Sampling, seed: int) -> None:
        self.config: CsmConfig = model.config
        self.sampling = sampling
        self.model, self._seed = model, seed
        self._generator = torch.Generator().manual_seed(seed)
        self._keys, self._values = model.cache(model.config.backbone.max_positions)
        self._length = 0
        self._hidden = np.empty(self.config.backbone.width, np.float32)
        self._has_hidden = False
        self._frame: CodeArray | None = None

    @property
    def noise(self) -> bytes:
        """State of the noise source; setting it draws the same noise again."""
        return self._generator.get_state().numpy().tobytes()

    @noise.setter
    def noise(self, state: bytes) -> None:
        self._generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))

    @property
    def length(self) -> int:
        """Positions in the cache."""
        return self._length

    @property
    def capacity(self) -> int:
        """Positions that fit."""
        return self._keys.shape[2]

    def read(self, ids: Sequence[int], codes: CodeArray) -> None:
        """See ``Decoder.read``."""
        text = np.ascontiguousarray(ids, dtype=np.int64).reshape(-1)
        frames = np.ascontiguousarray(codes, dtype=np.int64).reshape(-1, self.config.codebooks)
        _check_ids("text token", text, self.config.text_vocab)
        _check_ids("code", frames, self.config.audio_vocab)
        end = self._length + len(text) + len(frames)
        if end == self._length:
            raise ValueError("there is nothing to read: give text tokens or frames")
        if end > self.capacity:
            raise IndexError(f"{end} positions do not fit a cache of {self.capacity}")
        self.model.library.parley_read(
            self.model.handle,
            self.cache,
            self._length,
            text.ctypes.data,
            len(text),
            frames.ctypes.data,
            len(frames),
            self._hidden.ctypes.data,
        )
        self._length, self._has_hidden, self._frame = end, True, None

    def draw(self, at_least: int = 0) -> tuple[CodeArray, bool]:
        """See ``Decoder.draw``."""
        config, sampling = self.config, self.sampling
        hidden = self._last()
        count = candidates(config.audio_vocab, sampling.top_k)
        noise = frame_noise(self._generator, config.codebooks, count)
        plan = library.sampling_plan(sampling, noise, at_least <= 0)
        codes = np.empty(config.codebooks, np.int64)
        over = self.model.library.parley_draw(
            self.model.handle, hidden.ctypes.data, plan, codes.ctypes.data
        )
        self._frame = codes
        return codes.copy(), bool(over)

    def feed(self) -> None:
        """See ``Decoder.feed``."""
        if self._frame is None:
            raise RuntimeError("draw a frame before feeding it")
        self.read((), self._frame[None])

    def force(self, codes: CodeArray) -> FloatArray:
        """See ``Decoder.force``."""
        hidden = self._last()
        frame = np.array(codes, dtype=np.int64).reshape(self.config.codebooks)
        _check_ids("code", frame, self.config.audio_vocab)
        logits = np.empty((self.config.codebooks, self.config.audio_vocab), np.float32)
        self.model.library.parley_force(
            self.model.handle, hidden.ctypes.data, frame.ctypes.data, logits.ctypes.data
        )
        self._frame = frame
        return logits

    def branch(self, count: int, most: int) -> NativeBranches:
        """See ``Decoder.branch``."""
        check_branches(self, count, most)
        hidden = np.tile(self._last(), (count, 1))
        noise = BranchNoise(self._generator, count)
        return NativeBranches(self, hidden, noise, most)

    def rollback(self, length: int) -> None:
        """See ``Decoder.rollback``."""
        if not 0 <= length <= self._length:
            raise ValueError(f"cannot roll back to {length}: {self._length} positions are stored")
        self._length = length
        self._has_hidden, self._frame = False, None

    def save(self, start: int, end: int) -> Prefix:
        """See ``Decoder.save``."""
        if not 0 <= start <= end <= self._length:
            raise ValueError(f"positions {start} to {end} are not all stored: {self._length} are")
        keys, values = self._keys[:, :, start:end], self._values[:, :, start:end]
        return Prefix(keys.clone(), values.clone(), start)

    def paste(self, prefix: Prefix) -> None:
        """See ``Decoder.paste``."""
        start, end = self._length, self._length + prefix.positions
        if start != prefix.start:
            raise ValueError(f"a piece saved from position {prefix.start} cannot stand at {start}")
        if end > self.capacity:
            raise IndexError(f"{end} positions do not fit a cache of {self.capacity}")
        self._keys[:, :, start:end] = prefix.keys
        self._values[:, :, start:end] = prefix.values
        self._length = end
        self._has_hidden, self._frame = False, None

    def spare(self) -> Self:
        """See ``Decoder.spare``."""
        return type(self)(self.model, self.sampling, self._seed)

    def adopt(self, other: Self) -> None:
        """See ``Decoder.adopt``."""
        self._keys, self._values, self._length = other._keys, other._values, other._length
        self._hidden, self._has_hidden = other._hidden, other._has_hidden
        self._frame = None

    def _last(self) -> FloatArray:
        if not self._has_hidden:
            raise RuntimeError("read something before drawing a frame")
        return self._hidden

    @property
    def cache(self) -> library.Cache:
        """Its positions as the library is told them."""
        return library.cache_of(self._keys, self._values)


def _check_ids(what: str, ids: CodeArray, known: int) -> None:
    if ids.size and not (ids.min() >= 0 and ids.max() < known):
        bad = int(ids.min() if ids.min() < 0 else ids.max())
        raise IndexError(f"there is no {what} {bad}: the model knows 0 to {known - 1}")
