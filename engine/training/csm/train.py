"""Training a CSM from tokenised shards: the loop, its schedules and its held-out figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from engine.config import CsmConfig
from engine.csm.model import CsmModel
from engine.training.csm.attention import use_matmul_attention
from engine.training.csm.batch import Batch, Corruption, collate
from engine.training.csm.losses import LossRecipe, csm_losses
from engine.training.csm.sequences import Mix, Pool
from engine.training.csm.store import read_shard
from engine.training.muon import Muon, matrices
from engine.training.run import Budget, Log, TrainState, hold_then_fall, training_device


@dataclass(frozen=True, slots=True)
class CsmRecipe:
    """Everything that decides a run besides its data."""

    budget: Budget
    learning_rate: float = 1.5e-3
    """Peak for embeddings and norms (AdamW)."""
    matrix_rate: float = 0.01
    """Peak for the matrices of the layers (Muon)."""
    hold: float = 0.35
    floor: float = 0.01
    warm_up_steps: int = 100
    weight_decay: float = 0.02
    positions: int = 1900
    """Of a batch, padding included. Muon's own cost is that of half as many, so batches are large."""
    round_sequences: int = 96
    """Sequences that are drawn at once, sorted by length into batches and shuffled."""
    guide: tuple[float, float] = (0.3, 0.03)
    losses: LossRecipe = field(default_factory=LossRecipe)
    corruption: Corruption = field(default_factory=Corruption)
    mix: Mix = field(default_factory=Mix)
    report_every: int = 50
    save_every: int = 500
    validate_every: int = 500
    seed: int = 0


def start_weights(model: CsmModel, seed: int) -> None:
    """Initial weights: normal, residual outputs scaled down by depth, embeddings small."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if weight.dim() == 1:
            continue
        if "embedding" in name:
            std = 0.1
        else:
            std = weight.shape[-1] ** -0.5 * 0.7
            if name.endswith((".o.weight", ".down.weight")):
                layers = model.backbone if name.startswith("backbone") else model.depth
                std /= (2 * len(layers.layers)) ** 0.5
        nn.init.normal_(weight, std=std, generator=generator)


def train_csm(
    config: CsmConfig,
    shards: Path,
    recipe: CsmRecipe,
    work: Path,
    validation: Path | None = None,
    on_save: Callable[[CsmModel, int], None] | None = None,
) -> CsmModel:
    """Run (or go on with) a training; checkpoints, log and curves go to `work`.

    New files `*.npz` in `shards` are taken in while training goes on. `on_save` is called with the model
    after every checkpoint.
    """
    model = CsmModel(config)
    start_weights(model, recipe.seed)
    use_matmul_attention(model)
    model.to(training_device())
    rng = np.random.default_rng(recipe.seed)
    state = TrainState({"model": model}, optimisers(model, recipe), rng)
    pool, known = Pool(config.codebooks, recipe.mix), set[Path]()
    if state.load(work / "csm.pt"):
        pool.restore({int(group): values for group, values in state.extra["cursors"].items()})
    log = Log(work / "csm.jsonl")
    held_out = _validation_batches(config, validation, recipe) if validation else []
    next_save, next_check = state.step + recipe.save_every, state.step + recipe.validate_every
    values: dict[str, float] = {}
    while (progress := recipe.budget.progress(state.step, state.clock())) < 1.0:
        _take_in(pool, shards, known)
        drawn = pool.batches(state.rng, recipe.positions, recipe.round_sequences)
        for group in drawn:
            if recipe.budget.progress(state.step, state.clock()) >= 1.0:
                break
            batch = collate(group, recipe.corruption, progress, state.rng).to(model.device)
            values = _step(model, state, batch, recipe)
            if state.step % recipe.report_every == 0:
                hours = pool.seconds / 3600
                log.report(state.step, state.clock() / 60, **values, hours_in_store=hours)
        # Only between rounds of batches: a checkpoint then holds the whole state.
        if held_out and state.step >= next_check:
            next_check = state.step + recipe.validate_every
            log.report(state.step, state.clock() / 60, **validate(model, held_out, recipe))
        if state.step >= next_save:
            next_save = state.step + recipe.save_every
            _save(state, pool, model, work, log, on_save)
    _save(state, pool, model, work, log, on_save)
    return model.cpu().eval()


def _save(
    state: TrainState,
    pool: Pool,
    model: CsmModel,
    work: Path,
    log: Log,
    on_save: Callable[[CsmModel, int], None] | None,
) -> None:
    state.extra["cursors"] = {str(group): values for group, values in pool.cursors.items()}
    state.save(work / "csm.pt")
    log.plot()
    if on_save is not None:
        on_save(model.eval(), state.step)
        model.train()


def optimisers(model: CsmModel, recipe: CsmRecipe) -> Sequence[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings, heads, projections and norms."""
    hidden, others = matrices(model, without=("embedding", "head", "projection"))
    return [
        Muon(hidden, lr=recipe.matrix_rate, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(
            others, lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True
        ),
    ]


def _take_in(pool: Pool, shards: Path, known: set[Path]) -> None:
    """Add shards that have appeared, in the order of their names; waits for the first."""
    while True:
        for path in sorted(set(shards.glob("*.npz")) - known):
            if not path.name.endswith(".new.npz"):
                pool.add(read_shard(path))
                known.add(path)
        if known:
            return
        time.sleep(5.0)


def _step(model: CsmModel, state: TrainState, batch: Batch, recipe: CsmRecipe) -> dict[str, float]:
    progress = recipe.budget.progress(state.step, state.clock())
    warm = min(1.0, (state.step + 1) / recipe.warm_up_steps)
    rate = warm * hold_then_fall(progress, recipe.hold, recipe.floor)
    guide = recipe.guide[0] + (recipe.guide[1] - recipe.guide[0]) * min(1.0, progress / 0.5)
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + state.step)
    with torch.autocast(model.device.type, torch.bfloat16):
        losses = csm_losses(model, batch, recipe.losses, guide, generator)
    norm = state.learn(losses.total, rate, most_gradient=1.0)
    heard = state.extra.get("frames", 0) + batch.scored_frames
    state.extra["frames"] = heard
    return {
        "code0_ce": losses.code0,
        "depth_ce": losses.depth,
        "guide_ce": losses.guide,
        "gradient_norm": norm,
        "learning_rate": rate * recipe.learning_rate,
        "hours_heard": heard * 0.08 / 3600,
    }


def _validation_batches(config: CsmConfig, path: Path, recipe: CsmRecipe) -> list[Batch]:
    """The same clean batches at every check."""
    pool = Pool(config.codebooks, recipe.mix)
    pool.add(read_shard(path))
    rng = np.random.default_rng(1)
    return [collate(group, None, 1.0, rng) for group in pool.batches(rng, recipe.positions, 24)]


@torch.no_grad()
def validate(model: CsmModel, batches: list[Batch], recipe: CsmRecipe) -> dict[str, float]:
    """Cross-entropies on held-out text with a clean history."""
    model.eval()
    everything = replace(recipe.losses, depth_share=1.0)
    parts = []
    for batch in batches:
        with torch.autocast(model.device.type, torch.bfloat16):
            parts.append(
                csm_losses(model, batch.to(model.device), everything, 0.0, torch.Generator())
            )
    model.train()
    return {
        "held_out_code0_ce": float(np.mean([part.code0 for part in parts])),
        "held_out_depth_ce": float(np.mean([part.depth for part in parts])),
    }
