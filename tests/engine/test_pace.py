"""The size of the chunks: one while sound is awaited or making is slow, more where nobody notices."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pace import LONGEST_S, Pace

FRAME_S = 0.08


@pytest.fixture(autouse=True)
def chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are in use."""
    monkeypatch.setattr("engine.pace.CHUNKS", (4, 2))


class Clock:
    """A clock that stands still until it is moved."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def made(pace: Pace, clock: Clock, each_s: float, chunks: int) -> list[int]:
    """The sizes of so many chunks, each frame made in ``each_s``."""
    sizes = list[int]()
    for _ in range(chunks):
        sizes.append(pace.start())
        clock.now_s += each_s * sizes[-1]
        pace.done(sizes[-1])
    return sizes


def test_a_fast_machine_makes_one_one_two_four() -> None:
    clock = Clock()
    assert made(Pace(FRAME_S, clock), clock, 0.012, 6) == [1, 1, 2, 4, 4, 4]


@pytest.mark.parametrize("each_s", [0.08, 0.1, 2.0])
def test_where_making_is_no_faster_than_playing_every_frame_comes_by_itself(each_s: float) -> None:
    clock = Clock()
    assert set(made(Pace(FRAME_S, clock), clock, each_s, 200)) == {1}


def test_a_machine_that_is_little_faster_waits_until_there_is_enough_to_play() -> None:
    clock = Clock()
    sizes = made(Pace(FRAME_S, clock), clock, 0.06, 60)
    assert sizes[:8] == [1] * 8
    assert sizes[-1] == 2  # four would keep a cancelled line for longer than is allowed
    assert LONGEST_S < 4 * 0.06


def test_a_new_turn_begins_with_single_frames() -> None:
    clock = Clock()
    pace = Pace(FRAME_S, clock)
    made(pace, clock, 0.01, 9)
    pace.begin()
    assert made(pace, clock, 0.01, 3) == [1, 1, 2]


def test_sound_that_ran_out_is_awaited_again() -> None:
    clock = Clock()
    pace = Pace(FRAME_S, clock)
    assert made(pace, clock, 0.01, 9)[-1] == 4
    clock.now_s += 60  # the next sentence took its time
    assert made(pace, clock, 0.012, 2) == [1, 2]


@given(times_s=st.lists(st.floats(0.001, 0.3), min_size=1, max_size=80))
def test_sound_that_is_being_played_does_not_run_out_for_a_chunk_made_at_the_usual_pace(
    times_s: list[float],
) -> None:
    clock = Clock()
    pace = Pace(FRAME_S, clock)
    until_s, frames, spent_s = 0.0, 0, 0.0
    for each_s in times_s:
        size = pace.start()
        if size > 1:
            assert clock.now_s + size * spent_s / frames < until_s
        clock.now_s += size * each_s
        pace.done(size)
        frames, spent_s = frames + size, spent_s + size * each_s
        until_s = max(until_s, clock.now_s) + size * FRAME_S
