"""A ``CsmModel``'s weights as the native engine reads them: in place, or packed to 8 or 4 bits.

What is packed goes into one piece of memory per model, in large pages where the system has them: at a
gigabyte read per frame the processor's page tables would otherwise be read along with the weights.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from engine.csm.model import CsmModel
from engine.errors import DeviceError
from engine.native import library
from engine.native.library import Format
from engine.nn.transformer import Block, Transformer

_DTYPES = {torch.float32: Format.FP32, torch.bfloat16: Format.BF16}
_ROWS_PER_FOLD = 4096
_COLLAPSE = 25  # MADV_COLLAPSE: large pages now, for memory that is in use already (Linux 6.1)
_SETTLED = 64 << 20  # bytes at a time; a multiple of every page's size


@dataclass(frozen=True, slots=True)
class Plan:
    """Which matrices get which format.

    Attributes:
        dtype: what PyTorch's own tensors must be in; the embeddings and norms stay as they are.
        layers: all linear layers of backbone and depth decoder.
        heads: the output matrices of all codebooks.
    """

    dtype: torch.dtype
    layers: Format
    heads: Format


def plan_for(precision: str, dtype: torch.dtype) -> Plan:
    """The plan of a precision for a model whose tensors are in ``dtype``.

    Raises:
        DeviceError: for a precision that this engine does not have.
    """
    if precision in ("fp32", "bf16"):
        wanted = torch.float32 if precision == "fp32" else torch.bfloat16
        return Plan(wanted, _DTYPES[wanted], _DTYPES[wanted])
    kept = dtype if dtype in _DTYPES else torch.bfloat16
    if precision == "int8":
        return Plan(kept, Format.INT8, Format.INT8)
    if precision == "int4":
        # The heads are a sixty-fifth of the weights that a frame reads, and codes come straight out of them.
        return Plan(kept, Format.INT4, Format.INT8)
    raise DeviceError(
        f"The precision '{precision}' is not supported: use auto, fp32, bf16, int8 or int4."
    )


class Weights:
    """The description that the library takes, and everything that it points to."""

    def __init__(self, lib: ctypes.CDLL, model: CsmModel, plan: Plan, threads: int) -> None:
        """Pack ``model``; see ``pack_model``."""
        self._lib, self._plan, self._threads = lib, plan, threads
        self._kept: list[Any] = []  # tensors and arrays that the description points into
        self._arena = _Arena(sum(self._room(one, form) for one, form in self._matrices(model)))
        self.description = self._describe(model)
        self._arena.settle()

    def _matrices(self, model: CsmModel) -> Iterator[tuple[Tensor, Format]]:
        for transformer in (model.backbone, model.depth):
            for block in transformer.layers:
                assert isinstance(block, Block)
                for linear in linears(block):
                    yield linear.weight, self._plan.layers
        yield model.codebook0_head.weight, self._plan.heads
        for head in model.audio_head:
            yield head, self._plan.heads

    def _room(self, weight: Tensor, form: Format) -> int:
        if not form.packed:
            return 0
        rows, cols = weight.shape
        packed = int(self._lib.parley_packed_bytes(int(form), rows, cols))
        return _Arena.rounded(packed) + _Arena.rounded(4 * (rows + 16))

    def _describe(self, model: CsmModel) -> library.Model:
        config, plain = model.config, _DTYPES[self._plan.dtype]
        heads = [self._matrix(head, self._plan.heads) for head in model.audio_head]
        head_array = (library.Matrix * len(heads))(*heads)
        self._kept.append(head_array)
        depth = self._transformer(model.depth, config.codebooks)
        return library.Model(
            backbone=self._transformer(model.backbone, config.backbone.max_positions),
            depth=depth,
            text_embedding=self._matrix(model.text_embedding.weight, plain),
            audio_embedding=self._matrix(model.audio_embedding.weight, plain),
            depth_embedding=self._matrix(fold(model, self._plan.dtype), plain),
            projection=self._matrix(model.projection.weight, plain),
            head0=self._matrix(model.codebook0_head.weight, self._plan.heads),
            heads=head_array,
            codebooks=config.codebooks,
            audio_vocab=config.audio_vocab,
            codec_codes=config.mimi.codebook_size,
        )

    def _transformer(self, module: Transformer, positions: int) -> library.Transformer:
        config = module.config
        cos, sin = module.tables(torch.device("cpu"))
        layers = [self._layer(block) for block in module.layers if isinstance(block, Block)]
        array = (library.Layer * len(layers))(*layers)
        self._kept.append(array)
        return library.Transformer(
            layers=config.layers,
            width=config.width,
            heads=config.heads,
            kv_heads=config.kv_heads,
            head_dim=config.head_dim,
            ffn=config.ffn,
            positions=positions,
            norm_eps=config.norm_eps,
            final_norm=self._floats(module.norm.scale),
            cos=self._floats(cos),
            sin=self._floats(sin),
            layer=array,
        )

    def _layer(self, block: Block) -> library.Layer:
        norms = (block.attn_norm.scale, block.mlp_norm.scale)
        return library.Layer(
            *(self._floats(scale) for scale in norms),
            *(self._matrix(linear.weight, self._plan.layers) for linear in linears(block)),
        )

    def _floats(self, tensor: Tensor) -> int:
        return self._keep(tensor.detach().float().contiguous())

    def _keep(self, tensor: Tensor) -> int:
        self._kept.append(tensor)
        return tensor.data_ptr()

    def _matrix(self, weight: Tensor, form: Format) -> library.Matrix:
        """A weight (O, I) in the wanted format: pointed to where that is its own, else copied."""
        rows, cols = weight.shape
        source = weight.detach()
        if form.packed and source.dtype not in _DTYPES:
            source = source.float()
        elif not form.packed:
            source = source.to(self._plan.dtype)
        source = source.contiguous()
        plain = library.Matrix(int(_DTYPES[source.dtype]), rows, cols, source.data_ptr(), None)
        if not form.packed:
            self._kept.append(source)
            return plain
        packed = self._arena.take(int(self._lib.parley_packed_bytes(int(form), rows, cols)))
        scales = self._arena.take(4 * (rows + 16))
        status = self._lib.parley_pack(plain, int(form), packed, scales, self._threads)
        if status != 0:
            raise MemoryError("no memory to pack the weights")
        return library.Matrix(int(form), rows, cols, packed, scales)


def pack_model(
    lib: ctypes.CDLL, model: CsmModel, precision: str, threads: int, *, free: bool = False
) -> Weights:
    """The weights of ``model`` in ``precision``.

    Args:
        lib: the loaded library.
        model: on the CPU. Tensors that are used as they are must not be moved afterwards.
        precision: ``fp32``, ``bf16``, ``int8`` or ``int4``.
        threads: that quantise.
        free: let go of the originals of what was packed; ``model`` is then good for nothing else.

    Raises:
        DeviceError: for another precision, or a model that is not on the CPU.
    """
    if model.device.type != "cpu":
        raise DeviceError("The CPU engine needs the model on the CPU: use --device cpu.")
    with torch.inference_mode():
        weights = Weights(lib, model, plan_for(precision, model.dtype), threads)
    if free and precision in ("int8", "int4"):
        free_originals(model)
    return weights


def free_originals(model: CsmModel) -> None:
    """Let go of every matrix that is packed; the embeddings, norms and the projection stay."""
    blocks = [*model.backbone.layers, *model.depth.layers]
    parameters = [linear.weight for block in blocks for linear in linears(block)]
    for parameter in (*parameters, model.codebook0_head.weight, model.audio_head):
        parameter.data = torch.empty(0, dtype=parameter.dtype)


def linears(block: nn.Module) -> Sequence[nn.Linear]:
    """A block's matrices in the order of ``library.LAYER_MATRICES``."""
    assert isinstance(block, Block)
    attention, mlp = block.attn, block.mlp
    attended = (attention.q, attention.k, attention.v, attention.o)
    return (*attended, mlp.gate, mlp.up, mlp.down)


