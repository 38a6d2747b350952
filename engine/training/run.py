"""What every training run shares: a budget, a resumable checkpoint, a log and its curves.

A run is bounded by steps (then it is reproducible to the bit on one machine: same seed, same result,
interrupted or not) or by minutes (then the schedule follows the clock, and a slow machine trains less).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Budget:
    """How long to train: by steps, or by minutes where given."""

    steps: int
    minutes: float | None = None

    def progress(self, step: int, elapsed_s: float) -> float:
        """The share of the run that is over, 0 to 1."""
        if self.minutes is not None:
            return min(1.0, elapsed_s / (60.0 * self.minutes))
        return min(1.0, step / self.steps)


def hold_then_fall(progress: float, hold: float, floor: float = 0.02) -> float:
    """Learning-rate factor: 1 until `hold`, then a straight line to `floor` at 1."""
    if progress <= hold:
        return 1.0
    return 1.0 - (1.0 - floor) * (progress - hold) / (1.0 - hold)


def training_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass
class TrainState:
    """Everything that a run must carry over an interruption."""

    modules: dict[str, nn.Module]
    optimisers: Sequence[torch.optim.Optimizer]
    """Each with the peak of its learning rate."""
    rng: np.random.Generator
    step: int = 0
    elapsed_s: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)
    """Whatever else the run needs to go on; must survive JSON."""
    _since: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._peaks = [
            [float(group["lr"]) for group in optimiser.param_groups]
            for optimiser in self.optimisers
        ]

    def learn(self, loss: Tensor, rate: float, most_gradient: float) -> float:
        """One update of everything; returns the norm of the gradient, which is cut to `most_gradient`.

        Args:
            loss: what to descend.
            rate: the share of every optimiser's peak learning rate, 0 to 1.
            most_gradient: longest gradient over all the parameters together.
        """
        for optimiser, peaks in zip(self.optimisers, self._peaks, strict=True):
            optimiser.zero_grad(set_to_none=True)
            for group, peak in zip(optimiser.param_groups, peaks, strict=True):
                group["lr"] = rate * peak
        loss.backward()
        groups = [group for optimiser in self.optimisers for group in optimiser.param_groups]
        weights = [weight for group in groups for weight in group["params"]]
        norm = nn.utils.clip_grad_norm_(weights, most_gradient)
        for optimiser in self.optimisers:
            optimiser.step()
        self.step += 1
        return norm.item()

    def clock(self) -> float:
        """Seconds trained so far, over all interruptions."""
        return self.elapsed_s + time.monotonic() - self._since

    def save(self, path: Path) -> None:
        """Write a checkpoint; an interruption while writing leaves the old one whole."""
        state: dict[str, Any] = {
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "numpy": json.dumps(self.rng.bit_generator.state),
            "torch": torch.get_rng_state(),
            "step": self.step,
            "elapsed_s": self.clock(),
            "extra": json.dumps(self.extra),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        torch.save(state, fresh)
        fresh.replace(path)

    def load(self, path: Path) -> bool:
        """Go on from a checkpoint if there is one; says whether there was."""
        if not path.exists():
            return False
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.rng.bit_generator.state = json.loads(state["numpy"])
        torch.set_rng_state(state["torch"])
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]
        self.extra = json.loads(state["extra"])
        self._since = time.monotonic()
        return True


class Log:
    """Numbers of a run, one JSON line per report, and their curves as PNG."""

    def __init__(self, path: Path, say: Callable[[str], None] = print) -> None:
        self._path, self._say = path, say
        path.parent.mkdir(parents=True, exist_ok=True)

    def report(self, step: int, minutes: float, **values: float) -> None:
        """Append a line and say it."""
        row = {"step": step, "minutes": round(minutes, 2)}
        row |= {name: round(float(value), 5) for name, value in values.items()}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self._say(f"step {step:6d}  {minutes:6.2f} min  {numbers}")

    def rows(self) -> list[dict[str, float]]:
        """All lines so far; of a step that was reported twice (after a resume) the later counts."""
        if not self._path.exists():
            return []
        rows = [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]
        return [*{row["step"]: row for row in rows}.values()]

    def plot(self) -> Path:
        """Draw every number against the step beside the log."""
        from engine.training.plots import draw_curves

        return draw_curves(self.rows(), self._path.with_suffix(".png"))
