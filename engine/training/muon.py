"""Muon: momentum whose matrix updates are orthogonalised (K. Jordan et al., 2024).

For hidden matrices and convolution kernels; embeddings, gains and biases belong to AdamW.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

_NARROWEST = 16
"""Matrices with a side shorter than this have too few directions to be worth orthogonalising."""


def orthogonalise(gradient: Tensor, steps: int = 5) -> Tensor:
    """Nearest semi-orthogonal matrix, roughly, by the quintic Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = gradient.to(torch.bfloat16)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(gradient.dtype)


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, scaled by the matrix's aspect ratio.

    A kernel of more dimensions (convolutions) counts as the matrix of its first dimension by all the others.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(list(parameters), defaults)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update of every matrix that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = cast("dict[str, Tensor]", self.state[parameter])
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                velocity = state["momentum"]
                velocity.lerp_(parameter.grad, 1 - group["momentum"])
                direction = parameter.grad.lerp(velocity, group["momentum"]).flatten(1)
                update = orthogonalise(direction).view_as(parameter)
                scale = max(1.0, direction.shape[0] / direction.shape[1]) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-group["lr"] * scale)


def matrices(
    module: nn.Module, without: Sequence[str] = ()
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters of `module` that Muon should train, and all the others.

    A parameter whose name holds one of `without` is never among the first.
    """
    ours: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, weight in module.named_parameters():
        wide = weight.dim() >= 2 and min(weight.flatten(1).shape) >= _NARROWEST
        named = any(part in name for part in without)
        (ours if wide and not named else others).append(weight)
    return ours, others
