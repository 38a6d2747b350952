"""The conversation on screen: only what can be seen is laid out, however long it is.

Heights of captions that were never seen are guessed from their number of letters and put right
when they come into view, keeping in place what the user looks at. A ``QListView`` by name, so that
screen readers take it for the list that it is; everything geometric is done here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

from PySide6.QtCore import QModelIndex, QPoint, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QAction,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QRegion,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyleOptionViewItem,
    QWidget,
)

from app.ui.look import Look
from app.ui.viewmodels.captions import CaptionList, Index, spoken_text
from app.ui.widgets.caption_paint import CaptionDelegate

_EDGE = 6
"""Space above the first and below the last caption."""


class CaptionView(QListView):
    """Captions of both sides; follows the newest until the user scrolls away from it."""

    following_changed = Signal(bool)
    typed = Signal(str)
    """A letter was pressed here: the user wants to write."""

    def __init__(self, captions: CaptionList, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.captions = captions
        self._look = look
        self._delegate = CaptionDelegate(look)
        self._heights: list[int] = []
        self._exact: list[bool] = []
        self._tops: list[int] = [0]
        self._following = True
        self._settling = False
        self.setProperty("kind", "captions")
        self.setModel(captions)
        self.setItemDelegate(self._delegate)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setFrameShape(QListView.Shape.NoFrame)
        self.setAccessibleName(self.tr("Conversation"))
        self.setAccessibleDescription(
            self.tr("What you and Parley said. Up and down go through it, Ctrl+C copies a part.")
        )
        self.copy_action = self._menu(self.tr("Copy"), self._copy)
        self.copy_action.setShortcut(QKeySequence.StandardKey.Copy)
        self.copy_action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self.copy_all_action = self._menu(self.tr("Copy the whole conversation"), self._copy_all)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        captions.rowsInserted.connect(self._on_inserted)
        captions.rowsRemoved.connect(self._on_removed)
        captions.dataChanged.connect(self._on_changed)
        look.changed.connect(self._on_look)

    @property
    def following(self) -> bool:
        """Whether the newest caption is kept in view."""
        return self._following

    @property
    def delegate(self) -> CaptionDelegate:
        """What lays out and draws."""
        return self._delegate

    def follow(self) -> None:
        """Go to the newest caption and stay with it."""
        self._set_following(True)
        self._settle()

    # What changed.

    @Slot(QModelIndex, int, int)
    def _on_inserted(self, parent: QModelIndex, first: int, last: int) -> None:
        guess = self._delegate.guesser(self.viewport().width())
        rows = [self.captions.row(number) for number in range(first, last + 1)]
        self._heights[first:first] = [guess(row) for row in rows]
        self._exact[first:first] = [False] * len(rows)
        self._later()

    @Slot(QModelIndex, int, int)
    def _on_removed(self, parent: QModelIndex, first: int, last: int) -> None:
        del self._heights[first : last + 1], self._exact[first : last + 1]
        self._later()

    @Slot(QModelIndex, QModelIndex)
    def _on_changed(self, first: QModelIndex, last: QModelIndex) -> None:
        for number in range(first.row(), last.row() + 1):
            self._exact[number] = False
        self._later()

    @Slot()
    def _on_look(self) -> None:
        self._delegate.forget()
        self._guess_all()
        self._settle()

    def _guess_all(self) -> None:
        guess = self._delegate.guesser(self.viewport().width())
        rows = range(self.captions.rowCount())
        self._heights = [guess(self.captions.row(number)) for number in rows]
        self._exact = [False] * len(self._heights)

    def _later(self) -> None:
        # Qt collects these and calls doItemsLayout once, when it is back in its loop.
        self.scheduleDelayedItemsLayout()

    # Where everything is.

    def doItemsLayout(self) -> None:  # noqa: N802
        """Called by Qt once after any number of changes."""
        QAbstractItemView.doItemsLayout(self)

    def updateGeometries(self) -> None:  # noqa: N802
        """Called by Qt when sizes may have changed."""
        self._settle()

    def _settle(self) -> None:
        """Measure what can be seen, until what can be seen is measured; then draw."""
        if self._settling or len(self._heights) != self.captions.rowCount():
            return
        self._settling = True
        bar, height = self.verticalScrollBar(), self.viewport().height()
        bar.setSingleStep(48)
        bar.setPageStep(max(48, height - 48))
        try:
            while True:
                self._tops = list(accumulate(self._heights, initial=_EDGE))
                bar.setRange(0, max(0, self._tops[-1] + _EDGE - height))
                if self._following:
                    bar.setValue(bar.maximum())
                seen = self._seen()
                loose = [number for number in seen if not self._exact[number]]
                if not loose:
                    break
                held = next((number for number in seen if self._exact[number]), seen[0])
                before = self._tops[held]
                self._measure(loose)
                if not self._following:
                    shift = sum(self._heights[:held]) + _EDGE - before
                    bar.setRange(0, max(bar.maximum(), bar.value() + shift))
                    bar.setValue(bar.value() + shift)
        finally:
            self._settling = False
        self.viewport().update()

    def _measure(self, numbers: list[int]) -> None:
        width = self.viewport().width()
        for number in numbers:
            self._heights[number] = self._delegate.placed(self.captions.row(number), width).height
            self._exact[number] = True

    def _seen(self) -> range:
        top = self.verticalScrollBar().value()
        first = max(0, bisect_right(self._tops, top) - 1)
        last = bisect_right(self._tops, top + self.viewport().height())
        return range(first, min(last, len(self._heights)))

    def visualRect(self, index: Index) -> QRect:  # noqa: N802
        """Where a caption is in the viewport."""
        number = index.row()
        if not index.isValid() or number >= len(self._tops) - 1:
            return QRect()
        top = self._tops[number] - self.verticalScrollBar().value()
        return QRect(0, top, self.viewport().width(), self._heights[number])

    def indexAt(self, point: QPoint) -> QModelIndex:  # noqa: N802
        """Which caption is at ``point`` of the viewport."""
        at = point.y() + self.verticalScrollBar().value()
        number = bisect_right(self._tops, at) - 1
        return self.captions.index(number, 0) if number >= 0 else QModelIndex()

    def scrollTo(  # noqa: N802
        self,
        index: Index,
        hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible,
    ) -> None:
        """Bring a caption into view."""
        number, bar = index.row(), self.verticalScrollBar()
        if not index.isValid() or number >= len(self._heights):
            return
        top, bottom = self._tops[number], self._tops[number + 1]
        if top < bar.value():
            bar.setValue(top - _EDGE)
        elif bottom > bar.value() + self.viewport().height():
            bar.setValue(min(top, bottom + _EDGE - self.viewport().height()))

    def scrollContentsBy(self, dx: int, dy: int) -> None:  # noqa: N802
        """The user or the program scrolled."""
        if not self._settling:
            bar = self.verticalScrollBar()
            self._set_following(bar.value() >= bar.maximum() - 2)
            self._settle()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Lines break elsewhere in another width."""
        if event.oldSize().width() != event.size().width():
            self._guess_all()
        QAbstractItemView.resizeEvent(self, event)
        self._settle()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """Draw the captions that can be seen."""
        painter = QPainter(self.viewport())
        option = QStyleOptionViewItem()
        self.initViewItemOption(option)
        current = self.currentIndex().row() if self._shows_focus() else -1
        for number in self._seen():
            index = self.captions.index(number, 0)
            option.rect = self.visualRect(index)
            option.state = QStyle.StateFlag.State_Enabled
            if number == current:
                option.state |= QStyle.StateFlag.State_HasFocus
            self._delegate.paint(painter, option, index)
        painter.end()

    def _shows_focus(self) -> bool:
        return self.hasFocus() and bool(self.selectionModel().selectedIndexes())

    def _set_following(self, on: bool) -> None:
        if on != self._following:
            self._following = on
            self.following_changed.emit(on)

    # Keys.

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Keys of a list; Space is left to the window, letters go to the text field."""
        text = event.text()
        plain = event.modifiers() in (
            Qt.KeyboardModifier.NoModifier,
            Qt.KeyboardModifier.ShiftModifier,
        )
        if event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Escape, Qt.Key.Key_Return):
            event.ignore()
        elif plain and text and text.isprintable():
            self.typed.emit(text)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Space is the window's."""
        if event.key() == Qt.Key.Key_Space:
            event.ignore()
        else:
            super().keyReleaseEvent(event)

    def moveCursor(  # noqa: N802
        self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        """The caption that a key leads to."""
        count = self.captions.rowCount()
        if not count:
            return QModelIndex()
        moves = QAbstractItemView.CursorAction
        now = self.currentIndex().row()
        page = max(1, len(self._seen()) - 1)
        steps = {
            moves.MoveUp: -1,
            moves.MovePrevious: -1,
            moves.MoveDown: 1,
            moves.MoveNext: 1,
            moves.MovePageUp: -page,
            moves.MovePageDown: page,
            moves.MoveHome: -count,
            moves.MoveEnd: count,
        }
        start = now if now >= 0 else count
        return self.captions.index(min(count - 1, max(0, start + steps.get(action, 0))), 0)

    def _menu(self, text: str, do: Callable[[], None]) -> QAction:
        made = QAction(text, self)
        made.triggered.connect(do)
        self.addAction(made)
        return made

    @Slot()
    def _copy(self) -> None:
        index = self.currentIndex()
        if index.isValid():
            QGuiApplication.clipboard().setText(self.captions.row(index.row()).caption.text)

    @Slot()
    def _copy_all(self) -> None:
        rows = (self.captions.row(number) for number in range(self.captions.rowCount()))
        QGuiApplication.clipboard().setText("\n".join(spoken_text(row) for row in rows))

    # The rest of what a list view must answer.

    def horizontalOffset(self) -> int:  # noqa: N802
        """Nothing scrolls sideways."""
        return 0

    def verticalOffset(self) -> int:  # noqa: N802
        """How far it is scrolled."""
        return self.verticalScrollBar().value()

    def isIndexHidden(self, index: Index) -> bool:  # noqa: N802
        """Nothing is hidden."""
        return False

    def setSelection(self, rect: QRect, command: object) -> None:  # noqa: N802
        """Select the caption under ``rect``."""
        index = self.indexAt(rect.center())
        self.selectionModel().select(index, command)  # type: ignore[arg-type]

    def visualRegionForSelection(self, selection: object) -> QRegion:  # noqa: N802
        """All of the viewport: it is drawn in one go."""
        return QRegion(self.viewport().rect())

    def viewportSizeHint(self) -> QSize:  # noqa: N802
        """As large as it gets."""
        return QSize(320, 240)
