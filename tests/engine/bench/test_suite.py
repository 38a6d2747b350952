"""Who takes part, in which order, and what a run gives."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from engine.bench import build, run, suite
from engine.bench.build import Wanted, random_model
from engine.bench.child import Entry
from engine.config import CSM_1B, CSM_NANO, CsmConfig, tiny
from engine.errors import EngineError, ModelError
from engine.runtime.precision import Precision

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The bench sets the number of threads of its process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def entry(kind: str, precision: str) -> Entry:
    return Entry(kind, Wanted("csm-nano", True, "cpu", precision, None), 4)


def test_a_run_is_finite_json_with_the_stable_keys() -> None:
    result = run(
        model="csm-nano", random_weights=True, device="cpu", frames=2, rounds=1, apart=False
    )
    found = json.loads(json.dumps(result))
    (row,) = found["rows"]
    assert (row["name"], row["precision"], row["device"]) == ("parley csm-nano", "fp32", "cpu")
    assert {"rtf", "first_audio_ms", "peak_memory_gb", "limit_share", "load_s"} <= row.keys()
    assert row["frames"] == 2
    assert row["decoder"].endswith("Decoder")
    assert all(math.isfinite(v) and v > 0 for v in row.values() if isinstance(v, float))
    assert None not in (row["feed_ms"], row["draw_ms"], row["mimi_ms"], row["prefill_all_ms"])
    assert found["left_out"] == []
    assert found["bandwidth_gb_s"] > 0 and found["read_bandwidth_gb_s"] > 0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "csm-7t"}, "not a known shape: use csm-1b, csm-nano or miso-8b with"),
        (
            {"model": "csm-7t", "random_weights": False},
            "no model at csm-7t: check the path, or use csm-1b, csm-nano or miso-8b with",
        ),
        ({"frames": 5000}, "do not fit the model's window: use at most 226"),
        ({"peer": "abacus"}, "peer"),
        ({"precision": "int3"}, "precision 'int3' is not supported"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(changes: dict[str, object], says: str) -> None:
    wanted = {"model": "csm-nano", "random_weights": True, "device": "cpu", **changes}
    with pytest.raises(EngineError, match=says) as caught:
        run(**wanted)  # pyright: ignore[reportArgumentType]
    assert "\n" not in str(caught.value)


def test_precisions_are_each_measured_once() -> None:
    assert suite.precisions("bf16, int8,bf16", CSM_NANO, CPU) == ["bf16", "int8"]
    assert suite.precisions("all", CSM_NANO, CPU) == ["fp32", "bf16", "int8", "int4"]
    assert suite.precisions("all", CSM_1B, CPU) == ["bf16", "int8", "int4"]
    assert suite.precisions("auto", CSM_NANO, CPU) == ["fp32"]
    assert suite.precisions("auto", CSM_1B, torch.device("cuda")) == ["bf16"]


def turns(device: str, names: list[str], config: CsmConfig = CSM_1B) -> list[str]:
    wanted = Wanted(config.name, True, device, "auto", None)
    found = suite.contestants(wanted, names, "transformers", 9, torch.device(device), config)
    return [f"{entry.kind} {entry.wanted.precision}" for entry in found]


def test_the_peer_runs_in_the_plain_precision_of_the_engine_and_what_compiles_is_last() -> None:
    three, four = ["bf16", "int8", "int4"], ["fp32", "bf16", "int8", "int4"]
    ours = [f"parley {name}" for name in three]
    on_card = ["transformers eager bf16", *ours, "transformers compiled bf16"]
    assert turns("cuda", three) == on_card
    assert turns("cpu", four)[0] == "transformers eager bf16"  # not fp32, though it comes first
    assert turns("cpu", four, CSM_NANO)[0] == "transformers eager fp32"
    assert turns("cpu", ["int8"]) == ["transformers eager auto", "parley int8"]


def test_what_will_happen_is_told_with_the_time_that_it_may_take() -> None:
    both = [entry("transformers compiled", "bf16"), entry("parley", "int8")]
    told = suite.plan(both, 2, 520.0, together=True)
    assert "2 contestants, 2 rounds of 4 frames: at most 520 s" in told
    assert "compiling" in told
    assert "compiling" not in suite.plan(both[1:], 2, None, together=False)


def test_big_models_on_a_cpu_make_fewer_frames() -> None:
    assert suite.default_frames(CSM_1B, CPU) == 10
    assert suite.default_frames(CSM_NANO, CPU) == 100


def test_all_are_loaded_only_where_memory_lets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def room(size: float | None) -> bool:
        monkeypatch.setattr(suite, "free_memory", lambda device: size)
        entries = [entry("transformers eager", "bf16"), entry("parley", "int8")]
        return suite.fits(entries, CSM_1B, CPU)

    # 1.55 G weights: 3.1 GB and 1.9 GB, 1 GB for each process, and 3.1 GB while the second loads
    assert room(12e9)
    assert not room(10e9)
    assert not room(None)


def test_random_weights_are_tame_and_no_row_is_repeated() -> None:
    model = random_model(tiny(), CPU, Precision.BF16)
    assert model.precision == "bf16" and model.dtype == torch.bfloat16
    weight = model.projection.weight.detach()
    assert float(weight.float().std() * weight.shape[1] ** 0.5) == pytest.approx(1, rel=0.1)
    assert len(torch.unique(weight, dim=0)) == len(weight)


def test_a_random_codec_does_not_decode_silence() -> None:
    codes = np.random.default_rng(0).integers(0, 32, (3, 4))
    assert build.random_codec(tiny(), CPU).decode(codes).std() > 1e-4


def test_nothing_measured_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(who: Entry) -> None:
        raise ModelError("There is nothing to load: choose another folder.")

    monkeypatch.setattr(suite, "Here", start)
    with pytest.raises(ModelError, match="nothing to load"):
        run(model="csm-nano", random_weights=True, device="cpu", frames=2, apart=False)
