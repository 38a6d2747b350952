"""The compiled library as Python sees it: its structures, its functions, and why it is not there."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_double, c_int, c_int64, c_void_p
from enum import IntEnum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import EngineError
from engine.native import build
from engine.types import Sampling


class NativeUnavailableError(EngineError):
    """The compiled CPU engine cannot be used here; PyTorch's kernels can."""


class Format(IntEnum):
    """Number formats of a matrix (``PARLEY_…`` in ``parley_native.h``)."""

    FP32 = 0
    BF16 = 1
    INT8 = 2
    INT4 = 3

    @property
    def packed(self) -> bool:
        """Whether it is a layout of ours rather than PyTorch's rows."""
        return self in (Format.INT8, Format.INT4)


class Matrix(Structure):
    """``ParleyMatrix``."""

    _fields_ = (
        *((name, c_int64) for name in ("format", "rows", "cols")),
        *((name, c_void_p) for name in ("data", "scales")),
    )


LAYER_NORMS = ("attention_norm", "mlp_norm")
LAYER_MATRICES = ("q", "k", "v", "o", "gate", "up", "down")


class Layer(Structure):
    """``ParleyLayer``."""

    _fields_ = (
        *((name, c_void_p) for name in LAYER_NORMS),
        *((name, Matrix) for name in LAYER_MATRICES),
    )


class Transformer(Structure):
    """``ParleyTransformer``."""

    _fields_ = (
        *(
            (name, c_int64)
            for name in ("layers", "width", "heads", "kv_heads", "head_dim", "ffn", "positions")
        ),
        ("norm_eps", c_double),
        *((name, c_void_p) for name in ("final_norm", "cos", "sin")),
        ("layer", POINTER(Layer)),
    )


class Model(Structure):
    """``ParleyModel``."""

    _fields_ = (
        ("backbone", Transformer),
        ("depth", Transformer),
        *(
            (name, Matrix)
            for name in (
                "text_embedding",
                "audio_embedding",
                "depth_embedding",
                "projection",
                "head0",
            )
        ),
        ("heads", POINTER(Matrix)),
        *((name, c_int64) for name in ("codebooks", "audio_vocab", "codec_codes")),
    )


class Cache(Structure):
    """``ParleyCache``."""

    _fields_ = (
        ("format", c_int64),
        ("capacity", c_int64),
        ("keys", c_void_p),
        ("values", c_void_p),
    )


class SamplingPlan(Structure):
    """``ParleySampling``."""

    _fields_ = (
        ("temperature", c_double),
        ("depth_temperature", c_double),
        ("top_k", c_int64),
        ("candidates", c_int64),
        ("noise", c_void_p),
        ("may_end", c_int64),
    )


def cache_of(keys: Tensor, values: Tensor) -> Cache:
    """How the library is told a cache (L, Hkv, S, d); fp32 or bf16."""
    form = Format.BF16 if keys.dtype == torch.bfloat16 else Format.FP32
    return Cache(int(form), keys.shape[2], keys.data_ptr(), values.data_ptr())


def sampling_plan(sampling: Sampling, noise: Tensor, may_end: bool) -> SamplingPlan:
    """How the library is told to draw, with noise (…, K, candidates), which must outlive the call."""
    depth = sampling.depth_temperature
    return SamplingPlan(
        temperature=sampling.temperature,
        depth_temperature=sampling.temperature if depth is None else depth,
        top_k=sampling.top_k,
        candidates=noise.shape[-1],
        noise=noise.data_ptr(),
        may_end=may_end,
    )


_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "parley_kernels": (c_char_p, ()),
    "parley_layout": (c_int64, (c_int64,)),
    "parley_packed_bytes": (c_int64, (c_int64, c_int64, c_int64)),
    "parley_pack": (c_int, (POINTER(Matrix), c_int64, c_void_p, c_void_p, c_int64)),
    "parley_unpack": (c_int, (POINTER(Matrix), c_void_p, c_int64)),
    "parley_create": (c_void_p, (POINTER(Model), c_int64)),
    "parley_destroy": (None, (c_void_p,)),
    "parley_read": (
        None,
        (c_void_p, POINTER(Cache), c_int64, c_void_p, c_int64, c_void_p, c_int64, c_void_p),
    ),
    "parley_read_branches": (
        None,
        (
            c_void_p,
            POINTER(Cache),
            c_int64,
            POINTER(Cache),
            c_int64,
            c_int64,
            c_void_p,
            c_void_p,
        ),
    ),
    "parley_draw_branches": (
        None,
        (c_void_p, c_void_p, POINTER(SamplingPlan), c_int64, c_void_p, c_void_p, c_void_p),
    ),
    "parley_draw": (c_int, (c_void_p, c_void_p, POINTER(SamplingPlan), c_void_p)),
    "parley_force": (None, (c_void_p, c_void_p, c_void_p, c_void_p)),
}


def load(path: Path | None = None) -> ctypes.CDLL:
    """The library with its functions declared. Calls into it release the interpreter's lock.

    Args:
        path: a build other than this machine's own.

    Raises:
        NativeUnavailableError: says why it cannot be used.
    """
    if path is None:
        if build.switched_off():
            raise NativeUnavailableError(
                f"The CPU engine is switched off: unset {build.SWITCH} to use it."
            )
        path = build.library_path()
        if not path.is_file():
            raise NativeUnavailableError(
                "The CPU engine is not built for this machine: run "
                "`python -m engine.native.build`, which needs a C++ compiler."
            )
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, list(arguments)
    except (OSError, AttributeError) as error:
        raise NativeUnavailableError(
            f"The CPU engine does not load ({error}): remove {path.name} and build it again."
        ) from error
    ours = [ctypes.sizeof(structure) for structure in (Model, Layer, Matrix)]
    theirs = [library.parley_layout(which) for which in range(3)]
    assert ours == theirs, f"structures differ: {ours} here, {theirs} in {path.name}"
    return library


def reason() -> str:
    """Why the CPU engine cannot be used here; '' when it can."""
    try:
        load()
    except NativeUnavailableError as error:
        return str(error)
    return ""
