"""Muon on matrices and kernels, and which parameters it is for."""

from __future__ import annotations

import torch
from torch import nn

from engine.training.muon import Muon, matrices


def one_step(weight: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    parameter = nn.Parameter(weight.clone())
    parameter.grad = gradient.clone()
    Muon([parameter], lr=0.1).step()
    return parameter.detach()


def test_a_kernel_is_updated_as_the_matrix_that_it_is() -> None:
    generator = torch.Generator().manual_seed(0)
    weight, gradient = torch.randn(2, 24, 16, 3, generator=generator)
    flat = one_step(weight.flatten(1), gradient.flatten(1))
    assert torch.equal(one_step(weight, gradient), flat.view(24, 16, 3))


def test_every_direction_of_an_update_is_about_as_long() -> None:
    gradient = torch.diag(torch.tensor([100.0] * 4 + [1.0] * 28))
    update = one_step(torch.zeros(32, 32), gradient) / -0.1
    lengths = torch.linalg.svdvals(update)
    assert lengths.min() > 0.5 and lengths.max() < 1.5


def test_muon_gets_wide_matrices_and_kernels_and_nothing_else() -> None:
    module = nn.ModuleDict(
        {
            "embedding": nn.Embedding(50, 32),
            "wide": nn.Linear(32, 16),
            "kernel": nn.Conv1d(8, 16, 4),
            "narrow": nn.Linear(32, 8),
            "first": nn.Conv1d(1, 32, 7),
        }
    )
    ours, others = matrices(module, without=("embedding",))
    names = {id(weight): name for name, weight in module.named_parameters()}
    assert [names[id(weight)] for weight in ours] == ["wide.weight", "kernel.weight"]
    assert len(ours) + len(others) == len(names)
