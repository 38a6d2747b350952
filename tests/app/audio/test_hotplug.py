"""When a device counts as lost, when it gets more delay, when to look again, and what is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.host import Endpoint
from app.audio.hotplug import Patience, Pulse, Search, picked, problem


def test_a_device_that_stops_calling_is_lost_after_half_a_second() -> None:
    pulse = Pulse(0, 10.0)
    assert not pulse.lost(480, True, 10.4)
    assert not pulse.lost(480, True, 10.9)
    assert pulse.lost(480, True, 10.91)


def test_a_device_may_take_three_seconds_to_wake_up() -> None:
    pulse = Pulse(4800, 10.0)
    assert not pulse.lost(4800, True, 12.9)
    assert pulse.lost(4800, True, 13.1)
    assert Pulse(0, 10.0).lost(0, False, 10.0)  # unless its stream ended


def test_filling_its_buffer_is_not_yet_waking_up() -> None:
    pulse = Pulse(0, 10.0)
    for number in range(5):
        assert not pulse.lost(480 * number, True, 10.0 + 0.02 * number)
    assert not pulse.lost(1920, True, 12.0)
    assert not pulse.lost(2400, True, 12.5)
    assert pulse.lost(2400, True, 13.1)


@given(st.lists(st.floats(0.01, 0.49), min_size=1, max_size=50))
def test_a_device_that_calls_often_enough_is_never_lost(pauses: list[float]) -> None:
    pulse, now_s, count = Pulse(0, 0.0), 0.0, 0
    for pause in pauses:
        now_s, count = now_s + pause, count + 480
        assert not pulse.lost(count, True, now_s)


def test_two_xruns_in_ten_seconds_ask_for_more_delay() -> None:
    need = Patience((0.03, 0.06, 0.12))
    need.opened(0.0)
    assert not need.more(3, 0.5)  # the first second is free
    assert not need.more(4, 5.0)
    assert not need.more(4, 6.0)
    assert need.more(5, 7.0)
    assert need.latency_s == 0.06
    need.opened(7.0)
    assert not need.more(1, 9.0)
    assert not need.more(2, 20.0)  # too far apart
    assert need.more(3, 25.0)
    need.opened(25.0)
    assert not need.more(9, 27.0)  # there is no more
    assert need.latency_s == 0.12


def test_nothing_at_all_is_looked_for_every_second_and_later_every_third() -> None:
    search = Search()
    search.looked(nothing=True, better=False, now_s=0.0)
    assert not search.due(nothing=True, quiet=False, now_s=0.9)
    assert search.due(nothing=True, quiet=False, now_s=1.0)
    search.looked(nothing=True, better=False, now_s=31.0)
    assert not search.due(nothing=True, quiet=False, now_s=32.5)
    assert search.due(nothing=True, quiet=False, now_s=34.0)


def test_what_is_missing_beside_something_that_works_is_looked_for_less_and_less() -> None:
    search, now_s, waits = Search(), 0.0, []
    search.looked(nothing=False, better=True, now_s=now_s)
    for _ in range(7):
        last_s = now_s
        while not search.due(nothing=False, quiet=True, now_s=now_s):
            now_s += 1.0
        waits.append(now_s - last_s)
        search.looked(nothing=False, better=False, now_s=now_s)
    assert waits == [3.0, 6.0, 12.0, 24.0, 48.0, 60.0, 60.0]
    assert not search.due(nothing=False, quiet=False, now_s=now_s + 1000.0)  # somebody speaks


ENDS = (
    Endpoint(0, "Desk", 48_000, 0, 2),
    Endpoint(1, "Built-in", 48_000, 2, 2, default_input=True, default_output=True),
    Endpoint(2, "Headset", 16_000, 1, 2),
)


@pytest.mark.parametrize(
    ("wanted", "inputs", "found"),
    [
        ("Headset", True, "Headset"),
        ("Desk", True, "Built-in"),  # it has no microphone
        ("Gone", False, "Built-in"),
        ("", False, "Built-in"),
        ("Desk", False, "Desk"),
    ],
)
def test_a_device_is_picked_by_name_else_the_systems(wanted: str, inputs: bool, found: str) -> None:
    end = picked(ENDS, wanted, inputs)
    assert end is not None
    assert end.label == found


def test_without_a_default_the_first_that_fits_is_picked() -> None:
    assert picked((ENDS[0], ENDS[2]), "", inputs=True) is ENDS[2]
    assert picked((ENDS[0],), "", inputs=True) is None


@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
@pytest.mark.parametrize(
    ("wanted", "used", "zeros", "refused", "word"),
    [
        (("", ""), ("", ""), False, "", "no microphone and no loudspeaker"),
        (("", ""), ("", "Speaker"), False, "“Mic” cannot be opened: busy", "busy"),
        (("", ""), ("Mic", ""), False, "", "read meanwhile"),
        (("", ""), ("Mic", "Speaker"), True, "", "No sound arrives"),
        (("Headset", ""), ("Mic", "Speaker"), False, "", "“Headset” is not there"),
    ],
)
def test_every_problem_is_one_sentence_that_says_what_to_do(
    platform: str,
    wanted: tuple[str, str],
    used: tuple[str, str],
    zeros: bool,
    refused: str,
    word: str,
) -> None:
    said = problem(wanted, used, zeros, platform, refused)
    assert word in said
    assert said.endswith(".")
    assert ". " not in said
    assert any(verb in said for verb in ("plug", "allow", "choose"))


def test_the_permission_is_where_each_system_has_it() -> None:
    said = {
        name: problem(("", ""), ("", "S"), False, name) for name in ("win32", "darwin", "linux")
    }
    assert "Settings › Privacy & security" in said["win32"]
    assert "System Settings › Privacy & Security" in said["darwin"]
    assert len(set(said.values())) == 3


def test_no_problem_says_nothing() -> None:
    assert problem(("", "Speaker"), ("Mic", "Speaker"), False, "linux") == ""
