"""The measuring of the mark, on little sound: its counts are right and its table is whole."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evaluation.damage import Fate
from engine.evaluation.watermark import (
    Row,
    audibility,
    false_alarms,
    frame_us,
    survival,
    table,
)
from engine.types import FloatArray
from tests.engine.watermark.conftest import speechlike


@pytest.fixture(scope="module")
def sounds() -> list[FloatArray]:
    return [speechlike(2.5, seed) for seed in range(3)]


def test_what_is_left_alone_is_found_and_what_is_erased_is_not(sounds: list[FloatArray]) -> None:
    kept = survival(Fate("kept", lambda sound, _: sound), sounds, 2)
    assert (kept.files, kept.found, kept.named) == (3, 1.0, 1.0)
    assert kept.log10_p < -20
    gone = survival(Fate("gone", lambda sound, _: np.zeros_like(sound)), sounds, 2)
    assert (gone.found, gone.named, gone.log10_p) == (0.0, 0.0, 0.0)


def test_the_rates_are_shares_of_the_files(sounds: list[FloatArray]) -> None:
    calls = iter([True, False, True])
    half = Fate("half", lambda sound, _: sound if next(calls) else np.zeros_like(sound))
    assert survival(half, sounds, 2).found == pytest.approx(2 / 3)


def test_wrong_keys_are_counted_and_find_nothing(sounds: list[FloatArray]) -> None:
    alarms = false_alarms(sounds[:1], keys=40)
    assert (alarms["looked_at"], alarms["alarms"], alarms["keys_tried"]) == (2, 0, 40)
    assert 3 < alarms["highest_score"] < alarms["score_needed"]
    assert alarms["share_below_p"]["0.001"] == 0


def test_audibility_is_measured_on_the_mark_itself(sounds: list[FloatArray]) -> None:
    measured = audibility(sounds)
    assert 25 < measured["segmental_db"] < 45
    assert measured["noise_to_mask_db"] < -10
    assert 0 <= measured["share_over_mask_by_6_db"] <= measured["share_over_mask"] < 0.2


def test_the_table_has_a_line_for_each_kind_of_damage(sounds: list[FloatArray]) -> None:
    rows = [Row("cut", s, 3, 1.0, 0.5, -9.4) for s in (2, 5, 10)]
    rows += [Row("gone", s, 3, 0.0, 0.0, 0.0) for s in (2, 5, 10)]
    rate = {"rate": 0.1, "standard_error": 0.01}
    report = {
        "replies": 3,
        "others": 0,
        "frame_us": frame_us(sounds[0], frames=3),
        "audibility": audibility(sounds[:1]),
        "recognition": {"lines": 4, "unmarked": rate, "marked": rate},
        "false_alarms": false_alarms(sounds[:1], keys=2),
        "rows": [{name: getattr(row, name) for name in Row.__dataclass_fields__} for row in rows],
    }
    lines = list(table(report))
    assert lines[-2] == "| cut | " + " | ".join(["100% (10^-9; read 50%)"] * 3) + " |"
    assert lines[-1] == "| gone | " + " | ".join(["0% (1; read 0%)"] * 3) + " |"
