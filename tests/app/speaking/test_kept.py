"""What is kept of a conversation: cut, marked, bounded."""

from __future__ import annotations

import pytest

from app.speaking.kept import Kept, KeptLine


def line(frames: int, *, own: bool = True, text: str = "x") -> KeptLine:
    return KeptLine(0, text, bytes(range(frames)) * 2, 2, own, frames + 1)


def lengths(kept: Kept) -> list[int]:
    return [each.frames for each in kept.lines]


def test_frames_are_counted_over_the_turn() -> None:
    kept = Kept(100)
    kept.hear(line(5, own=False))
    kept.speak([line(4), line(3)])
    kept.speak([line(2)])
    assert kept.turn_frames == 9
    assert kept.keep_heard(6) == 3
    assert lengths(kept) == [5, 4, 2]
    assert kept.lines[-1].positions == 3
    assert kept.keep_heard(6) == 0
    assert kept.keep_heard(0) == 6
    assert lengths(kept) == [5]


def test_the_oldest_lines_leave_when_the_window_is_full() -> None:
    kept = Kept(20)
    for frames in (5, 6, 7):
        kept.hear(line(frames, own=False))
    assert lengths(kept) == [6, 7]
    kept.speak([line(9)])
    kept.speak([line(9)])
    assert lengths(kept) == [9, 9]
    kept.speak([line(9)])  # the turn itself no longer fits, but it is still counted
    assert kept.turn_frames == 27
    assert kept.keep_heard(20) == 7
    assert lengths(kept) == [9, 2]
    kept.hear(line(30, own=False))  # too long to be remembered at all
    assert lengths(kept) == [9, 2]
    assert kept.turn_frames == 0


def test_marks_can_be_used_again_and_forget_later_ones() -> None:
    kept = Kept(100)
    kept.hear(line(5, own=False))
    kept.speak([line(4)])
    first = kept.mark(1, 11)
    kept.speak([line(3)])
    second = kept.mark(1, 12)
    for _ in range(2):
        kept.keep_heard(2)
        kept.hear(line(8, own=False))
        assert kept.back_to(first) == (1, 11)
        assert lengths(kept) == [5, 4]
        assert kept.turn_frames == 4
    with pytest.raises(ValueError, match=f"no mark {second}"):
        kept.back_to(second)


def test_only_the_last_marks_are_kept() -> None:
    kept = Kept(100)
    marks = [kept.mark(1, number) for number in range(17)]
    with pytest.raises(ValueError, match="no mark"):
        kept.back_to(marks[0])
    assert kept.back_to(marks[1]) == (1, 1)


def test_making_do_drops_the_older_half_and_counts_on() -> None:
    kept = Kept(100)
    kept.hear(line(5, own=False))
    kept.speak([line(1), line(2), line(3)])
    kept.make_do()
    assert lengths(kept) == [2, 3]
    assert kept.turn_frames == 6
