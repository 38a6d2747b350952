"""The list of captions, without a widget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester

from app.core.shown import Caption, CaptionRemoved, Side
from app.core.turn import TurnId
from app.ui.viewmodels.captions import CaptionList, coalesced, spoken_note, spoken_text
from app.ui.viewmodels.latency import latency_of
from tests.fakes.live import answer, times, typed, user


@pytest.fixture
def captions(qapp: object) -> CaptionList:
    return CaptionList()


def texts(captions: CaptionList) -> list[str]:
    return [captions.row(number).caption.text for number in range(captions.rowCount())]


def test_a_caption_replaces_the_one_of_its_turn_and_side(captions: CaptionList) -> None:
    captions.apply([user(1, "wha", final=False)])
    captions.apply([user(1, "what is", final=False)])
    captions.apply([user(1, "What is it?"), answer(1, "A test.")])
    assert texts(captions) == ["What is it?", "A test."]


def test_captions_stand_in_the_order_of_turns_whenever_they_come(captions: CaptionList) -> None:
    captions.apply([answer(2, "four"), user(3, "five")])
    captions.apply([answer(1, "two")])
    captions.apply([user(2, "three"), user(1, "one")])
    assert texts(captions) == ["one", "two", "three", "four", "five"]


def test_a_dropped_turn_goes_and_an_unknown_one_changes_nothing(captions: CaptionList) -> None:
    captions.apply([user(1, "one"), answer(1, "two")])
    captions.apply([CaptionRemoved(TurnId(1), Side.ASSISTANT)])
    captions.apply([CaptionRemoved(TurnId(7), Side.USER)])
    assert texts(captions) == ["one"]


def test_qts_own_checks_of_a_model_hold(captions: CaptionList) -> None:
    tester = QAbstractItemModelTester(captions, QAbstractItemModelTester.FailureReportingMode.Fatal)
    captions.apply([user(2, "c"), answer(2, "d"), user(1, "a"), answer(1, "b")])
    captions.apply([user(1, "A"), CaptionRemoved(TurnId(2), Side.USER), times(1)])
    assert texts(captions) == ["A", "b", "d"]
    assert tester.model() is captions


def test_what_did_not_change_is_not_told(captions: CaptionList) -> None:
    captions.apply([user(1, "one"), times(1)])
    told: list[int] = []
    captions.dataChanged.connect(lambda first, last: told.append(first.row()))
    captions.apply([user(1, "one")])
    assert told == []
    captions.apply([user(1, "two")])
    assert told == [0]


@pytest.mark.parametrize("late", [False, True])
def test_the_times_of_a_turn_belong_to_its_answer(captions: CaptionList, late: bool) -> None:
    changes = [user(4, "q"), answer(4, "a")]
    for change in [*changes, times(4)] if late else [times(4), *changes]:
        captions.apply([change])
    assert captions.row(0).latency is None
    latency = captions.row(1).latency
    assert latency is not None
    assert latency.total_s == 0.48
    assert latency.waiting_s == 0.31
    captions.apply([answer(4, "b")])
    assert captions.row(1).latency == latency


def test_a_turn_without_an_answer_heard_has_no_latency() -> None:
    told = times(1)
    assert latency_of(type(told)(told.turn, {"asr": 50.0})) is None


def test_a_screen_reader_hears_who_said_what_and_what_was_not_heard(captions: CaptionList) -> None:
    said = "I stop at once."
    captions.apply([typed(1, "Stop!"), answer(1, said, heard=len("I stop"))])
    index = captions.index(0, 0)
    assert captions.data(index, Qt.ItemDataRole.AccessibleTextRole) == "You: Stop!"
    assert captions.data(index, Qt.ItemDataRole.AccessibleDescriptionRole) == "Typed."
    assert spoken_text(captions.row(1)) == "Parley: I stop"
    assert spoken_note(captions.row(1)) == "Interrupted. Not heard: at once."
    assert captions.data(captions.index(0, 0), Qt.ItemDataRole.DisplayRole) == "Stop!"
    assert captions.data(QModelIndex()) is None


def test_an_answer_that_ended_before_its_first_word_is_not_there(captions: CaptionList) -> None:
    captions.apply([user(1, "Stop."), answer(1, "I", final=False)])
    captions.apply([answer(1, "")])
    assert texts(captions) == ["Stop."]
    captions.apply([answer(2, "")])
    assert texts(captions) == ["Stop."]


def test_an_unfinished_answer_has_nothing_struck_out(captions: CaptionList) -> None:
    captions.apply([answer(1, "I am still speaking.", heard=4, final=False)])
    assert captions.row(0).unheard == ""
    assert "Not finished" in spoken_note(captions.row(0))


CHANGES = st.lists(
    st.builds(
        lambda turn, side, text, gone: (
            CaptionRemoved(TurnId(turn), side)
            if gone
            else Caption(TurnId(turn), side, text, 0, 0, False)
        ),
        st.integers(1, 4),
        st.sampled_from(Side),
        st.text(max_size=3),
        st.booleans(),
    ),
    max_size=30,
)


@given(changes=CHANGES, cut=st.integers(0, 30))
def test_however_changes_are_cut_into_pieces_the_list_is_the_same(
    changes: list[Caption | CaptionRemoved], cut: int
) -> None:
    one, other = CaptionList(), CaptionList()
    for change in changes:
        one.apply([change])
    other.apply(changes[:cut])
    other.apply(changes[cut:])
    assert texts(one) == texts(other)


def test_of_many_captions_of_one_turn_only_the_last_is_worked_on() -> None:
    many = [user(1, "x" * n, final=False) for n in range(500)]
    assert coalesced(many) == [many[-1]]
