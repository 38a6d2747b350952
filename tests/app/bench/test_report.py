"""Figures, targets and the table; what happens when the run is stopped."""

from __future__ import annotations

import json
import re

import pytest

from app.bench.profiles import CSM_CONTEXT_4090_S, CSM_FIRST_4090_S, CSM_FRAME_4090_S, rtx4090
from app.bench.report import TARGETS, figures, judged, soak_figures, table
from app.bench.sets import SETS, Kind
from app.bench.turn import TurnOptions, run, set_names
from app.core.errors import InputError
from app.core.events import Final, ReplyMade, ReplySound, ReplyText
from app.core.turn import TurnId


def test_figures_are_over_what_could_be_told() -> None:
    found = figures(
        [
            {"barge_in": 1.0, "duck_ms": 100.0},
            {"barge_in": 0.0},
            {"barge_in": 1.0, "duck_ms": 200.0},
            {"void": 1.0},
        ]
    )
    assert found["items"] == 3
    assert found["void"] == 1
    assert found["barge_in_percent"] == pytest.approx(66.67)
    assert found["duck_ms_p50"] == 150
    assert found["duck_ms_max"] == 200
    assert "stop_ms_p95" not in found


def test_rates_per_hour_and_word_errors() -> None:
    found = figures(
        [
            {"self_interruptions": 1.0, "talk_s": 30.0, "words": 4.0, "wrong_words": 1.0},
            {"self_interruptions": 0.0, "talk_s": 60.0, "words": 6.0, "wrong_words": 0.0},
        ]
    )
    assert found["self_interruptions_per_hour"] == 40
    assert found["observed_s"] == 90
    assert found["word_error_percent"] == 10


def test_a_soak_tells_its_parts_apart() -> None:
    found = soak_figures(
        [
            (Kind.TURN, {"reply_ms": 500.0}),
            (Kind.MURMUR, {"stopped": 1.0}),
            (Kind.SOAK, {"turns": 2.0}),
        ]
    )
    assert found["items"] == 2
    assert found["turns"] == 2
    assert found["turn_reply_ms_p50"] == 500
    assert found["murmur_stopped_percent"] == 100


def test_every_target_is_of_a_figure_that_exists() -> None:
    marks = {
        **dict.fromkeys(("wrong_cut_raw", "wrong_cut_felt", "barge_in", "stopped", "resumed"), 1.0),
        **dict.fromkeys(("reply_ms", "duck_ms", "stop_ms", "heard_words_off", "erle_db"), 1.0),
        **dict.fromkeys(("lost_words", "repeated_words", "self_interruptions", "talk_s"), 1.0),
        **dict.fromkeys(("hallucinated_turns", "seconds", "memory_growth_mb"), 1.0),
        "recorder_off_samples": 0.0,
    }
    found = figures([marks])
    assert all(target.figure in found for target in TARGETS)
    assert {target.set for target in TARGETS} == set(SETS) - {"E3"}


def test_targets_are_met_missed_or_not_measured() -> None:
    rows = judged({"E4": {"barge_in_percent": 97.9, "duck_ms_p95": 130.0}})
    verdicts = {row["figure"]: row["met"] for row in rows}
    assert verdicts["barge_in_percent"] is False
    assert verdicts["duck_ms_p95"] is True
    assert verdicts["stop_ms_p95"] is None
    assert judged({}) == []


def test_a_run_has_all_its_parts_and_can_be_printed() -> None:
    told: list[str] = []
    options = TurnOptions(("E1", "E10"), items=11, minutes=2.0)
    seen: list[float] = []

    def perform(item):
        seen.append(item.seconds)
        return [(item.kind, {"reply_ms": 400.0, "memory_growth_mb": 200.0})]

    result = run(options, perform, told.append)
    assert result["sets"]["E1"]["items"] == 11
    assert seen[-1] == 120
    assert not result["stopped"]
    assert any("10/11" in line for line in told)
    text = table(result)
    assert "MISSED" in text
    assert "met" in text
    assert "not measured" in text
    assert re.search(r"reply_ms +p50 +400  p90 +400  p95 +400  max +400$", text, re.MULTILINE)
    assert json.loads(json.dumps(result)) == result


def test_stopping_keeps_what_was_done() -> None:
    def perform(item):
        if (item.set, item.number) == ("E3", 2):
            raise KeyboardInterrupt
        return [(item.kind, {"reply_ms": 400.0})]

    result = run(TurnOptions(("E1", "E3", "E9"), items=4), perform, lambda line: None)
    assert result["stopped"]
    assert result["sets"]["E1"]["items"] == 4
    assert result["sets"]["E3"]["items"] == 2
    assert "E9" not in result["sets"]
    assert "Stopped" in table(result)


def test_names_of_sets_are_read_and_refused() -> None:
    assert set_names("e4, E1") == ("E1", "E4")
    for wrong in ("E11", "", "E1,foo"):
        with pytest.raises(InputError):
            set_names(wrong)
    with pytest.raises(InputError):
        run(TurnOptions(items=0), lambda item: [], lambda line: None)


def test_the_profile_of_another_machine_is_the_same_everywhere() -> None:
    turn = TurnId(1)
    sound = ReplySound(0.0, turn, 0, 0.08)
    assert rtx4090("speak", sound, 0, 9.0) == CSM_FIRST_4090_S
    assert rtx4090("speak", sound, 1, 9.0) == CSM_FRAME_4090_S
    assert rtx4090("speak", None, 0, 9.0) == CSM_CONTEXT_4090_S
    assert rtx4090("speak", None, 5, 9.0) == 0
    assert rtx4090("speak", ReplyMade(0.0, turn, 0), 0, 9.0) == 0
    assert 0 < rtx4090("think", ReplyText(0.0, turn, 0, "a"), 0, 9.0) < 0.5
    assert 0 < rtx4090("transcribe", Final(0.0, turn, 0, "a"), 0, 9.0) < 0.5
    assert rtx4090("transcribe", None, 1, 9.0) == 0
