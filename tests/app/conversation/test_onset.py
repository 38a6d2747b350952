"""A sudden sound beside the loudspeaker's, by levels alone."""

from __future__ import annotations

import random

from app.conversation.onset import OnsetFinder

SPEECH_DB = -25.0
QUIET_DB = -68.0


def run(
    finder: OnsetFinder,
    clean_db: list[float],
    far_db: float = SPEECH_DB,
    near_db: list[float] | None = None,
) -> list[int]:
    """The blocks at which something began; the microphone as heard where it is not given."""
    pairs = zip(near_db or clean_db, clean_db, strict=True)
    return [n for n, (near, clean) in enumerate(pairs) if finder.block(near, clean, far_db)]


def test_a_voice_is_found_with_its_second_block() -> None:
    finder = OnsetFinder()
    assert run(finder, [QUIET_DB] * 60) == []
    assert run(finder, [-48.0, -40.0, -30.0, -25.0] + [-20.0] * 100) == [1]


def test_one_loud_block_is_a_click() -> None:
    finder = OnsetFinder()
    assert run(finder, [QUIET_DB] * 60 + [-20.0] + [QUIET_DB] * 60) == []


def test_what_gets_through_of_an_echo_is_none_once_it_has_shown() -> None:
    rng = random.Random(3)
    leak = [rng.uniform(-55.0, -47.0) for _ in range(300)]
    finder = OnsetFinder()
    assert run(finder, leak) == []
    assert run(finder, [-30.0] * 5) == [1]


def test_a_canceller_that_takes_less_away_is_no_sound() -> None:
    finder = OnsetFinder()
    clean = [-82.0] * 60 + [-75.0, -65.0, -50.0, -42.0, -42.0, -44.0]
    assert run(finder, clean, near_db=[-30.0] * len(clean)) == []


def test_a_voice_that_reaches_the_microphone_before_it_is_cleaned_is_found() -> None:
    finder = OnsetFinder()
    run(finder, [QUIET_DB] * 60)
    near = [-40.0, -35.0, -33.0, -33.0]
    assert run(finder, [QUIET_DB, -45.0, -36.0, -33.0], near_db=near) == [2]


def test_the_beginning_of_an_echo_is_none() -> None:
    finder = OnsetFinder()
    assert run(finder, [QUIET_DB] * 100, far_db=-90.0) == []
    assert run(finder, [QUIET_DB] * 5 + [-30.0] * 60) == []


def test_without_playback_nothing_is_looked_for() -> None:
    finder = OnsetFinder()
    assert run(finder, [QUIET_DB] * 60 + [-20.0] * 60, far_db=-90.0) == []


def test_a_gap_of_the_loudspeaker_is_bridged_and_a_long_one_is_not() -> None:
    for gap, found in ((15, [1]), (60, [])):
        finder = OnsetFinder()
        run(finder, [QUIET_DB] * 60)
        run(finder, [QUIET_DB] * gap, far_db=-90.0)
        assert run(finder, [-30.0] * 5) == found


def surprised(
    finder: OnsetFinder, unexplained_db: list[float], far_db: float = SPEECH_DB
) -> list[int]:
    """As ``run`` beside an echo whose level tells nothing: it is as loud as ever."""
    return [
        n for n, value in enumerate(unexplained_db) if finder.block(-30.0, -45.0, far_db, value)
    ]


def test_what_the_echo_does_not_explain_is_found_beside_a_loud_one() -> None:
    finder = OnsetFinder()
    assert surprised(finder, [0.3, 3.2, 7.9] * 30) == []
    assert surprised(finder, [6.0, 11.0, 12.0] + [14.0] * 100) == [2]


def test_one_surprising_block_is_a_click() -> None:
    finder = OnsetFinder()
    assert surprised(finder, [0.5] * 60 + [12.0] + [0.5] * 60) == []


def test_an_echo_that_is_explained_badly_all_along_is_no_sound() -> None:
    rng = random.Random(5)
    finder = OnsetFinder()
    surprised(finder, [10.0] * 20)
    assert surprised(finder, [rng.uniform(8.0, 10.5) for _ in range(300)]) == []
    assert surprised(finder, [13.5] * 5) == [1]


def test_a_surprise_at_the_beginning_of_an_answer_is_waited_for() -> None:
    finder = OnsetFinder()
    assert surprised(finder, [0.0] * 60, far_db=-90.0) == []
    assert surprised(finder, [12.0] * 60) == []


def test_a_surprise_while_nothing_is_played_is_none() -> None:
    finder = OnsetFinder()
    surprised(finder, [0.0] * 60)
    assert surprised(finder, [0.0] * 60 + [12.0] * 30, far_db=-90.0) == []


def test_after_a_reset_the_loudspeaker_is_listened_to_anew() -> None:
    finder = OnsetFinder()
    run(finder, [QUIET_DB] * 60)
    finder.reset()
    assert run(finder, [-30.0] * 10) == []
