"""A small Mimi with weights that matter: codebooks fitted to its own latents, attention that counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.config import MimiConfig, tiny
from engine.mimi.codec import MimiCodec
from engine.types import FloatArray


def trained_looking(config: MimiConfig, seed: int = 0) -> MimiCodec:
    """Random weights, but every code is used and no branch is scaled down to nothing."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        codec = MimiCodec(config)
        with torch.no_grad():
            for name, tensor in codec.model.state_dict().items():
                if name.endswith((".scale", "norm1.weight", "norm2.weight")):
                    tensor.uniform_(0.3, 0.9)
                elif name.endswith(("norm1.bias", "norm2.bias")):
                    tensor.uniform_(-0.2, 0.2)
                elif tensor.dim() > 1 and "quantizer" not in name:
                    tensor.mul_(1.6)
            codec.model.train()
            sound = torch.randn(4, 1, 16 * config.frame_samples) * torch.rand(4, 1, 1)
            for _ in range(config.codebooks):  # one codebook is initialised in each pass
                codec.model(sound)
            codec.model.eval()
    return codec


def noise(frames: int, config: MimiConfig, seed: int = 1) -> FloatArray:
    """Noise whose loudness and colour wander, (frames · frame_samples,)."""
    rng = np.random.default_rng(seed)
    samples = frames * config.frame_samples
    loudness = np.repeat(rng.uniform(0.02, 1.0, frames), config.frame_samples)
    sound = rng.standard_normal(samples) * loudness
    return np.asarray(np.convolve(sound, [0.5, 0.3, 0.2], mode="same"), np.float32)


@pytest.fixture(scope="session")
def config() -> MimiConfig:
    return tiny().mimi


@pytest.fixture(scope="session")
def codec(config: MimiConfig) -> MimiCodec:
    return trained_looking(config)


@pytest.fixture(scope="session")
def sound(config: MimiConfig) -> FloatArray:
    """Forty frames: five times the attention window of the small codec."""
    return noise(40, config)
