"""The training loop of whisper-nano: time-based schedule, checkpoints, progress lines and curves.

The learning rate and the weights of the aids follow the share of the minutes that have been spent,
not the number of steps, so a shared or slow machine ends on time with a finished schedule.
Resumable: everything but the order of the batches comes back from the checkpoint. Knows no
CTranslate2.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.training.llm.muon import Muon
from engine.training.whisper.batches import Batch, Batches, collate, make_item
from engine.training.whisper.config import Shape
from engine.training.whisper.losses import Losses, Weights, compute_losses
from engine.training.whisper.model import Recogniser
from engine.training.whisper.speech import Shard
from engine.training.whisper.text import TextTokenizer

CHECKPOINT = "checkpoint.pt"
PROGRESS = "progress.jsonl"


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard. `minutes` counts training time over all runs, not the making of
    speech.
    """

    minutes: float
    seed: int
    batch_s: float = 64.0
    matrix_rate: float = 0.02  # Muon, on the matrices of the layers
    other_rate: float = 2e-3  # AdamW, on everything else
    weight_decay: float = 0.05
    warm_up_steps: int = 150
    hold_share: float = 0.4
    stock_padding: tuple[tuple[float, float], ...] = ((0.35, 0.03), (0.87, 0.05))
    """(progress, share of batches padded as the stock class pads, from there on)."""
    average: float = 0.998
    report_s: float = 60.0
    checkpoint_s: float = 180.0


def schedule(plan: Plan, progress: float, steps: int) -> float:
    """Share of the peak learning rates: warm-up by steps, held until `hold_share`, then linear
    to zero.
    """
    fall = (1.0 - progress) / (1.0 - plan.hold_share)
    return min(1.0, (steps + 1) / plan.warm_up_steps) * max(0.0, min(1.0, fall))


def stock_share(plan: Plan, progress: float) -> float:
    """The share of batches to pad to the stock class's length.

    Without any the stock class answers nonsense: attention spreads over silence that it never saw.
    """
    return max([share for start, share in plan.stock_padding if progress >= start], default=0.0)


