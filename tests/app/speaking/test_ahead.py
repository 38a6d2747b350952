"""When there is time to choose among readings."""

from __future__ import annotations

import pytest

from app.core.types import SpokenLine
from app.speaking.ahead import Ahead

TEXT = "x" * 28  # two seconds


def line(audio_s: float, elapsed_s: float) -> SpokenLine:
    return SpokenLine("", round(audio_s / 0.08), "eos", audio_s, elapsed_s, 0.0)


@pytest.mark.parametrize(
    ("most", "audio_s", "elapsed_s", "later_s", "wanted"),
    [
        (3, 4.0, 0.4, 0.0, 3),  # 3.6 s ahead, half a second needed
        (3, 4.0, 0.4, 1.6, 3),
        (3, 4.0, 0.4, 2.2, 1),  # 1.4 s ahead would leave less than a second
        (3, 4.0, 2.0, 0.0, 1),  # too slow for it
        (1, 4.0, 0.4, 0.0, 1),
    ],
)
def test_only_where_the_loudspeaker_is_far_behind(
    most: int, audio_s: float, elapsed_s: float, later_s: float, wanted: int
) -> None:
    now_s = [10.0]
    ahead = Ahead(most, lambda: now_s[0])
    assert ahead.candidates(TEXT) == 1  # nothing is known yet, and the first line is waited for
    ahead.begin_turn()
    now_s[0] += elapsed_s
    ahead.made(line(audio_s, elapsed_s), 1)
    now_s[0] += later_s
    assert ahead.candidates(TEXT) == wanted
    ahead.begin_turn()
    assert ahead.candidates(TEXT) == 1


@pytest.mark.parametrize(("elapsed_s", "wanted"), [(4.0, 2), (100.0, 1)])
def test_once_several_readings_were_made_their_own_time_counts(
    elapsed_s: float, wanted: int
) -> None:
    ahead = Ahead(2, lambda: 10.0)
    ahead.made(line(10.0, 1.0), candidates=1)
    assert ahead.candidates(TEXT) == 2
    ahead.made(line(10.0, elapsed_s), candidates=2)
    assert ahead.candidates(TEXT) == wanted


def test_a_line_of_no_sound_tells_nothing() -> None:
    ahead = Ahead(2, lambda: 10.0)
    ahead.made(line(0.0, 4.0), 1)
    assert ahead.candidates(TEXT) == 1
