"""The conversation on screen: follows, stays, and does little work however long it is."""

from __future__ import annotations

from itertools import pairwise

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible, QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.core.shown import Caption, CaptionRemoved
from app.ui.bridge import MAX_TAKEN
from app.ui.look import Look
from app.ui.viewmodels.captions import CaptionList, Row
from app.ui.viewmodels.latency import Latency, latency_of
from app.ui.viewmodels.session import SessionViewModel
from app.ui.widgets.caption_paint import latency_text, note_text
from app.ui.widgets.caption_view import CaptionView
from tests.app.ui.helpers import settle
from tests.fakes.live import FakeLive, answer, conversation, times, typed, user


@pytest.fixture
def captions(styled: QApplication) -> CaptionList:
    return CaptionList()


@pytest.fixture
def view(qtbot: QtBot, captions: CaptionList, look: Look) -> CaptionView:
    made = CaptionView(captions, look)
    qtbot.addWidget(made)
    made.resize(500, 400)
    made.show()
    settle()
    return made


def fill(captions: CaptionList, turns: int) -> None:
    captions.apply(item for item in conversation(turns) if isinstance(item, Caption))
    settle()


def at_end(view: CaptionView) -> bool:
    bar = view.verticalScrollBar()
    return bar.value() == bar.maximum()


def whole_is_continuous(view: CaptionView) -> bool:
    rects = [
        view.visualRect(view.captions.index(number, 0))
        for number in range(view.captions.rowCount())
    ]
    return all(one.top() + one.height() == two.top() for one, two in pairwise(rects))


def test_it_follows_the_newest(view: CaptionView, captions: CaptionList) -> None:
    fill(captions, 20)
    assert at_end(view)
    captions.apply([user(99, "And this?")])
    settle()
    assert at_end(view)
    last = view.visualRect(captions.index(captions.rowCount() - 1, 0))
    assert view.viewport().rect().contains(last)


def test_a_growing_caption_pushes_up_what_is_above(
    view: CaptionView, captions: CaptionList
) -> None:
    fill(captions, 10)
    before = view.verticalScrollBar().maximum()
    captions.apply([user(50, "word " * 100, final=False)])
    settle()
    assert view.verticalScrollBar().maximum() > before
    assert at_end(view)


