"""The bench counts what it says it counts. No figure is asserted, only meaning and shape."""

from __future__ import annotations

import json
import math

import pytest
import torch

from engine import bench
from engine.config import CSM_1B
from engine.errors import ModelError


def test_weights_read_per_frame_match_the_published_arithmetic() -> None:
    # 973.1 M + 4.2 M + 31 * 111.15 M + 65.1 M + 32 * 2.1 M
    assert bench.weights_read(CSM_1B) == pytest.approx(4.555e9, rel=2e-3)
    assert bench.bytes_read(CSM_1B, torch.bfloat16) == 2 * bench.weights_read(CSM_1B)


def test_a_row_is_finite_json_with_the_stable_keys() -> None:
    result = bench.run(model="csm-nano", random_weights=True, device="cpu", frames=3)
    (row,) = json.loads(json.dumps(result))["rows"]
    assert {"name", "precision", "device", "rtf", "frame_ms_p50", "frame_ms_p99"} <= row.keys()
    assert {"first_audio_ms", "peak_memory_gb", "limit_share", "load_s"} <= row.keys()
    assert row["frames"] == 3
    assert all(math.isfinite(v) and v > 0 for v in row.values() if isinstance(v, float))


def test_what_cannot_be_measured_is_one_sentence() -> None:
    with pytest.raises(ModelError, match="not a known shape"):
        bench.run(model="csm-7t", random_weights=True, device="cpu")
    with pytest.raises(ModelError, match="do not fit the model's window"):
        bench.run(model="csm-nano", random_weights=True, device="cpu", frames=5000)
    with pytest.raises(ModelError, match="peer"):
        bench.run(model="csm-nano", random_weights=True, peer="abacus")
