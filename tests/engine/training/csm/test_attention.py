"""The trainer's attention computes what the engine's does."""

from __future__ import annotations

from typing import Any

import torch

from engine.config import tiny
from engine.csm.model import CsmModel
from engine.training.csm.attention import MatmulAttention, use_matmul_attention


def test_hidden_states_and_gradients_are_the_same() -> None:
    torch.manual_seed(0)
    model: Any = CsmModel(tiny(4))
    x = torch.randn(2, 9, model.config.backbone.width)
    wanted = model.backbone(x)
    (wanted**2).sum().backward()
    gradient = model.backbone.layers[0].attn.k.weight.grad
    assert gradient is not None
    wanted_gradient = gradient.clone()
    model.zero_grad()
    use_matmul_attention(model)
    assert type(model.depth.layers[0].attn) is MatmulAttention
    made = model.backbone(x)
    (made**2).sum().backward()
    assert torch.allclose(made, wanted, atol=1e-5)
    assert torch.allclose(model.backbone.layers[0].attn.k.weight.grad, wanted_gradient, atol=1e-3)
