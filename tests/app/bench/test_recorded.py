"""A recording is compared with what its device knows, sample by sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from app.bench.recorded import lag_of, off_samples

RATE = 48_000
LATENCY = 1440


class Device:
    """Remembers both sides; what was recorded of the loudspeaker left it 30 ms later."""

    def __init__(self, seconds: float) -> None:
        random = np.random.default_rng(0)
        count = round(seconds * RATE)
        self.near, self.far = random.normal(0, 0.1, (2, count)).astype(np.float32)

    def delivered(self, start_s=0.0, end_s=None) -> np.ndarray:
        return self.near[round(start_s * RATE) : round((end_s or 1e9) * RATE)]

    def played(self, start_s=0.0, end_s=None) -> np.ndarray:
        late = np.concatenate([np.zeros(LATENCY, np.float32), self.far])
        return late[round(start_s * RATE) : round((end_s or 1e9) * RATE)]


def write(path: Path, device: Device, *, near: int = 0, far: int = 0) -> Path:
    """A recording with both sides displaced by so many samples."""
    shifted = [np.roll(device.near, near), np.zeros_like(device.near), np.roll(device.far, far)]
    soundfile.write(path, np.stack(shifted, axis=1), RATE, subtype="PCM_16")
    return path


@pytest.mark.parametrize(("near", "far", "off"), [(0, 0, 0), (3, 0, 3), (0, -7, 7), (2, 400, 400)])
def test_the_worse_side_counts(tmp_path: Path, near: int, far: int, off: int) -> None:
    device = Device(25.0)
    wav = write(tmp_path / "a.wav", device, near=near, far=far)
    assert off_samples(wav, device, 25.0, LATENCY / RATE) == off


def test_what_cannot_be_compared_is_not_judged(tmp_path: Path) -> None:
    device = Device(3.0)
    assert off_samples(tmp_path / "none.wav", device, 3.0, 0.03) is None
    wav = write(tmp_path / "a.wav", device)
    assert off_samples(wav, device, 0.5, 0.03) is None
    assert lag_of(np.zeros(100, np.float32), np.ones(100, np.float32)) is None
    assert lag_of(np.zeros(0, np.float32), np.zeros(0, np.float32)) is None
