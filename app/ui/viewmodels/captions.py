"""The conversation as a list of captions, in the order of the turns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace

from PySide6.QtCore import (
    QAbstractListModel,
    QCoreApplication,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
)

from app.core.shown import Caption, CaptionRemoved, Side, TurnTimes
from app.core.turn import TurnId
from app.ui.viewmodels.latency import Latency, latency_of

ROW_ROLE = int(Qt.ItemDataRole.UserRole) + 1
"""The whole ``Row``."""

Index = QModelIndex | QPersistentModelIndex
Change = Caption | CaptionRemoved | TurnTimes
Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Row:
    """A caption and, below the assistant's, where the time of its turn went."""

    caption: Caption
    latency: Latency | None = None

    @property
    def unheard(self) -> str:
        """What the assistant wrote and the user did not hear; '' while that may still change."""
        shown = self.caption
        return shown.text[shown.heard :] if shown.final and shown.side is Side.ASSISTANT else ""


def _key(turn: TurnId, side: Side) -> Key:
    return int(turn), 0 if side is Side.USER else 1


class CaptionList(QAbstractListModel):
    """Captions of both sides. A caption of a turn and side that is there replaces the older one."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._keys: list[Key] = []
        self._rows: list[Row] = []
        self._latencies: dict[int, Latency] = {}

    def rowCount(self, parent: Index | None = None) -> int:  # noqa: N802 (Qt's name)
        """How many captions there are."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """The text, the whole row (``ROW_ROLE``), or what a screen reader says."""
        if not index.isValid() or not 0 <= index.row() < len(self._rows):
            return None
        row = self._rows[index.row()]
        if role == ROW_ROLE:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return row.caption.text
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return spoken_text(row)
        if role == Qt.ItemDataRole.AccessibleDescriptionRole:
            return spoken_note(row)
        return None

    def row(self, number: int) -> Row:
        """The row at ``number``."""
        return self._rows[number]

    def apply(self, changes: Iterable[Change]) -> None:
        """Take what was shown; of several captions of one turn and side only the last counts."""
        for change in coalesced(changes):
            if isinstance(change, Caption):
                # An answer that ended before its first word has nothing to show.
                if change.final and not change.text.strip():
                    self._remove(_key(change.turn, change.side))
                else:
                    self._put(change)
            elif isinstance(change, CaptionRemoved):
                self._remove(_key(change.turn, change.side))
            else:
                self._time(change)

    def _put(self, caption: Caption) -> None:
        key = _key(caption.turn, caption.side)
        at = bisect_left(self._keys, key)
        latency = self._latencies.get(key[0]) if caption.side is Side.ASSISTANT else None
        row = Row(caption, latency)
        if at < len(self._keys) and self._keys[at] == key:
            if self._rows[at] != row:
                self._rows[at] = row
                self._changed(at)
            return
        self.beginInsertRows(QModelIndex(), at, at)
        self._keys.insert(at, key)
        self._rows.insert(at, row)
        self.endInsertRows()

    def _remove(self, key: Key) -> None:
        at = bisect_left(self._keys, key)
        if at < len(self._keys) and self._keys[at] == key:
            self.beginRemoveRows(QModelIndex(), at, at)
            del self._keys[at], self._rows[at]
            self.endRemoveRows()

    def _time(self, times: TurnTimes) -> None:
        latency = latency_of(times)
        if latency is None:
            return
        key = _key(times.turn, Side.ASSISTANT)
        self._latencies[key[0]] = latency
        at = bisect_left(self._keys, key)
        if at < len(self._keys) and self._keys[at] == key:
            self._rows[at] = replace(self._rows[at], latency=latency)
            self._changed(at)

    def _changed(self, at: int) -> None:
        index = self.index(at, 0)
        self.dataChanged.emit(index, index)


def coalesced(changes: Iterable[Change]) -> list[Change]:
    """Only the last change of each turn and side, in the order of the last ones."""
    last: dict[tuple[int, str], Change] = {}
    for change in changes:
        kind = "times" if isinstance(change, TurnTimes) else change.side.value
        key = (int(change.turn), kind)
        last.pop(key, None)
        last[key] = change
    return list(last.values())


def spoken_text(row: Row) -> str:
    """A caption as a screen reader says it: who, and what was said."""
    shown = row.caption
    said = shown.text[: shown.heard] if row.unheard else shown.text
    if shown.side is Side.USER:
        return QCoreApplication.translate("Captions", "You: {text}").format(text=said)
    return QCoreApplication.translate("Captions", "Parley: {text}").format(text=said)


def spoken_note(row: Row) -> str:
    """What the look of a caption tells besides its words; '' when there is nothing."""
    notes: list[str] = []
    if row.caption.typed:
        notes.append(QCoreApplication.translate("Captions", "Typed."))
    if not row.caption.final:
        notes.append(QCoreApplication.translate("Captions", "Not finished yet."))
    if row.unheard:
        note = QCoreApplication.translate("Captions", "Interrupted. Not heard: {text}")
        notes.append(note.format(text=row.unheard.strip()))
    return " ".join(notes)
