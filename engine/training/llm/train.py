"""The training loop: Muon on matrices, AdamW on the rest, learning rate by time spent.

One schedule from start to end: restarts undo work. Resumable from ``checkpoint.pt``, which is our
own file and read with ``weights_only``.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from .batches import Batch, stream_batches
from .chat_format import Exchange
from .model import Llama, LlamaShape
from .muon import Muon

LOG_EVERY_STEPS = 20
CHECKPOINT_EVERY_S = 120.0


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How long and how fast.

    ``seconds`` is processor time of the loop over all resumptions, so that a machine shared with
    other work trains longer, not less.
    """

    seconds: float
    seed: int
    tokens_per_batch: int = 2560
    longest_dialogue: int = 320
    muon_lr: float = 0.014
    adam_lr: float = 0.004
    warmup_steps: int = 40
    hold_share: float = 0.25
    final_share: float = 0.01
    average_decay: float = 0.99


def learning_rate_share(plan: TrainingPlan, step: int, progress: float) -> float:
    """Share of the peak rate: warm-up by steps, hold, then linear by time spent."""
    warm = min(1.0, (step + 1) / plan.warmup_steps)
    falling = max(0.0, (progress - plan.hold_share) / (1.0 - plan.hold_share))
    return warm * max(plan.final_share, 1.0 - falling * (1.0 - plan.final_share))


def make_optimizers(model: Llama, plan: TrainingPlan) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for the embedding and the gains."""
    matrices = [p for p in model.blk.parameters() if p.dim() == 2]
    others = [model.token_embd.weight, *(p for p in model.parameters() if p.dim() == 1)]
    return [
        Muon(matrices, lr=plan.muon_lr, weight_decay=0.01),
        torch.optim.AdamW(others, lr=plan.adam_lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def batch_loss(model: Llama, batch: Batch) -> tuple[torch.Tensor, float]:
    """Weighted mean cross-entropy, and the plain mean over answer tokens in nats."""
    device = model.token_embd.weight.device
    features = model.features(batch.ids.to(device))
    weights = batch.weights.to(device).flatten()
    counted = weights > 0
    logits = model.logits(features.flatten(0, 1)[counted]).float()
    each = F.cross_entropy(logits, batch.targets.to(device).flatten()[counted], reduction="none")
    weights = weights[counted]
    answers = each.detach()[weights == 1.0].mean().item()
    return (each * weights).sum() / weights.sum(), answers


@dataclass(slots=True)
class _Run:
    """Everything that a checkpoint keeps."""

    model: Llama
    optimizers: list[torch.optim.Optimizer]
    average: dict[str, torch.Tensor]
    """Running average of the weights: what an unfinished run is judged and exported by."""
    spent_s: float = 0.0
    step: int = 0
    pool: int = 0

    def save(self, path: Path) -> None:
        """Replace the checkpoint whole, so that an interruption leaves the old one."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "spent_s": self.spent_s,
            "step": self.step,
            "pool": self.pool,
        }
        torch.save(state, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def load(self, path: Path, device: torch.device) -> None:
        """Go on where the checkpoint was written."""
        state = torch.load(path, map_location=device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.spent_s, self.step, self.pool = state["spent_s"], state["step"], state["pool"] + 1


def train(
    tokenizer: Any,
    make_dialogue: Callable[[random.Random], list[Exchange]],
    shape: LlamaShape,
    plan: TrainingPlan,
    work: Path,
    log: Callable[[str], None],
) -> Llama:
    """Train (or go on training) in ``work`` until the plan's time is spent; returns the average."""
    torch.manual_seed(plan.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Llama(shape).to(device)
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    run = _Run(model, make_optimizers(model, plan), average)
    peaks = [group["lr"] for optimizer in run.optimizers for group in optimizer.param_groups]
    checkpoint = work / "checkpoint.pt"
    if checkpoint.exists():
        run.load(checkpoint, device)
        log(f"resumed at step {run.step}, {run.spent_s:.0f} s")
    batches = stream_batches(
        tokenizer,
        make_dialogue,
        plan.seed,
        run.pool,
        plan.tokens_per_batch,
        plan.longest_dialogue,
    )
    before_s = time.process_time()
    last_save_s = time.monotonic()
    started_s, seen_tokens, smooth = run.spent_s, 0, 0.0
    with (work / "curve.jsonl").open("a", encoding="utf-8") as curve:
        while run.spent_s < plan.seconds:
            run.pool, batch = next(batches)
            share = learning_rate_share(plan, run.step, run.spent_s / plan.seconds)
            answer_nats = _step(run, batch, peaks, share, plan.average_decay)
            seen_tokens += batch.ids.numel()
            now_s = time.process_time()
            run.spent_s, before_s = run.spent_s + now_s - before_s, now_s
            smooth = answer_nats if smooth == 0.0 else 0.95 * smooth + 0.05 * answer_nats
            if run.step % LOG_EVERY_STEPS == 0:
                rate = seen_tokens / (run.spent_s - started_s)
                row = {"step": run.step, "s": round(run.spent_s, 1), "nats": round(smooth, 4)}
                curve.write(json.dumps({**row, "lr": round(share, 4)}) + "\n")
                curve.flush()
                log(f"{row} lr {share:.3f} {rate:.0f} tokens/s")
            if time.monotonic() - last_save_s > CHECKPOINT_EVERY_S:
                run.save(checkpoint)
                last_save_s = time.monotonic()
    run.save(checkpoint)
    model.load_state_dict(run.average)
    return model


def _step(run: _Run, batch: Batch, peaks: list[float], share: float, decay: float) -> float:
    """One update; returns the loss on answer tokens in nats."""
    _set_rates(run.optimizers, peaks, share)
    with _autocast(run.model.token_embd.weight.device):
        loss, answer_nats = batch_loss(run.model, batch)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    for optimizer in run.optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    # The average follows quickly at first, so that early snapshots are not mostly random weights.
    update_average(run.average, run.model, min(decay, run.step / (run.step + 10)))
    run.step += 1
    return answer_nats


@torch.no_grad()
def update_average(average: dict[str, torch.Tensor], model: Llama, decay: float) -> None:
    """Move ``average`` towards the model's weights by ``1 - decay``."""
    for name, value in model.state_dict().items():
        average[name].lerp_(value, 1.0 - decay)


def load_average(checkpoint: Path, shape: LlamaShape) -> Llama:
    """The averaged model of a run, finished or not, on the CPU."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = Llama(shape)
    model.load_state_dict(state["average"])
    return model.eval()


def _set_rates(optimizers: list[torch.optim.Optimizer], peaks: list[float], share: float) -> None:
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    for group, peak in zip(groups, peaks, strict=True):
        group["lr"] = peak * share


def _autocast(device: torch.device) -> Any:
    """bf16 where it pays: on a GPU, and on CPUs, where it is 1.75 times as fast."""
    if device.type not in ("cuda", "cpu"):
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
