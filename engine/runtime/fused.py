"""A CSM's weights arranged for one frame at a time.

Query, key and value are one matrix, so are gate and up; the projection into the depth decoder is
multiplied into a second audio table, so that its 31 products per frame become one row each. All of
it but the table is exact; the table is rounded to the model's format once, like the product it
replaces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.config import CsmConfig, TransformerConfig
from engine.csm.model import CsmModel
from engine.nn.transformer import Block, Transformer
from engine.runtime.kernels import Kernels, Norm
from engine.runtime.matrix import Matrix, bind
from engine.runtime.precision import Format, Precision, precision_of
from engine.runtime.quantise import Stored, store

STORED, DEPTH_TABLE = "stored", "depth_table"
"""Keys of ``CsmModel.derived`` for what was made, or read from a packed file, before decoders are."""

_TABLE_ROWS_AT_ONCE = 8192


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One pre-norm block."""

    attn_norm: Norm
    qkv: Matrix
    out: Matrix
    mlp_norm: Norm
    gate_up: Matrix
    down: Matrix


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """One transformer."""

    config: TransformerConfig
    layers: tuple[Layer, ...]
    norm: Norm


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """Everything that a frame reads.

    Attributes:
        audio_table: (K · V, D), for the backbone.
        depth_table: ((K - 1) · V, d), the projection of the rows above.
        projection: (d, D) of the hidden state.
        head: of codebook 0.
        depth_heads: of the others.
    """

    config: CsmConfig
    dtype: torch.dtype
    device: torch.device
    text_table: Tensor
    audio_table: Tensor
    depth_table: Tensor
    projection: Matrix
    backbone: Stack
    depth: Stack
    head: Matrix
    depth_heads: tuple[Matrix, ...]


def parts_of(model: CsmModel) -> dict[str, dict[str, Tensor]]:
    """The names of the fused matrices, but for the depth heads, and the model's own that each joins."""
    fused: dict[str, tuple[str, ...]] = {"head": ("codebook0_head.weight",)}
    for stack in ("backbone", "depth"):
        transformer: Transformer = getattr(model, stack)
        for index in range(len(transformer.layers)):
            name, own = f"{stack}.{index}", f"{stack}.layers.{index}"
            fused[f"{name}.qkv"] = tuple(f"{own}.attn.{part}.weight" for part in "qkv")
            fused[f"{name}.out"] = (f"{own}.attn.o.weight",)
            fused[f"{name}.gate_up"] = tuple(f"{own}.mlp.{part}.weight" for part in ("gate", "up"))
            fused[f"{name}.down"] = (f"{own}.mlp.down.weight",)
    weights = dict(model.named_parameters())
    return {name: {part: weights[part] for part in parts} for name, parts in fused.items()}


def matrices(model: CsmModel) -> dict[str, Tensor]:
    """The model's matrices by their fused names; its own become views into them.

    Nothing is stored twice, and the model computes what it did.
    """
    result = {name: _joined(list(parts.values())) for name, parts in parts_of(model).items()}
    for index, head in enumerate(model.audio_head.detach()):
        result[f"depth_heads.{index}"] = head
    return result


def stored_matrices(model: CsmModel, precision: Precision) -> dict[str, Stored]:
    """``matrices`` in the formats of ``precision``."""
    return {
        name: store(weight, precision.heads if "head" in name else precision.layers)
        for name, weight in matrices(model).items()
    }


def depth_table(model: CsmModel) -> Tensor:
    """((K - 1) · V, d): the projection of every row that the depth decoder can be given."""
    config = model.config
    rows = model.audio_embedding.weight.detach()[: (config.codebooks - 1) * config.audio_vocab]
    weight = model.projection.weight.detach()
    return torch.cat([F.linear(part, weight) for part in rows.split(_TABLE_ROWS_AT_ONCE)])


def fuse(model: CsmModel, kernels: Kernels | None = None) -> Fused:
    """Arrange ``model``; its matrices become views of the fused ones, where those stay as they are.

    What ``model.derived`` holds of it already is taken from there.
    """
    with torch.no_grad():
        stored: Mapping[str, Stored] | None = model.derived.pop(STORED, None)
        stored = stored or stored_matrices(model, precision_of(model))
        table: Tensor | None = model.derived.pop(DEPTH_TABLE, None)
        table = depth_table(model) if table is None else table

        def bound_to(one: Stored, name: str) -> Matrix:
            if kernels is None:
                return bind(one, model.dtype)
            return kernels.bind(one, model.dtype, again=name.startswith("depth."))

        bound = {name: bound_to(one, name) for name, one in stored.items()}
        plain = Format.FP32 if model.dtype == torch.float32 else Format.BF16
        projection = Stored(plain, model.projection.weight.detach())
    steps = model.config.codebooks - 1
    return Fused(
        config=model.config,
        dtype=model.dtype,
        device=model.device,
        text_table=model.text_embedding.weight.detach(),
        audio_table=model.audio_embedding.weight.detach(),
        depth_table=table,
        projection=bound_to(projection, "projection"),
        backbone=_stack(model.backbone, "backbone", bound),
        depth=_stack(model.depth, "depth", bound),
        head=bound["head"],
        depth_heads=tuple(bound[f"depth_heads.{step}"] for step in range(steps)),
    )


def release(model: CsmModel) -> None:
    """Give up the model's own matrices, when decoders only use their quantised form.

    Embeddings, norms and projection stay. The modules cannot be run afterwards.
    """
    nothing = model.projection.weight.detach().new_empty(0)
    for stack in (model.backbone, model.depth):
        for module in stack.modules():
            if isinstance(module, nn.Linear):
                module.weight = nn.Parameter(nothing, requires_grad=False)
    model.codebook0_head.weight = nn.Parameter(nothing, requires_grad=False)
    model.audio_head = nn.Parameter(nothing, requires_grad=False)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    rows = [part.detach() for part in parts]
    whole = _already_joined(rows)
    if whole is None:
        whole = torch.cat(rows)
        for part, view in zip(parts, whole.split([len(one) for one in rows]), strict=True):
            part.data = view
    return whole


def _already_joined(rows: Sequence[Tensor]) -> Tensor | None:
    """The matrix that ``rows`` are consecutive views of, from a packed file or an earlier call."""
    first, place = rows[0], rows[0].storage_offset()
    for one in rows:
        same = one.untyped_storage().data_ptr() == first.untyped_storage().data_ptr()
        if not (same and one.is_contiguous() and one.storage_offset() == place):
            return None
        place += one.numel()
    return first.as_strided((sum(map(len, rows)), first.shape[1]), first.stride())


def _stack(stack: Transformer, name: str, bound: Mapping[str, Matrix]) -> Stack:
    layers: list[Layer] = []
    for index, block in enumerate(stack.layers):
        assert isinstance(block, Block)
        own = f"{name}.{index}"
        layers.append(
            Layer(
                attn_norm=Norm(block.attn_norm.scale.detach(), stack.config.norm_eps),
                qkv=bound[f"{own}.qkv"],
                out=bound[f"{own}.out"],
                mlp_norm=Norm(block.mlp_norm.scale.detach(), stack.config.norm_eps),
                gate_up=bound[f"{own}.gate_up"],
                down=bound[f"{own}.down"],
            )
        )
    norm = Norm(stack.norm.scale.detach(), stack.config.norm_eps)
    return Stack(stack.config, tuple(layers), norm)
