"""Turns, failures, and the end of the time."""

from __future__ import annotations

import pytest

from engine.bench.build import Wanted
from engine.bench.child import Entry
from engine.bench.contest import Budget, Contest
from engine.bench.profiling import Part
from engine.bench.rows import About, Bandwidth, Round
from engine.errors import DeviceError, ModelError

COPY = Bandwidth(1e10, 1e10)


def entry(kind: str, precision: str) -> Entry:
    return Entry(kind, Wanted("csm-nano", True, "cpu", precision, None), 4)


class Fake:
    """A contestant that notes what is asked of it, and fails when its precision is fp32."""

    patience_s: float | None = None

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
    contest = Contest(ENTRIES, lambda who: Fake(who, log), log.append)
    contest.play(2, together=True)
    names = ["transformers eager bf16", "parley bf16", "parley int8"]
    assert [line for line in log if line in names] == names * 2
    for name in names:
        assert log.count(f"start {name}") == log.count(f"end {name}") == 1
    rows = contest.rows(Bandwidth(1e10, 1e10))
    assert [row.ratio for row in rows] == [None, pytest.approx(2), pytest.approx(2)]


def test_without_room_each_ends_before_the_next_starts() -> None:
    log: list[str] = []
    Contest(ENTRIES, lambda who: Fake(who, log), lambda line: None).play(2, together=False)
    assert len(log) == 2 * 3 * 3
    for start, work, end in zip(log[::3], log[1::3], log[2::3], strict=True):
        assert (start, end) == (f"start {work}", f"end {work}")


def test_who_fails_is_left_out_and_ends() -> None:
    log: list[str] = []
    entries = [entry("parley", "fp32"), entry("parley", "bf16")]
    contest = Contest(entries, lambda who: Fake(who, log), lambda line: None)
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

    contest = Contest(ENTRIES, lambda who: Interrupted(who, log), lambda line: None)
    with pytest.raises(KeyboardInterrupt):
        contest.play(2, together=True)
    assert sum(line.startswith("start") for line in log) == 3
    assert sum(line.startswith("end") for line in log) == 3


def test_who_fails_later_keeps_the_rounds_that_it_had() -> None:
    class Tired(Fake):
        rounds = 0

        def round(self, frames: int) -> Round:
            self.rounds += 1
            if self.who.wanted.precision == "int8" and self.rounds == 2:
                raise ModelError("It ended without a word: free some memory.")
            return super().round(frames)

    contest = Contest(ENTRIES, lambda who: Tired(who, []), lambda line: None)
    contest.play(3, together=True)
    rows = contest.rows(COPY)
    assert [row.frames for row in rows] == [12, 12, 4]
    assert (
        rows[2].note == "Stopped after 1 of its rounds: It ended without a word: free some memory."
    )
    assert rows[1].note == ""
    assert contest.left_out() == []


class Clock:
    """Stands still until a contestant takes its time."""

    now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


def test_when_the_time_is_up_what_was_measured_is_kept() -> None:
    clock, told = Clock(), list[str]()

    class Slow(Fake):
        def round(self, frames: int) -> Round:
            clock.now_s += 20
            return super().round(frames)

    contest = Contest(ENTRIES, lambda who: Slow(who, []), told.append, Budget(100, clock))
    contest.play(9, together=True)
    # Five turns of 20 s: beyond 88 s nothing begins.
    assert [row.frames for row in contest.rows(COPY)] == [8, 8, 4]
    assert contest.left_out() == []
    assert "time is up" in told[-1]


def test_whose_turn_did_not_come_is_told() -> None:
    clock = Clock()
    contest = Contest(ENTRIES, lambda who: Fake(who, []), lambda line: None, Budget(100, clock))
    clock.now_s += 89
    contest.play(1, together=True)
    assert contest.rows(COPY) == []
    assert [each["precision"] for each in contest.left_out()] == ["bf16", "bf16", "int8"]
    assert all("before its turn" in each["why"] for each in contest.left_out())


def test_nobody_may_take_more_than_half_of_what_is_left() -> None:
    clock = Clock()
    budget = Budget(100, clock)
    assert budget.patience_s == 50 and not budget.over
    clock.now_s += 60
    assert budget.patience_s == 20 and not budget.over
    clock.now_s += 60
    assert budget.patience_s == 0 and budget.over
    assert Budget(None, clock).patience_s is None
    clock.now_s += 1e9
    assert not Budget(None, clock).over
