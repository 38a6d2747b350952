"""Sound with the grain of speech, made of nothing but a seed, and keys."""

from __future__ import annotations

import numpy as np
import pytest

from engine.types import FloatArray

RATE_HZ = 24_000


def speechlike(seconds: float, seed: int = 0) -> FloatArray:
    """Voiced syllables of gliding pitch under three formants, hisses and pauses between them."""
    rng = np.random.default_rng(seed)
    parts: list[FloatArray] = []
    while sum(map(len, parts)) < seconds * RATE_HZ:
        length = int(rng.uniform(0.12, 0.3) * RATE_HZ)
        pitch = np.linspace(rng.uniform(90, 220), rng.uniform(90, 220), length)
        phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
        formants = rng.uniform((300, 900, 2200), (800, 2100, 3200))
        sound = np.zeros(length)
        for harmonic in range(1, 40):
            near = np.exp(-(((harmonic * pitch[:, None] - formants) / 250) ** 2)) @ (1, 0.5, 0.25)
            sound += (near + 0.003) * np.sin(harmonic * phase)
        hiss = np.diff(rng.standard_normal(length // 3 + 1)) * 0.2
        pause = rng.standard_normal(int(rng.uniform(0.02, 0.15) * RATE_HZ)) * 1e-4
        sound = np.concatenate([sound * np.hanning(length), hiss * np.hanning(len(hiss)), pause])
        parts.append(np.asarray(sound + rng.standard_normal(len(sound)) * 1e-3, np.float32))
    whole = np.concatenate(parts)[: round(seconds * RATE_HZ)]
    return np.asarray(0.5 * whole / np.abs(whole).max(), np.float32)


@pytest.fixture(scope="session")
def speech() -> FloatArray:
    """Four seconds."""
    return speechlike(4.0)


@pytest.fixture
def key() -> bytes:
    """A key."""
    return bytes(range(32))


@pytest.fixture
def other_key() -> bytes:
    """Somebody else's, that differs in a single bit."""
    return bytes([*range(31), 30])
