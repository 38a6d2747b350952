"""A dialog of cards on a scrolling page. It is built card by card, between which Qt is free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from PySide6.QtCore import QSize, Qt, QTimer, Slot
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.ui.look import Look

Part = Callable[[], QWidget]


class PageDialog(QDialog):
    """``show_built`` makes the page's parts one at a time and opens the dialog after the last.

    A subclass gives ``parts`` and, in ``finish``, what is to be done when all are there.
    """

    def __init__(self, title: str, size: QSize, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.setWindowTitle(title)
        self.setAccessibleName(title)
        self.setMinimumSize(QSize(400, 420))
        self.resize(size)
        page = QWidget()
        page.setProperty("kind", "page")
        self._page = QVBoxLayout(page)
        self._page.setContentsMargins(18, 18, 18, 18)
        self._page.setSpacing(14)
        self.area = QScrollArea()
        self.area.setWidget(page)
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setAccessibleName(title)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.foot = QVBoxLayout()
        self.close_button = QPushButton(self.tr("Close"))
        self.close_button.setProperty("kind", "primary")
        self.close_button.setAccessibleName(self.tr("Close"))
        self.close_button.setDefault(True)
        self.close_button.clicked.connect(self.accept)
        frame = QFrame()
        frame.setProperty("kind", "dock")
        self.row = row = QHBoxLayout(frame)
        row.setContentsMargins(18, 10, 18, 10)
        row.setSpacing(12)
        row.addLayout(self.foot, 1)
        row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignVCenter)
        self._whole = QVBoxLayout(self)
        self._whole.setContentsMargins(0, 0, 0, 0)
        self._whole.setSpacing(0)
        self._whole.addWidget(self.area, 1)
        self._whole.addWidget(frame)
        for part in (self.area.verticalScrollBar(), frame):
            look.dress(part)
        self._left: Iterator[Part] = iter(())
        self._made: QWidget | None = None
        self._finished = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._next)

    def parts(self) -> Iterable[Part]:
        """What makes the cards, from above to below."""
        raise NotImplementedError

    def finish(self) -> None:
        """All parts are there."""

    def show_built(self) -> None:
        """Build the page, then open."""
        self._left = iter(self.parts())
        self._timer.start(0)

    def done(self, result: int) -> None:
        """Closed, perhaps before it was ever open."""
        self._timer.stop()
        super().done(result)

    @Slot()
    def _next(self) -> None:
        if self._made is None and (part := next(self._left, None)) is not None:
            self._made = part()
        elif self._made is not None:
            # In a turn of its own: making a card takes as long as dressing it.
            made, self._made = self._made, None
            self._look.dress(made)
            self._page.addWidget(made)
            # Here rather than all at once when the dialog is shown.
            for widget in (made, *made.findChildren(QWidget)):
                widget.ensurePolished()
        elif not self._finished:
            self._finished = True
            self._page.addStretch(1)
            self.finish()
            self._whole.activate()
        else:
            self._timer.stop()
            self.open()
