"""Speech of the assets at 48 kHz, for tests of the virtual device and of echo cancelling."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from app.audio.virtual import VirtualDevice
from app.core.live_ports import BLOCK_SAMPLES, DuplexBlock
from app.core.types import FloatArray

ASSETS = Path(__file__).parents[2] / "assets"
RATE_HZ = 48_000


@cache
def _asset(name: str, rate_hz: int) -> FloatArray:
    samples, rate = soundfile.read(ASSETS / name, dtype="float32")
    return np.asarray(soxr.resample(samples, rate, rate_hz), np.float32)


def assistant_24k(seconds: float) -> FloatArray:
    """Both built-in voices in turn, -21 dBFS."""
    both = [_asset(f"voices/{name}/prompt.flac", 24_000) for name in ("atlas", "nova")]
    line = np.concatenate(both)
    times = int(np.ceil(seconds * 24_000 / len(line)))
    return np.tile(line, times)[: round(seconds * 24_000)]


def user_48k(number: int = 1, db: float = -26.0) -> FloatArray:
    """A question of the assets (another voice than the assistant's), silence at its ends cut."""
    samples = _asset(f"samples/question-{number}.flac", RATE_HZ)
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    samples = samples[loud[0] : loud[-1]]
    return samples * np.float32(10 ** (db / 20) / np.sqrt((samples**2).mean()))


class Feeder:
    """Plays 24 kHz speech on a virtual device, as far ahead as its player takes it."""

    def __init__(self, device: VirtualDevice, speech: FloatArray) -> None:
        self.device = device
        self._speech = speech
        self._given = 0

    def steps(self, seconds: float) -> list[DuplexBlock]:
        """Let time pass; the blocks of it."""
        blocks: list[DuplexBlock] = []
        for _ in range(round(seconds * 100)):
            if self._given < len(self._speech):
                part = self._speech[self._given : self._given + 2_400]
                self._given += self.device.player.write(part)
            blocks.append(self.device.step())
        return blocks


def joined(blocks: list[DuplexBlock]) -> tuple[FloatArray, FloatArray]:
    """(near, far), each (N,)."""
    assert all(len(block.near) == BLOCK_SAMPLES for block in blocks)
    return np.concatenate([each.near for each in blocks]), np.concatenate(
        [each.far for each in blocks]
    )


def db(samples: FloatArray) -> float:
    """Root mean square in dBFS."""
    return float(10 * np.log10((samples.astype(np.float64) ** 2).mean() + 1e-20))