def fold(model: CsmModel, dtype: torch.dtype) -> Tensor:
    """The audio embeddings through the projection, ((K - 1) V, d): what the depth decoder is fed.

    The last codebook's codes are never fed to it, so they have no row.
    """
    config = model.config
    rows = (config.codebooks - 1) * config.audio_vocab
    table, projection = model.audio_embedding.weight.detach()[:rows], model.projection.weight
    folded = torch.empty(rows, config.depth.width, dtype=dtype)
    for start in range(0, rows, _ROWS_PER_FOLD):
        piece = slice(start, start + _ROWS_PER_FOLD)
        folded[piece] = (table[piece] @ projection.detach().t()).to(dtype)
    return folded


def unpack(lib: ctypes.CDLL, matrix: library.Matrix) -> Tensor:
    """The fp32 numbers (rows, cols) that a packed matrix stands for."""
    out = torch.empty(matrix.rows, matrix.cols)
    if lib.parley_unpack(matrix, out.data_ptr(), 1) != 0:
        raise MemoryError("no memory to unpack the weights")
    return out


class _Arena:
    """One piece of memory, handed out from the front."""

    _ALIGNMENT = 64

    def __init__(self, size: int) -> None:
        # Shared memory, which is what mmap gives unasked, gets no large pages.
        private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if os.name == "posix" else {}
        self._memory = mmap.mmap(-1, size + mmap.PAGESIZE, **private)
        if hasattr(mmap, "MADV_HUGEPAGE") and size > 0:
            self._memory.madvise(mmap.MADV_HUGEPAGE)
        self._start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._used, self._size = 0, size

    @classmethod
    def rounded(cls, size: int) -> int:
        return (size + cls._ALIGNMENT - 1) // cls._ALIGNMENT * cls._ALIGNMENT

    def settle(self) -> None:
        """Ask once more for large pages, where memory in pieces gave none: without them a frame in int4
        takes an eighth longer."""
        if not hasattr(mmap, "MADV_HUGEPAGE"):
            return
        for start in range(0, self._size, _SETTLED):
            with contextlib.suppress(OSError):  # an older system, or no large page to be had
                self._memory.madvise(_COLLAPSE, start, min(_SETTLED, self._size - start))

    def take(self, size: int) -> int:
        """The address of ``size`` bytes."""
        at, self._used = self._used, self._used + self.rounded(size)
        assert self._used <= self._size, f"{self._used} bytes of {self._size}"
        return self._start + at
