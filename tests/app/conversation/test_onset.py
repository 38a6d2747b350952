"""A sudden sound beside the loudspeaker's, by levels alone."""

from __future__ import annotations

import random

from app.conversation.onset import OnsetFinder

SPEECH_DB = -25.0
QUIET_DB = -68.0


def run(finder: OnsetFinder, clean_db: list[float], far_db: float = SPEECH_DB) -> list[int]:
    """The blocks at which something began."""
    return [n for n, level in enumerate(clean_db) if finder.block(level, far_db)]


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


def test_after_a_reset_the_loudspeaker_is_listened_to_anew() -> None:
    finder = OnsetFinder()
    run(finder, [QUIET_DB] * 60)
    finder.reset()
    assert run(finder, [-30.0] * 10) == []
