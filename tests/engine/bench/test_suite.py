"""Who takes part, in which order, and what becomes of those who fail."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import pytest
import torch

from engine.bench import run, suite
from engine.bench.build import Wanted, random_model
from engine.bench.child import Entry
from engine.bench.profiling import Part
from engine.bench.rows import About, Bandwidth, Round
from engine.config import CSM_1B, CSM_NANO, tiny
from engine.errors import DeviceError, EngineError, ModelError
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


class Fake:
    """A contestant that notes what is asked of it, and fails when its precision is fp32."""

    log: list[str]

    def __init__(self, who: Entry, log: list[str]) -> None:
        self.who, self.log = who, log
        self.about = About(who.kind, who.wanted.precision, "cpu", 12.5, 1e9, 1.0)
        log.append(f"start {self.name}")

    @property
    def name(self) -> str:
        return f"{self.who.kind} {self.who.wanted.precision}"

    def round(self, frames: int) -> Round:
        if self.who.wanted.precision == "fp32":
            raise DeviceError("No fp32 here: use bf16.")
        self.log.append(self.name)
        return Round([0.1 if self.who.is_peer else 0.05] * frames)

    def profile(self) -> list[Part]:
        return [Part("aten::mm", 1.0, 2, 1.0)]

    def peak(self) -> float | None:
        return 1e9

    def close(self) -> None:
        self.log.append(f"end {self.name}")


ENTRIES = [entry("transformers eager", "bf16"), entry("parley", "bf16"), entry("parley", "int8")]


def test_contestants_take_turns_side_by_side() -> None:
    log: list[str] = []
    contest = suite.Contest(ENTRIES, lambda who: Fake(who, log), log.append)
    contest.play(2, together=True)
    names = ["transformers eager bf16", "parley bf16", "parley int8"]
    assert [line for line in log if line in names] == names * 2
    for name in names:
        assert log.count(f"start {name}") == log.count(f"end {name}") == 1
    rows = contest.rows(Bandwidth(1e10, 1e10))
    assert [row.ratio for row in rows] == [None, pytest.approx(2), pytest.approx(2)]


def test_without_room_each_ends_before_the_next_starts() -> None:
    log: list[str] = []
    suite.Contest(ENTRIES, lambda who: Fake(who, log), lambda line: None).play(2, together=False)
    assert len(log) == 2 * 3 * 3
    for start, work, end in zip(log[::3], log[1::3], log[2::3], strict=True):
        assert (start, end) == (f"start {work}", f"end {work}")


def test_who_fails_is_left_out_and_ends() -> None:
    log: list[str] = []
    entries = [entry("parley", "fp32"), entry("parley", "bf16")]
    contest = suite.Contest(entries, lambda who: Fake(who, log), lambda line: None)
    contest.play(2, together=True, profile=True)
    assert contest.failed == {entries[0]: "No fp32 here: use bf16."}
    assert log.count("start parley fp32") == log.count("end parley fp32") == 1
    assert [row.precision for row in contest.rows(Bandwidth(1e10, 1e10))] == ["bf16"]
    assert [each["precision"] for each in contest.profiles()] == ["bf16"]


def test_an_interrupt_ends_all() -> None:
    log: list[str] = []

    class Interrupted(Fake):
        def round(self, frames: int) -> Round:
            if self.who.wanted.precision == "int8":
                raise KeyboardInterrupt
            return super().round(frames)

    contest = suite.Contest(ENTRIES, lambda who: Interrupted(who, log), lambda line: None)
    with pytest.raises(KeyboardInterrupt):
        contest.play(2, together=True)
    assert sum(line.startswith("start") for line in log) == 3
    assert sum(line.startswith("end") for line in log) == 3


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
    assert suite.precisions("auto", CSM_NANO, CPU) == ["fp32"]
    assert suite.precisions("auto", CSM_1B, torch.device("cuda")) == ["bf16"]


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


def test_nothing_measured_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(who: Entry) -> Fake:
        raise ModelError("There is nothing to load: choose another folder.")

    monkeypatch.setattr(suite, "Here", start)
    with pytest.raises(ModelError, match="nothing to load"):
        run(model="csm-nano", random_weights=True, device="cpu", frames=2, apart=False)
