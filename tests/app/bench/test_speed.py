"""The table of the engine's bench."""

from __future__ import annotations

from typing import Any

from app.bench.speed import speed_table

ROW: dict[str, Any] = {
    "name": "parley csm-1b",
    "precision": "int8",
    "device": "cpu",
    "rtf": 1.9012,
    "frame_ms_min": 140.0,
    "frame_ms_p50": 150.04,
    "frame_ms_p99": 171.0,
    "feed_ms": 30.0,
    "draw_ms": 110.0,
    "mimi_ms": 10.0,
    "feed_gb_s": 32.4,
    "draw_gb_s": None,
    "first_audio_ms": 412.0,
    "prefill_text_ms": 260.0,
    "prefill_all_ms": 4000.0,
    "peak_memory_gb": 2.345,
    "gb_per_frame": 4.5,
    "load_s": 3.21,
    "limit_share": 0.7071,
    "read_share": 0.6,
    "ratio": 3.5,
    "ratios": {"transformers eager": [3.25, 3.75]},
    "decoder": "NativeDecoder",
    "note": "",
}
PEER = {
    **ROW,
    "name": "transformers csm-1b eager",
    "precision": "bf16",
    "feed_ms": None,
    "peak_memory_gb": None,
    "ratios": {},
    "decoder": "",
    "note": "at the end",
}
RESULT: dict[str, Any] = {
    "rows": [PEER, ROW],
    "left_out": [{"name": "parley", "precision": "int4", "why": "No int4 here: use int8."}],
    "profile": [
        {
            "name": "parley csm-1b",
            "precision": "int8",
            "frame_ms": 150.0,
            "parts": [{"name": "aten::mm", "ms": 99.5, "calls": 7.0, "share": 1.0}],
        }
    ],
    "bandwidth_gb_s": 30.0,
    "read_bandwidth_gb_s": 45.0,
    "context_positions": 500,
    "text_positions": 40,
    "rounds": 2,
    "frames": 10,
    "threads": 2,
    "torch": "2.0",
    "omp_wait_policy": "PASSIVE",
    "device_name": "a CPU",
}


def test_rows_stand_below_their_heads() -> None:
    lines = speed_table(RESULT).splitlines()
    head = next(i for i, line in enumerate(lines) if "RTF" in line)
    peer, ours = lines[head + 1 : head + 3]
    assert peer.startswith("transformers csm-1b eager bf16 ")
    assert peer.rstrip().endswith("-")
    assert ours.startswith("parley csm-1b int8 ")
    assert "  native  " in ours
    assert ours.endswith("3.50 (3.25-3.75)")
    assert len({len(line) for line in lines[head : head + 3]}) == 1
    end = lines[head].index("RTF") + 3
    assert ours[:end].endswith(" 1.901")
    assert " 71%" in ours and " 60%" in ours and " 3.2 " in ours and " 2.35" in ours


def test_what_was_left_out_and_the_profile_are_told() -> None:
    text = speed_table(RESULT)
    assert "parley int4 is left out: No int4 here: use int8." in text
    assert text.index("aten::mm") < text.index("RTF")
    assert "transformers: at the end" in text.splitlines()


def test_without_a_peer_there_is_no_ratio() -> None:
    text = speed_table(RESULT | {"rows": [ROW | {"ratios": {}}], "profile": [], "left_out": []})
    assert " x " not in text


def test_a_card_is_told_to_a_hundredth_of_a_millisecond() -> None:
    row = ROW | {"frame_ms_p50": 2.614, "frame_ms_p99": 31.26, "first_audio_ms": 9.876}
    text = speed_table(RESULT | {"rows": [row]})
    assert "  2.61  31.3 " in text and " 9.88 " in text
