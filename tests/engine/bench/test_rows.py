"""From rounds to rows: the arithmetic, by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest
from torch.autograd import DeviceType

from engine.bench.profiling import largest, own_times
from engine.bench.rows import About, Bandwidth, Round, make_row, ratios
from engine.config import CSM_1B
from engine.runtime.precision import Precision, bytes_per_frame

ABOUT = About("parley csm-1b", "bf16", "cpu", 12.5, 9e9, 3.0)
COPY_30_READ_45 = Bandwidth(30e9, 45e9)


def rounds(*frame_s: float) -> list[Round]:
    """One round of three frames for each time."""
    return [Round([each] * 3, {"draw": [each / 2] * 3}, [1.0], [0.5], [8.0]) for each in frame_s]


def test_a_frame_of_csm_1b_reads_the_published_number_of_weights() -> None:
    # 973.1 M backbone + 4.2 M head of codebook 0 + 31 * 111.15 M depth + 65.1 M heads + 2.1 M
    # projection, which is folded into the embeddings of codes.
    weights = bytes_per_frame(CSM_1B, Precision.BF16) / 2
    assert weights == pytest.approx(4.490e9, rel=1e-3)
    assert bytes_per_frame(CSM_1B, Precision.FP32) == 4 * weights


def test_share_of_the_limit_by_hand() -> None:
    row = make_row(ABOUT, rounds(0.6), {}, COPY_30_READ_45, 2.5e9)
    # 9 GB take 0.3 s at 30 GB/s and 0.2 s at 45 GB/s; a frame took 0.6 s.
    assert row.limit_share == pytest.approx(0.5)
    assert row.read_share == pytest.approx(1 / 3)
    assert row.gb_per_frame == 9.0
    assert row.peak_memory_gb == 2.5


def test_csm_1b_in_bf16_at_the_limit_of_46_gb_a_second() -> None:
    read = bytes_per_frame(CSM_1B, Precision.BF16)
    about = About("parley csm-1b", "bf16", "cpu", 12.5, read, 3.0)
    row = make_row(about, rounds(0.1952), {}, Bandwidth(46e9, 46e9), None)
    assert row.limit_share == pytest.approx(1.0, rel=2e-3)
    assert row.rtf == pytest.approx(2.44)


def test_times_are_medians_in_milliseconds_and_the_factor_is_of_the_mean() -> None:
    row = make_row(ABOUT, rounds(0.1, 0.1, 0.4), {}, COPY_30_READ_45, None)
    assert row.rtf == pytest.approx(0.2 * 12.5)
    assert (row.frame_ms_min, row.frame_ms_p50) == (pytest.approx(100), pytest.approx(100))
    assert row.frame_ms_p99 == pytest.approx(400)
    assert (row.draw_ms, row.feed_ms, row.mimi_ms) == (pytest.approx(50), None, None)
    assert (row.first_audio_ms, row.prefill_text_ms, row.prefill_all_ms) == (1000, 500, 8000)
    assert row.frames == 9
    assert row.peak_memory_gb is None


def test_ratios_are_taken_within_rounds() -> None:
    ours, theirs = rounds(0.1, 0.2, 0.4), rounds(0.3, 0.4, 2.0)
    assert ratios(ours, theirs) == pytest.approx([3, 2, 5])
    peers = {"transformers eager": theirs, "transformers compiled": rounds(0.1, 0.1, 0.1)}
    row = make_row(ABOUT, ours, peers, COPY_30_READ_45, None)
    assert row.ratio == pytest.approx(3)  # not 0.4 / 0.2, as the medians over all rounds would give
    assert row.ratios["transformers compiled"] == pytest.approx([1, 0.5, 0.25])


def test_each_half_has_its_own_rate() -> None:
    about = About("parley csm-1b", "bf16", "cpu", 12.5, 9e9, 3.0, feed_bytes=2e9)
    did = Round([0.5], {"feed": [0.1], "draw": [0.35], "mimi": [0.05]})
    row = make_row(about, [did], {}, COPY_30_READ_45, None)
    assert (row.feed_gb_s, row.draw_gb_s) == (pytest.approx(20), pytest.approx(20))
    assert make_row(ABOUT, [did], {}, COPY_30_READ_45, None).draw_gb_s is None


def test_one_slow_frame_does_not_spoil_a_ratio() -> None:
    ours = [Round([0.1, 0.1, 9.0])]
    assert ratios(ours, [Round([0.2, 0.2, 0.2])]) == pytest.approx([2])


def test_row_of_a_peer_is_json_with_all_keys() -> None:
    row = json.loads(json.dumps(asdict(make_row(ABOUT, [Round([0.1])], {}, COPY_30_READ_45, 1.0))))
    assert {"name", "precision", "device", "rtf", "frame_ms_p50", "frame_ms_p99"} <= row.keys()
    assert {"first_audio_ms", "peak_memory_gb", "limit_share"} <= row.keys()
    assert row["ratio"] is None and row["first_audio_ms"] is None


def test_what_a_profile_does_not_list_is_summed() -> None:
    parts = largest([("a", 1.0, 1), ("b", 5.0, 2), ("c", 3.0, 4), ("d", 1.0, 8)], most=2)
    assert [(part.name, part.ms, part.calls) for part in parts] == [
        *(("b", 5.0, 2), ("c", 3.0, 4)),
        ("other", 2.0, 9),
    ]
    assert sum(part.share for part in parts) == pytest.approx(1)


def test_on_a_card_a_kernel_is_counted_once() -> None:
    def event(name: str, device: DeviceType, ms: float, *, annotation: bool = False) -> Any:
        time = {"self_device_time_total": ms * 1000, "self_cpu_time_total": 7.0}
        return SimpleNamespace(
            key=name, device_type=device, count=4, is_user_annotation=annotation, **time
        )

    events = [
        event("aten::mm", DeviceType.CPU, 6.0),
        event("gemm_kernel", DeviceType.CUDA, 6.0),
        event("a frame", DeviceType.CUDA, 6.0, annotation=True),
    ]
    assert own_times(events, 2, card=True) == [("gemm_kernel", 3.0, 2.0)]
    assert len(own_times(events, 2, card=False)) == 3
