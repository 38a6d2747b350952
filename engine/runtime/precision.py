"""The number formats that a CSM can run in: which matrix gets which, and the bytes of a frame.

Embeddings and norms are never quantised: a frame reads a few rows of them. Matrices are, since a
frame reads every one of them, those of the depth decoder once per codebook.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import torch

from engine.config import CsmConfig, TransformerConfig
from engine.csm.model import CsmModel
from engine.errors import DeviceError
from engine.native import library

GROUP = 64
"""Weights that share one scale and one offset in int4; 32 where rows do not divide by it.

The compiled engine has a scale per 32 and no offset: as many bytes.
"""


class Format(StrEnum):
    """How the weights of one matrix are stored."""

    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"
    """One scale per output row."""
    INT4 = "int4"
    """One scale and one offset per ``GROUP`` weights of a row."""


class Precision(StrEnum):
    """What a user can ask for, beside ``auto``."""

    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "int8"
    INT4 = "int4"

    @property
    def dtype(self) -> torch.dtype:
        """Format of what is not quantised: embeddings, norms, activations, cache."""
        return torch.float32 if self is Precision.FP32 else torch.bfloat16

    @property
    def quantised(self) -> bool:
        """Whether matrices are stored in fewer bits than they are computed with."""
        return self in (Precision.INT8, Precision.INT4)

    @property
    def layers(self) -> Format:
        """Of the matrices inside backbone and depth decoder."""
        return Format(self.value)

    @property
    def heads(self) -> Format:
        """Of the matrices that give the logits; four bits would show there most."""
        return Format.INT8 if self.quantised else Format(self.value)


NAMES = ("auto", *(precision.value for precision in Precision))

SMALL_MODEL = 200_000_000
"""Parameters up to which fp32 costs nothing worth saving on a CPU."""


def pick_precision(wanted: str, device: torch.device, parameters: int) -> Precision:
    """``auto`` is bf16 on a card; on a CPU fp32 for small models and int8 for big ones.

    int8 is twice as fast as bf16 where memory is the limit, and hardly to be told from it: weights
    have a scale per row, activations one per 32. Without the compiled engine a big model stays bf16.

    Raises:
        DeviceError: for a precision that the engine does not have.
    """
    if wanted == "auto":
        if device.type == "cuda":
            return Precision.BF16
        if parameters <= SMALL_MODEL:
            return Precision.FP32
        return Precision.BF16 if library.reason() else Precision.INT8
    try:
        return Precision(wanted)
    except ValueError as error:
        names = f"{', '.join(NAMES[:-1])} or {NAMES[-1]}"
        raise DeviceError(f"The precision '{wanted}' is not supported: use {names}.") from error


def group_of(width: int) -> int:
    """Weights per group in rows of ``width``; 0 where they do not divide, and int8 is used."""
    return next((size for size in (GROUP, GROUP // 2) if width % size == 0), 0)


@dataclass(frozen=True, slots=True)
class Read:
    """Matrices of one size that a frame reads.

    Attributes:
        rows: their outputs.
        width: their inputs.
        times: how often one of them is read for a frame.
        format: how they are stored.
    """

    rows: int
    width: int
    times: int
    format: Format

    @property
    def bytes(self) -> int:
        """Read for one frame, scales and offsets included."""
        weights = self.rows * self.width
        if self.format is Format.INT4 and (group := group_of(self.width)):
            one = weights // 2 + weights // group * 4
        elif self.format in (Format.INT4, Format.INT8):
            one = weights + self.rows * 2
        else:
            one = weights * (4 if self.format is Format.FP32 else 2)
        return self.times * one


def reads(config: CsmConfig, precision: Precision) -> Iterator[Read]:
    """Every matrix that one frame reads. The projection is folded into the depth decoder's table."""
    plain = Format.FP32 if precision is Precision.FP32 else Format.BF16
    steps = config.codebooks - 1
    yield from _layers(config.backbone, 1, precision.layers)
    yield from _layers(config.depth, steps, precision.layers)
    yield Read(config.audio_vocab, config.backbone.width, 1, precision.heads)
    yield Read(config.audio_vocab, config.depth.width, steps, precision.heads)
    yield Read(config.depth.width, config.backbone.width, 1, plain)


def bytes_per_frame(config: CsmConfig, precision: Precision) -> int:
    """Bytes of weights that must be read to make one frame, what stays in a cache included."""
    return sum(read.bytes for read in reads(config, precision))


def _layers(part: TransformerConfig, times: int, stored: Format) -> Iterator[Read]:
    inner, inner_kv = part.heads * part.head_dim, part.kv_heads * part.head_dim
    every = part.layers * times
    yield Read(inner + 2 * inner_kv, part.width, every, stored)
    yield Read(part.width, inner, every, stored)
    yield Read(2 * part.ffn, part.width, every, stored)
    yield Read(part.width, part.ffn, every, stored)


def precision_of(model: CsmModel) -> Precision:
    """What ``model`` is to run in: what was asked for, else the format that its weights have."""
    if model.precision is not None:
        return Precision(model.precision)
    return Precision.FP32 if model.dtype == torch.float32 else Precision.BF16
