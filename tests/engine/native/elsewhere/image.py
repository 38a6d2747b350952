"""A model, a cache and a conversation as one relocatable piece of memory (see ``driver.cpp``)."""

from __future__ import annotations

import ctypes
from ctypes import Structure, c_int64, c_void_p, sizeof
from pathlib import Path
from typing import Any

import numpy as np

from engine.native import library
from engine.native.decoder import NativeDecoder
from engine.native.library import Format
from engine.types import CodeArray, FloatArray


class Case(Structure):
    """``Case`` of ``driver.cpp``."""

    _fields_ = (
        ("model", library.Model),
        ("cache", library.Cache),
        ("sampling", library.SamplingPlan),
        *((name, c_int64) for name in ("threads", "texts", "frames", "drawn")),
        *((name, c_void_p) for name in ("ids", "codes", "hidden", "logits", "out")),
    )


class Image:
    """Bytes, and which of their words are distances from the first of them."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._pointers: list[int] = []

    def put(self, raw: bytes) -> int:
        """Append, aligned to 64 bytes; where it lies."""
        self._bytes += bytes(-len(self._bytes) % 64)
        at = len(self._bytes)
        self._bytes += raw
        return at

    def point(self, at: int, address: int, size: int) -> int:
        """Let the word at ``at`` point to a copy of memory; where that lies."""
        return self.point_to(at, ctypes.string_at(address, size))

    def point_to(self, at: int, raw: bytes) -> int:
        """Let the word at ``at`` point to these bytes; where they lie."""
        place = self.put(raw)
        self._bytes[at : at + 8] = place.to_bytes(8, "little")
        self._pointers.append(at)
        return place

    def write(self, path: Path) -> None:
        """The file that the driver reads."""
        self._bytes += bytes(-len(self._bytes) % 8 + 64)
        head = np.array([len(self._bytes), len(self._pointers), *self._pointers], np.int64)
        path.write_bytes(head.tobytes() + self._bytes)


def write_case(
    path: Path,
    decoder: NativeDecoder,
    ids: list[int],
    codes: CodeArray,
    plan: library.SamplingPlan,
    noise: FloatArray,
    drawn: int,
) -> None:
    """Everything that the driver needs to say what ``decoder`` would."""
    config, backbone = decoder.config, decoder.config.backbone
    form = Format.BF16 if decoder.model.cache_dtype.itemsize == 2 else Format.FP32
    case = Case(decoder.model.weights.description, sampling=plan, threads=2)
    case.texts, case.frames, case.drawn = len(ids), len(codes), drawn
    case.cache.format, case.cache.capacity = int(form), backbone.max_positions
    image = Image()
    at = image.put(bytes(case))
    _model(image, at, case.model, decoder.model.library)
    padded = -(-backbone.head_dim // 16) * 16
    cells = backbone.layers * backbone.kv_heads * backbone.max_positions * padded
    empty = bytes(cells * decoder.model.cache_dtype.itemsize)
    contents = {
        Case.cache.offset + library.Cache.keys.offset: empty,
        Case.cache.offset + library.Cache.values.offset: empty,
        Case.sampling.offset + library.SamplingPlan.noise.offset: noise.astype(
            np.float32
        ).tobytes(),
        Case.ids.offset: np.asarray(ids, np.int64).tobytes(),
        Case.codes.offset: codes.astype(np.int64).tobytes(),
        Case.hidden.offset: bytes(4 * backbone.width),
        Case.logits.offset: bytes(4 * config.codebooks * config.audio_vocab),
        Case.out.offset: bytes(8 * drawn * config.codebooks),
    }
    for offset, raw in contents.items():
        image.point_to(at + offset, raw)
    image.write(path)


def _model(image: Image, at: int, model: library.Model, lib: ctypes.CDLL) -> None:
    for name in ("backbone", "depth"):
        _transformer(image, at + _offset(library.Model, name), getattr(model, name), lib)
    for name in ("text_embedding", "audio_embedding", "depth_embedding", "projection", "head0"):
        _matrix(image, at + _offset(library.Model, name), getattr(model, name), lib)
    heads = model.codebooks - 1
    size = heads * sizeof(library.Matrix)
    place = image.point(at + _offset(library.Model, "heads"), _address(model.heads), size)
    for index in range(heads):
        _matrix(image, place + index * sizeof(library.Matrix), model.heads[index], lib)


def _transformer(image: Image, at: int, one: library.Transformer, lib: ctypes.CDLL) -> None:
    fields = {
        "final_norm": one.width,
        "cos": one.positions * one.head_dim,
        "sin": one.positions * one.head_dim,
    }
    for name, count in fields.items():
        image.point(at + _offset(library.Transformer, name), getattr(one, name), 4 * count)
    size = one.layers * sizeof(library.Layer)
    place = image.point(at + _offset(library.Transformer, "layer"), _address(one.layer), size)
    for index in range(one.layers):
        layer, start = one.layer[index], place + index * sizeof(library.Layer)
        for name in library.LAYER_NORMS:
            image.point(start + _offset(library.Layer, name), getattr(layer, name), 4 * one.width)
        for name in library.LAYER_MATRICES:
            _matrix(image, start + _offset(library.Layer, name), getattr(layer, name), lib)


def _matrix(image: Image, at: int, one: library.Matrix, lib: ctypes.CDLL) -> None:
    form = Format(one.format)
    size = one.rows * one.cols * (4 if form is Format.FP32 else 2)
    if form.packed:
        size = lib.parley_packed_bytes(one.format, one.rows, one.cols)
    image.point(at + library.Matrix.data.offset, one.data, size)
    if form is Format.INT8:
        image.point(at + library.Matrix.scales.offset, one.scales, 4 * (one.rows + 16))


def _offset(structure: type[Structure], name: str) -> int:
    return getattr(structure, name).offset


def _address(pointer: Any) -> int:
    return ctypes.cast(pointer, c_void_p).value or 0