def _optimizers(model: Recogniser, plan: Plan) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for the rest.

    In a trial of 60 s each on the same data Muon reached text loss 4.2 where AdamW (1.4e-3) stood
    at 5.1.
    """
    named = list(model.named_parameters())
    matrices = [p for n, p in named if p.ndim == 2 and n.startswith(("encoder.", "decoder."))]
    chosen = {id(p) for p in matrices}
    others = [p for _, p in named if id(p) not in chosen]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(matrices, lr=plan.matrix_rate, weight_decay=plan.weight_decay),
        torch.optim.AdamW(
            others,
            lr=plan.other_rate,
            betas=(0.9, 0.98),
            weight_decay=plan.weight_decay,
            fused=True,
        ),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


class Trainer:
    """Owns the network, its running average, the optimiser and the clock of one training."""

    def __init__(self, work: Path, tokenizer: TextTokenizer, shape: Shape, plan: Plan) -> None:
        torch.manual_seed(plan.seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.work, self.plan, self.tokenizer = work, plan, tokenizer
        self.model = Recogniser(shape, tokenizer.size).to(self.device)
        self.averaged = [p.detach().clone() for p in self.model.parameters()]
        self.optimizers = _optimizers(self.model, plan)
        self.steps = 0
        self.elapsed_s = 0.0
        self.heard_s = 0.0
        self._sums: dict[str, float] = {}
        self._count = 0
        if (work / CHECKPOINT).exists():
            self._restore()

    @property
    def progress(self) -> float:
        """Share of the planned minutes that is spent, 0 to 1."""
        return min(1.0, self.elapsed_s / (self.plan.minutes * 60.0))

    def train(
        self, batches: Batches, development: list[Batch], refresh: Callable[[], None]
    ) -> None:
        """Run to the end of the plan. `refresh` is called at each report: new shards may have
        arrived.
        """
        clock = time.monotonic()
        reported = saved = self.elapsed_s
        for batch in batches:
            batches.stock_padding_share = stock_share(self.plan, self.progress)
            self._note(self.step(batch.to(self.device)))
            self.heard_s += batch.seconds
            now = time.monotonic()
            self.elapsed_s += now - clock
            clock = now
            finished = self.progress >= 1.0
            if self.elapsed_s - reported >= self.plan.report_s or finished:
                reported = self.elapsed_s
                refresh()
                self._report(len(batches.shards), development)
            if self.elapsed_s - saved >= self.plan.checkpoint_s or finished:
                saved = self.elapsed_s
                self.save()
                draw_curves(self.work / PROGRESS, self.work / "curves.png")
            clock = time.monotonic()  # reports and checkpoints do not count as training
            if finished:
                return

    def step(self, batch: Batch) -> Losses:
        """One update on a batch that is on the trainer's device."""
        share = schedule(self.plan, self.progress, self.steps)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * share
        losses = compute_losses(self.model, batch, Weights.at(self.progress))
        self.model.zero_grad(set_to_none=True)
        losses.total.backward()  # pyright: ignore[reportUnknownMemberType]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()  # pyright: ignore[reportUnknownMemberType]
        keep = min(self.plan.average, self.steps / (self.steps + 10.0))
        with torch.no_grad():
            torch._foreach_lerp_(  # pyright: ignore[reportPrivateUsage, reportUnknownMemberType]
                self.averaged, list(self.model.parameters()), 1.0 - keep
            )
        self.steps += 1
        return losses

    def _note(self, losses: Losses) -> None:
        for name in ("text", "ctc", "phonemes", "guided"):
            self._sums[name] = self._sums.get(name, 0.0) + float(getattr(losses, name))
        self._count += 1

    def _report(self, shards: int, development: list[Batch]) -> None:
        line: dict[str, float] = {
            "minutes": round(self.elapsed_s / 60.0, 2),
            "steps": self.steps,
            "heard_h": round(self.heard_s / 3600.0, 2),
            "shards": shards,
            "rate": schedule(self.plan, self.progress, self.steps),
        }
        line |= {name: round(total / self._count, 4) for name, total in self._sums.items()}
        line["development_text"] = round(self._development_loss(development), 4)
        with (self.work / PROGRESS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._sums, self._count = {}, 0

    @torch.no_grad()
    def _development_loss(self, development: list[Batch]) -> float:
        if not development:
            return float("nan")
        with _Averaged(self):
            values = [
                float(compute_losses(self.model, batch.to(self.device), Weights(0, 0, 0)).text)
                for batch in development
            ]
        return float(np.mean(values))

    def averaged_state(self) -> dict[str, Tensor]:
        """The running average of the weights under the network's names: what is exported."""
        names = [name for name, _ in self.model.named_parameters()]
        return {name: value.cpu() for name, value in zip(names, self.averaged, strict=True)}

    def save(self) -> None:
        """Write the checkpoint at once (temporary file, then renamed)."""
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "averaged": self.averaged_state(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "clock": [self.elapsed_s, self.heard_s, float(self.steps)],
            "plan": asdict(self.plan),
            "shape": asdict(self.model.shape),
        }
        partial = self.work / (CHECKPOINT + ".partial")
        torch.save(state, partial)
        partial.rename(self.work / CHECKPOINT)

    def _restore(self) -> None:
        state = torch.load(self.work / CHECKPOINT, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, stored in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        for mine, (_, stored) in zip(self.averaged, state["averaged"].items(), strict=True):
            mine.copy_(stored)
        self.elapsed_s, self.heard_s, steps = state["clock"]
        self.steps = int(steps)


class _Averaged:
    """Within the block the network holds its averaged weights."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._own: list[Tensor] = []

    def __enter__(self) -> None:
        parameters = list(self._trainer.model.parameters())
        self._own = [p.detach().clone() for p in parameters]
        with torch.no_grad():
            for parameter, value in zip(parameters, self._trainer.averaged, strict=True):
                parameter.copy_(value)

    def __exit__(self, *_: object) -> None:
        with torch.no_grad():
            for parameter, value in zip(self._trainer.model.parameters(), self._own, strict=True):
                parameter.copy_(value)


def development_batches(shard: Shard, tokenizer: TextTokenizer, count: int) -> list[Batch]:
    """Undamaged batches of eight from a shard of development voices, always the same."""
    rng = np.random.default_rng(1)
    batches: list[Batch] = []
    for start in range(0, min(8 * count, len(shard) - 7), 8):
        items = [make_item([shard[start + i]], tokenizer, rng, damage=False) for i in range(8)]
        batches.append(collate(items, tokenizer, max(len(item.mel) for item in items)))
    return batches


def draw_curves(progress: Path, picture: Path) -> None:
    """Loss curves as a PNG from the progress lines."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = [json.loads(line) for line in progress.read_text(encoding="utf-8").splitlines()]
    figure, axes = pyplot.subplots(figsize=(8, 5))
    minutes = [line["minutes"] for line in lines]
    for name in ("text", "development_text", "ctc", "phonemes", "guided"):
        axes.plot(minutes, [line[name] for line in lines], label=name)
    axes.set(xlabel="training minutes", ylabel="loss", yscale="log", title="whisper-nano")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
