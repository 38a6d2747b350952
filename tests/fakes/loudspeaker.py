"""A player at a loudspeaker that asks for its blocks in virtual time, and sounds to give it."""

from __future__ import annotations

import numpy as np

from app.audio.player import RingPlayer
from app.core.types import FloatArray

RATES = [32_000, 24_000, 44_100, 48_000, 96_000]


class HandClock:
    """Goes on only when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Bench:
    """A player, and a loudspeaker that asks it for blocks in virtual time."""

    def __init__(self, rate: int = 24_000, latency_s: float = 0.0, edge_s: float = 0.0) -> None:
        self.clock = HandClock()
        self.player = RingPlayer(rate, self.clock, edge_s)
        self.player.latency_s = latency_s
        self.rate = rate
        self.out: list[float] = []

    def render(self, count: int) -> FloatArray:
        block = np.full(count, 9.0, np.float32)
        self.player.render(block)
        self.out.extend(block.tolist())
        self.clock.now_s += count / self.rate
        return block

    def run(self, seconds: float) -> FloatArray:
        blocks = [self.render(self.rate // 100) for _ in range(round(seconds * 100))]
        return np.concatenate([*blocks, np.zeros(0, np.float32)])

    def settle(self) -> None:
        """Let everything be put out and leave the loudspeaker."""
        for _ in range(1000):
            self.render(self.rate // 50)
            if self.player.idle:
                break
        self.render(self.rate // 50)
        self.clock.now_s += self.player.latency_s


def numbered(first: int, count: int) -> FloatArray:
    """Samples that tell which they are; exact in float32."""
    return np.arange(first + 1, first + count + 1, dtype=np.float32)


def speech(count: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, count).astype(np.float32)