def test_who_reads_further_up_is_left_there(view: CaptionView, captions: CaptionList) -> None:
    fill(captions, 60)
    view.verticalScrollBar().setValue(view.verticalScrollBar().maximum() // 2)
    settle()
    assert not view.following
    row = view.indexAt(QPoint(100, 100)).row()
    before = view.visualRect(captions.index(row, 0))
    captions.apply([user(99, "Something new, and rather long. " * 5), answer(99, "Yes.")])
    settle()
    assert view.visualRect(captions.index(row, 0)) == before
    view.follow()
    assert view.following
    assert at_end(view)


def test_scrolling_to_the_end_follows_again(view: CaptionView, captions: CaptionList) -> None:
    fill(captions, 30)
    told: list[bool] = []
    view.following_changed.connect(told.append)
    bar = view.verticalScrollBar()
    bar.setValue(0)
    bar.setValue(bar.maximum())
    bar.setValue(bar.maximum())
    assert told == [False, True]


def test_scrolling_up_through_what_was_never_seen_does_not_jump(
    view: CaptionView, captions: CaptionList
) -> None:
    fill(captions, 200)
    bar = view.verticalScrollBar()
    for _ in range(60):
        row = view.indexAt(QPoint(100, 5)).row()
        before = view.visualRect(captions.index(row, 0)).top()
        bar.setValue(bar.value() - 90)
        after = view.visualRect(captions.index(row, 0)).top()
        assert after - before == 90
    assert whole_is_continuous(view)


def test_removed_captions_leave_no_hole(view: CaptionView, captions: CaptionList) -> None:
    fill(captions, 6)
    gone = [item for item in conversation(6) if isinstance(item, Caption)][3]
    captions.apply([CaptionRemoved(gone.turn, gone.side)])
    settle()
    assert captions.rowCount() == 11
    assert whole_is_continuous(view)


def test_work_does_not_grow_with_the_conversation(view: CaptionView, captions: CaptionList) -> None:
    fill(captions, 1000)
    assert captions.rowCount() == 2000
    made = view.delegate.layouts_made
    # About what fits on the screen, not two thousand.
    assert made < 30
    for number in range(20):
        captions.apply([user(5000, "x" * (number + 1), final=False)])
        settle()
    # One text is laid out for each change of one caption, and what was seen before is remembered.
    assert view.delegate.layouts_made - made <= 25
    before = view.delegate.layouts_made
    view.resize(420, 400)
    settle()
    assert view.delegate.layouts_made - before < 30
    before = view.delegate.layouts_made
    view.viewport().repaint()
    assert view.delegate.layouts_made == before


def test_a_burst_is_worked_off_in_pieces_and_laid_out_once_each(
    qtbot: QtBot, session: SessionViewModel, live: FakeLive, look: Look
) -> None:
    view = CaptionView(session.captions, look)
    qtbot.addWidget(view)
    view.resize(500, 400)
    view.show()
    live.show(*conversation(150))
    qtbot.waitUntil(lambda: session.captions.rowCount() == 300)
    settle()
    made = view.delegate.layouts_made
    changes: list[int] = []
    session.captions.dataChanged.connect(lambda first, last: changes.append(first.row()))
    applied: list[int] = []
    apply = session.captions.apply

    def counted(items: list[Caption]) -> None:
        applied.append(len(items))
        apply(items)

    session.captions.apply = counted  # type: ignore[method-assign,assignment]
    burst = [
        answer(140 + number % 10, f"Piece {number} of what is said.", heard=number % 9, final=False)
        for number in range(2000)
    ]
    live.show(*burst)
    qtbot.waitUntil(lambda: sum(applied) == 2000)
    settle()
    assert max(applied) <= MAX_TAKEN
    # Ten captions change, so a piece of a hundred makes ten changes, not a hundred.
    assert len(changes) <= 10 * len(applied)
    # And only those that can be seen are laid out, once for each piece.
    assert view.delegate.layouts_made - made <= 10 * len(applied)


def test_it_is_a_list_for_screen_readers(view: CaptionView, captions: CaptionList) -> None:
    captions.apply([user(1, "Hello?"), answer(1, "Hello.")])
    settle()
    known = QAccessible.queryAccessibleInterface(view)
    assert known.role() == QAccessible.Role.List
    assert known.text(QAccessible.Text.Name) == "Conversation"
    assert known.childCount() == 2
    assert known.child(1).text(QAccessible.Text.Name) == "Parley: Hello."


def test_keys_go_through_it_and_copy(
    qtbot: QtBot, view: CaptionView, captions: CaptionList
) -> None:
    fill(captions, 30)
    view.setFocus()
    qtbot.keyClick(view, Qt.Key.Key_Home)
    assert view.currentIndex().row() == 0
    assert view.visualRect(view.currentIndex()).top() >= 0
    qtbot.keyClick(view, Qt.Key.Key_Down)
    view.activateWindow()
    settle()
    qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == captions.row(1).caption.text
    qtbot.keyClick(view, Qt.Key.Key_End)
    assert view.currentIndex().row() == 59
    assert at_end(view)


def test_the_whole_conversation_is_copied_as_it_was_heard(
    view: CaptionView, captions: CaptionList
) -> None:
    captions.apply([user(1, "Stop."), answer(1, "I stop at once.", heard=6)])
    view.copy_all_action.trigger()
    assert QGuiApplication.clipboard().text() == "You: Stop.\nParley: I stop"


def test_a_letter_is_meant_for_the_text_field(
    qtbot: QtBot, view: CaptionView, captions: CaptionList
) -> None:
    letters: list[str] = []
    view.typed.connect(letters.append)
    qtbot.keyClick(view, Qt.Key.Key_H)
    qtbot.keyClick(view, Qt.Key.Key_Space)
    assert letters == ["h"]


def formats(view: CaptionView, caption: Caption) -> list[tuple[int, int, bool]]:
    words = view.delegate.placed(Row(caption), 500).words
    return [
        (span.start, span.length, span.format.fontStrikeOut())  # type: ignore[attr-defined]
        for span in words.formats()
    ]


def test_partials_are_pale_and_the_unheard_is_struck_out(view: CaptionView) -> None:
    assert formats(view, user(1, "what is it", sure=4, final=False)) == [(4, 6, False)]
    assert formats(view, user(1, "what is it")) == []
    assert formats(view, answer(1, "I am here.", heard=4, final=False)) == [(4, 6, False)]
    assert formats(view, answer(1, "I am here.", heard=4)) == [(4, 6, True)]
    assert formats(view, answer(1, "I am here.")) == []


def test_sides_are_told_apart_by_place_and_width_is_used(view: CaptionView) -> None:
    mine = view.delegate.placed(Row(user(1, "Hello")), 500)
    its = view.delegate.placed(Row(answer(1, "Hello")), 500)
    assert mine.bubble.right() > 470
    assert its.bubble.left() < 30
    wide = view.delegate.placed(Row(answer(1, "word " * 200)), 1600)
    assert wide.bubble.width() < 760


def test_a_guess_is_near_the_truth(view: CaptionView) -> None:
    for text in ("Yes.", "A sentence of middle length, as people say them.", "word " * 150):
        for row in (Row(user(1, text)), Row(answer(1, text), latency_of(times(1)))):
            real = view.delegate.placed(row, 500).height
            assert view.delegate.guess_height(row, 500) == pytest.approx(real, rel=0.3)


def test_other_colours_and_sizes_are_drawn_at_once(
    view: CaptionView, captions: CaptionList, look: Look
) -> None:
    fill(captions, 20)
    small = view.verticalScrollBar().maximum()
    look.choose(caption_pt=28)
    settle()
    assert view.verticalScrollBar().maximum() > small * 1.4
    assert at_end(view)
    light = view.grab().toImage().pixelColor(5, 5).lightness()
    look.choose(theme="dark")
    settle()
    assert view.grab().toImage().pixelColor(5, 5).lightness() < light / 3


def test_the_latency_line_tells_what_is_known(qapp: QApplication) -> None:
    assert latency_text(Latency(0.48, 0.31, 0.05, 0.04, 0.08)) == (
        "Answered 0.48 s after you: 0.31 waiting, 0.05 hearing, 0.04 thinking, 0.08 speaking"
    )
    assert latency_text(Latency(0.5, None, None, None, None)) == "Answered 0.50 s after you"
    cut = Row(answer(1, "Not all of it", heard=3), Latency(0.5, None, None, None, None))
    assert note_text(cut) == "You interrupted  ·  Answered 0.50 s after you"
    assert note_text(Row(typed(1, "Hello"))) == ""
