"""What csm training minimises: codebook 0, the depth decoder on a share of the frames, guided attention."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.csm.model import CsmModel
from engine.nn.transformer import Attention, Block
from engine.training.csm.batch import Batch


@dataclass(frozen=True, slots=True)
class LossRecipe:
    """Weights of the losses.

    `depth_share` of the assistants' frames (and half as many of the others') train the depth decoder in a
    step: it would otherwise cost more than the backbone, for little (Sesame's compute amortisation).
    """

    depth_share: float = 0.4
    depth_weight: float = 1.0
    guide_layer: int = 2
    guide_heads: int = 2
    guide_width: float = 1.5
    """Standard deviation, in characters, of the attention that is asked for."""


@dataclass(frozen=True, slots=True)
class Losses:
    """`total` to differentiate, and its parts for the log."""

    total: Tensor
    code0: float
    depth: float
    guide: float


def csm_losses(
    model: CsmModel,
    batch: Batch,
    recipe: LossRecipe,
    guide_weight: float,
    generator: torch.Generator,
) -> Losses:
    """All losses of one batch. `guide_weight` 0 skips the guided attention."""
    with _attention_inputs(model, recipe.guide_layer) as seen:
        hidden = model.backbone(model.embed(batch.inputs, batch.mask))
    places = batch.weight > 0
    states, targets, weights = hidden[places], batch.targets[places], batch.weight[places]
    code0 = nn.functional.cross_entropy(
        model.codebook0_head(states).float(), targets[:, 0], reduction="none"
    )
    code0_loss = (code0 * weights).sum() / weights.sum()
    chosen = _depth_choice(batch, places, recipe.depth_share, generator)
    logits = model.depth_logits(states[chosen], targets[chosen])
    depth = nn.functional.cross_entropy(
        logits.float().flatten(0, 1), targets[chosen, 1:].flatten(), reduction="none"
    ).view(-1, targets.shape[1] - 1)
    # Per-frame sum over codebooks would dwarf codebook 0 for 32 of them: the mean is comparable.
    depth_loss = depth.mean()
    guide = hidden.new_zeros(())
    if guide_weight > 0:
        guide = guided_attention(model, seen, batch, recipe)
    total = code0_loss + recipe.depth_weight * depth_loss + guide_weight * guide
    plain = weights == 1.0
    return Losses(
        total, code0.detach()[plain].mean().item(), depth_loss.item(), float(guide.detach())
    )


def _depth_choice(batch: Batch, places: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Indices (into the scored frames) that train the depth decoder; every EOS frame is among them."""
    weights, end = batch.weight[places], batch.end[places]
    chance = torch.where(weights < 1.0, 0.5 * share, share)
    drawn = torch.rand(chance.shape, generator=generator).to(chance.device) < chance
    return (drawn | end).nonzero().flatten()


def _attention(model: CsmModel, layer: int) -> Attention:
    block = model.backbone.layers[layer]
    assert isinstance(block, Block)
    return block.attn


@contextmanager
def _attention_inputs(model: CsmModel, layer: int) -> Generator[list[tuple[Tensor, ...]]]:
    """Collects the arguments of one layer's attention during a forward pass."""
    seen: list[tuple[Tensor, ...]] = []

    def keep(_module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        seen.append(arguments)

    handle = _attention(model, layer).register_forward_pre_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


def guided_attention(
    model: CsmModel, seen: list[tuple[Tensor, ...]], batch: Batch, recipe: LossRecipe
) -> Tensor:
    """Cross-entropy between two heads' attention and the character spoken in the next frame.

    It only makes the alignment appear early; at inference nothing is guided.
    """
    x, cos, sin = seen[0][:3]
    attention = _attention(model, recipe.guide_layer)
    queries, keys = attention.qk(x, cos, sin)
    heads = recipe.guide_heads
    repeats = attention.heads // attention.kv_heads
    keys = keys.repeat_interleave(repeats, 1)[:, :heads]
    scores = queries[:, :heads] @ keys.transpose(2, 3) * attention.head_dim**-0.5
    time = x.shape[1]
    positions = torch.arange(time, device=x.device)
    causal = positions[None] <= positions[:, None]
    log_attention = scores.float().masked_fill(~causal, -1e9).log_softmax(-1)  # (B, H, T, T)
    rows, places = (batch.spoken >= 0).nonzero(as_tuple=True)
    picked = log_attention[rows, :, places]  # (N, H, T)
    centre = batch.spoken[rows, places][:, None]
    span = batch.span[rows, places]
    wanted = torch.exp(-0.5 * ((positions[None] - centre) / recipe.guide_width) ** 2)
    wanted = wanted * ((positions[None] >= span[:, :1]) & (positions[None] < span[:, 1:]))
    wanted = wanted / wanted.sum(1, keepdim=True).clamp(min=1e-6)
    return -(wanted[:, None] * picked).sum(-1).mean()
