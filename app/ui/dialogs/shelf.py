"""The recorded conversations: a list, and what can be done with one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSize, Qt, QTimer, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QStackedWidget,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from app.core.shelf import KeptSession
from app.ui.dialogs.rows import label
from app.ui.look import Look
from app.ui.viewmodels.shelf import ShelfViewModel
from app.ui.viewmodels.status import StatusViewModel
from app.ui.widgets.announcer import announce

_CELL_PAD = 10
"""Room at either side of a cell's words: more than the style sheet's padding."""


class SessionList(QTreeView):
    """The table. Enter opens the folder, Delete moves to the bin, Ctrl+C copies what was said."""

    def __init__(self, shelf: ShelfViewModel) -> None:
        super().__init__()
        self.setModel(shelf.table)
        self.setProperty("kind", "sessions")
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Tab leaves the list: its cells are not stations of their own.
        self.setTabKeyNavigation(False)
        self.setAccessibleName(self.tr("Recorded conversations"))
        self.setAccessibleDescription(
            self.tr("Up and down choose one. Enter opens its folder, Delete moves it to the bin.")
        )
        header = self.header()
        header.setSectionsClickable(False)
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(0)
        # Wide enough for what can stand there; years of recordings are not measured one by one.
        letters = self.fontMetrics()
        for column, longest in enumerate(("00:00:00", "00000", "000.0 MB"), start=1):
            title = str(shelf.table.headerData(column, Qt.Orientation.Horizontal))
            wide = max(letters.horizontalAdvance(text) for text in (longest, title))
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, wide + 2 * _CELL_PAD)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def chosen(self) -> int:
        """The number of the chosen row; -1 without one."""
        rows = self.selectionModel().selectedRows()
        return rows[0].row() if rows else -1

    def choose(self, row: int) -> None:
        """Choose a row, the last where there are not so many."""
        last = self.model().rowCount() - 1
        if last >= 0:
            self.setCurrentIndex(self.model().index(min(max(row, 0), last), 0))


class ShelfDialog(QDialog):
    """The list with its buttons; what came of them stands below, and is announced."""

    def __init__(
        self,
        shelf: ShelfViewModel,
        status: StatusViewModel,
        look: Look,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._shelf = shelf
        self._row = 0
        self.setWindowTitle(self.tr("Recordings"))
        self.setAccessibleName(self.tr("Recordings"))
        self.setMinimumSize(QSize(400, 420))
        self.resize(QSize(600, 560))
        self.list = SessionList(shelf)
        self.empty = label("", "hint")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.list)
        self.pages.addWidget(self.empty)
        self.note = label("", "hint")
        self.open_folder = self._button(self.tr("Open folder"), self._open)
        self.open_folder.setToolTip(self.tr("Sound, words and every decision (Enter)"))
        self.copy = self._button(self.tr("Copy text"), self._copy)
        self.copy.setAccessibleName(self.tr("Copy what was said"))
        self.copy.setToolTip(self.tr("Copy what was said, with times (Ctrl+C)"))
        self.delete = self._button(self.tr("Delete"), self._delete)
        self.undo = self._button(self.tr("Undo delete"), shelf.undo)
        self.undo.setToolTip(self.tr("Take it out of the bin again"))
        self.close_button = self._button(self.tr("Close"), self.accept)
        self.close_button.setProperty("kind", "primary")
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._next)
        self._steps = iter(self._lay_out(look))
        self.list.activated.connect(self._open)
        self.list.selectionModel().currentChanged.connect(self._show_buttons)
        shelf.changed.connect(self._show)
        shelf.told.connect(self._tell)
        shelf.read.connect(self._take_text)
        # A recording that ended is another one in the list.
        status.recording_changed.connect(self._look_again)
        shelf.forget()
        self._tell("")
        self._show()

    def _button(self, words: str, do: Callable[[], object]) -> QPushButton:
        made = QPushButton(words)
        made.setAccessibleName(words)
        # Enter is the list's, or the button's that has the focus: it closes nothing by surprise.
        made.setAutoDefault(False)
        made.clicked.connect(do)
        return made

    def _lay_out(self, look: Look) -> Sequence[Callable[[], object]]:
        """Put everything in its place; what is left to do until it can be shown."""
        frame = QFrame()
        frame.setProperty("kind", "dock")
        below = QVBoxLayout(frame)
        below.setContentsMargins(14, 10, 14, 10)
        below.setSpacing(8)
        said = QHBoxLayout()
        said.addWidget(self.note, 1)
        said.addWidget(self.undo)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        for button in (self.open_folder, self.copy, self.delete):
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        below.addLayout(said)
        below.addLayout(buttons)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.pages, 1)
        whole.addWidget(frame)
        return (
            lambda: look.dress(self.pages),
            lambda: look.dress(frame),
            self._shelf.refresh,
            self.open,
            self.list.setFocus,
        )

    def show_built(self) -> None:
        """Finish it step by step, between which Qt is free; then open."""
        self._timer.start(0)

    @Slot()
    def _next(self) -> None:
        step = next(self._steps, None)
        if step is None:
            self._timer.stop()
        else:
            step()

    def done(self, result: int) -> None:
        """Closed, perhaps before it was ever open."""
        self._timer.stop()
        super().done(result)

    def chosen(self) -> KeptSession | None:
        """The conversation that the buttons act on."""
        row = self.list.chosen()
        return self._shelf.table.rows[row] if row >= 0 else None

    @Slot()
    def _look_again(self) -> None:
        self._shelf.refresh()

    @Slot()
    def _show(self) -> None:
        rows = self._shelf.table.rows
        if self._shelf.loaded and not rows:
            words = self.tr(
                "Nothing was recorded yet.\n\nRecord (Ctrl+R) records a conversation; the settings "
                "can have every one recorded. Recordings are kept in\n{folder}"
            )
            self.empty.setText(words.format(folder=self._shelf.root))
        self.pages.setCurrentWidget(self.empty if self._shelf.loaded and not rows else self.list)
        self.list.choose(self._row)
        self._show_buttons()

    @Slot()
    def _show_buttons(self) -> None:
        session = self.chosen()
        if session is not None:
            self._row = self.list.chosen()
        for button in (self.open_folder, self.copy):
            button.setEnabled(session is not None)
        in_use = session is not None and self._shelf.in_use(session)
        self.delete.setEnabled(session is not None and not in_use)
        self.delete.setToolTip(
            self.tr("This conversation is being recorded.")
            if in_use
            else self.tr("Move it to the bin (Delete)")
        )
        self.undo.setVisible(self._shelf.can_undo)

    @Slot(str)
    def _tell(self, words: str) -> None:
        self.note.setText(words)
        self.note.setVisible(bool(words))
        self._show_buttons()
        if words:
            announce(self, words)

    @Slot()
    def _open(self) -> None:
        session = self.chosen()
        if session is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(session.folder)))

    @Slot()
    def _copy(self) -> None:
        session = self.chosen()
        if session is not None:
            self._shelf.read_transcript(session)

    @Slot(str)
    def _take_text(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self._tell(self.tr("What was said is in the clipboard."))

    @Slot()
    def _delete(self) -> None:
        session = self.chosen()
        if session is not None:
            self._shelf.delete(session)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """The list's keys, wherever in the dialog the focus is."""
        if event.key() == Qt.Key.Key_Delete:
            self._delete()
        elif event.matches(QKeySequence.StandardKey.Copy):
            self._copy()
        else:
            super().keyPressEvent(event)
