"""The recorded conversations as a table, and what can be done with them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import (
    QAbstractTableModel,
    QCoreApplication,
    QDateTime,
    QFile,
    QLocale,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)

from app.core.errors import OutputError
from app.core.shelf import KeptSession, Shelf
from app.ui.bridge import Background
from app.ui.words import minutes, reason_of

Index = QModelIndex | QPersistentModelIndex
Bin = Callable[[Path], Path]
"""Takes a folder away so that it can be had back; returns where it is. Raises ``OSError``."""
COLUMNS = 4
_NOW = "now"
"""The state of what is being recorded."""


class SessionTable(QAbstractTableModel):
    """One recorded conversation a row: when, how long, how many turns, how large."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: tuple[KeptSession, ...] = ()
        self._cells: dict[int, tuple[str, str, str, str]] = {}

    def show(self, rows: Sequence[KeptSession]) -> None:
        """Other rows from now on."""
        self.beginResetModel()
        self.rows = tuple(rows)
        self._cells = {}
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:  # noqa: N802 (Qt's name)
        """How many conversations there are."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index | None = None) -> int:  # noqa: N802
        """When, length, turns, size."""
        return 0 if parent is not None and parent.isValid() else COLUMNS

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """The cell's words; the whole row for screen readers and as a tooltip."""
        if not index.isValid() or index.row() >= len(self.rows):
            return None
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._words(index.row())[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(row.folder)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            words = self._words(index.row())
            return spoken_row(row) if index.column() == 0 else words[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() > 0:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def _words(self, number: int) -> tuple[str, str, str, str]:
        """Dates and sizes are written out once, for the rows that are looked at."""
        if number not in self._cells:
            self._cells[number] = _cells(self.rows[number])
        return self._cells[number]

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """What the columns are."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and section > 0:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return (self.tr("Recorded"), self.tr("Length"), self.tr("Turns"), self.tr("Size"))[section]


class ShelfViewModel(QObject):
    """What was recorded. Everything slow is done by ``background``; nothing here blocks."""

    changed = Signal()
    """Another list, or the first one."""
    told = Signal(str)
    """What came of something that was asked for, or why nothing did, in a sentence."""
    read = Signal(str)
    """A transcript that was asked for."""

    def __init__(
        self,
        shelf: Shelf,
        background: Background,
        *,
        root: Callable[[], Path],
        being_recorded: Callable[[], Path | None] = lambda: None,
        to_bin: Bin | None = None,
        parent: QObject | None = None,
    ) -> None:
        """``root`` is the folder of the recordings as it is now; ``being_recorded`` the session that
        is being written."""
        super().__init__(parent)
        self.table = SessionTable(self)
        self.loaded = False
        self._shelf = shelf
        self._background = background
        self._root = root
        self._being_recorded = being_recorded
        self._to_bin = to_bin or move_to_bin
        self._binned: tuple[Path, Path] | None = None

    @property
    def root(self) -> Path:
        """Where the recordings are."""
        return self._root()

    def forget(self) -> None:
        """What is in the bin stays there."""
        self._binned = None

    @property
    def can_undo(self) -> bool:
        """Whether something was moved to the bin that can still be had back."""
        return self._binned is not None

    def refresh(self) -> None:
        """Look at the disk; ``changed`` tells when that is done."""
        root = self.root
        self._background.submit(lambda: self._shelf.sessions(root), self._show)

    def _show(self, found: object) -> None:
        if isinstance(found, Exception):
            self._complain(found)
        elif isinstance(found, tuple):
            self.loaded = True
            self.table.show(
                [replace(one, state=_NOW) if self.in_use(one) else one for one in found]
            )
            self.changed.emit()

    def in_use(self, session: KeptSession) -> bool:
        """Whether it is the one that is being recorded now."""
        return session.folder == self._being_recorded()

    def read_transcript(self, session: KeptSession) -> None:
        """Ask for what was said; ``read`` brings it."""

        def show(text: object) -> None:
            if isinstance(text, Exception):
                self._complain(text)
            elif not str(text).strip():
                self.told.emit(self.tr("Nothing was said in this conversation."))
            else:
                self.read.emit(str(text))

        self._background.submit(lambda: self._shelf.transcript(session.folder), show)

    def delete(self, session: KeptSession) -> None:
        """Move a session to the bin, unless it is being recorded."""
        if self.in_use(session):
            self.told.emit(self.tr("This conversation is being recorded: stop that first."))
            return

        def show(place: object) -> None:
            if isinstance(place, Path):
                self._binned = (session.folder, place)
                self.told.emit(self.tr("Moved to the bin: {name}.").format(name=when_text(session)))
                self.refresh()
            else:
                self.told.emit(
                    self.tr(
                        "It could not be moved to the bin ({reason}): delete its folder yourself."
                    ).format(reason=reason_of(place))
                )

        self._background.submit(lambda: self._to_bin(session.folder), show)

    def undo(self) -> None:
        """Have back what was moved to the bin last."""
        if self._binned is None:
            return
        (folder, place), self._binned = self._binned, None

        def show(result: object) -> None:
            if isinstance(result, Exception):
                self.told.emit(
                    self.tr("It could not be taken out of the bin again ({reason}).").format(
                        reason=reason_of(result)
                    )
                )
            else:
                self.told.emit(self.tr("It is back."))
            self.refresh()

        self._background.submit(lambda: take_from_bin(place, folder), show)

    def _complain(self, error: Exception) -> None:
        self.told.emit(reason_of(error) if isinstance(error, OSError) else str(error))


def move_to_bin(folder: Path) -> Path:
    """Into the system's bin, where the user finds it. Raises ``OSError`` or ``OutputError``."""
    if not folder.is_dir():
        raise FileNotFoundError(2, QCoreApplication.translate("Shelf", "it is no longer there"))
    # The object knows afterwards where it is; the function that needs none tells nobody.
    moved = QFile(str(folder))
    if not moved.moveToTrash():
        raise OutputError(QCoreApplication.translate("Shelf", "there is no bin for this disk"))
    return Path(moved.fileName())


def take_from_bin(place: Path, folder: Path) -> None:
    """Back from the bin to where it was. Raises ``OSError``."""
    if folder.exists():
        raise FileExistsError(17, QCoreApplication.translate("Shelf", "there is another one now"))
    place.rename(folder)
    if place.parent.name == "files":
        # The freedesktop.org bin keeps a note about each thing beside it.
        with contextlib.suppress(OSError):
            (place.parent.parent / "info" / f"{place.name}.trashinfo").unlink()


def when_text(session: KeptSession) -> str:
    """When it was recorded, as people write it here; its name where that is not known."""
    moment = QDateTime.fromString(session.started, Qt.DateFormat.ISODate)
    if not moment.isValid():
        return session.name
    here, moment = QLocale(), moment.toLocalTime()
    if here.language() == QLocale.Language.C:
        return moment.toString("yyyy-MM-dd HH:mm")  # its own way of writing a date is nobody's
    return here.toString(moment, QLocale.FormatType.ShortFormat)


def spoken_row(session: KeptSession) -> str:
    """A row as a screen reader says it."""
    _, length, turns, size = _cells(session)
    said = QCoreApplication.translate("Shelf", "{when}, length {length}, turns {turns}, {size}")
    return said.format(when=_cells(session)[0], length=length, turns=turns, size=size)


def _cells(session: KeptSession) -> tuple[str, str, str, str]:
    states = {
        _NOW: QCoreApplication.translate("Shelf", "being recorded"),
        "stopped": QCoreApplication.translate("Shelf", "stopped, the disk was full"),
        "recovered": QCoreApplication.translate("Shelf", "repaired after a crash"),
        "open": QCoreApplication.translate("Shelf", "not finished"),
        "files": QCoreApplication.translate("Shelf", "from files"),
    }
    when = when_text(session)
    if session.state in states:
        when = f"{when}  ·  {states[session.state]}"
    length = minutes(session.seconds) if session.seconds else "–"
    return when, length, str(session.turns), _size(session.size_bytes)


def _size(count: int) -> str:
    return QLocale().formattedDataSize(count, 1, QLocale.DataSizeFormat.DataSizeSIFormat)
