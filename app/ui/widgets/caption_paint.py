"""How one caption is laid out and drawn: the words, who said them, what was heard, how long it took."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, QLocale, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QPainter,
    QPen,
    QTextCharFormat,
    QTextLayout,
    QTextOption,
)
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.core.shown import Side
from app.ui import icons
from app.ui.look import Look
from app.ui.viewmodels.captions import ROW_ROLE, Index, Row
from app.ui.viewmodels.latency import Latency

COLUMN = 760
"""Widest that the conversation gets: longer lines are hard to read."""
MARGIN = 20
GAP = 9
PAD_X = 14
PAD_Y = 9
RADIUS = 14
KEPT = 400
"""Layouts remembered; a few screens full."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A caption laid out for one width; rectangles are relative to the row's top left corner."""

    row: Row
    words: QTextLayout
    bubble: QRectF
    who: QRectF
    note: QTextLayout | None
    note_at: QPointF
    height: int


def latency_text(latency: Latency) -> str:
    """'Answered 0.48 s after you: …' with the parts that are known."""

    def tr(text: str) -> str:
        return QCoreApplication.translate("Latency", text)

    number = QLocale()
    parts = (
        (latency.waiting_s, tr("{s} waiting")),
        (latency.hearing_s, tr("{s} hearing")),
        (latency.thinking_s, tr("{s} thinking")),
        (latency.speaking_s, tr("{s} speaking")),
    )
    told = [text.format(s=number.toString(s, "f", 2)) for s, text in parts if s is not None]
    whole = tr("Answered {s} s after you").format(s=number.toString(latency.total_s, "f", 2))
    return tr("{whole}: {parts}").format(whole=whole, parts=", ".join(told)) if told else whole


def note_text(row: Row) -> str:
    """The small line below a caption."""
    notes = [latency_text(row.latency)] if row.latency else []
    if row.unheard.strip():
        notes.insert(0, QCoreApplication.translate("Captions", "You interrupted"))
    return "  ·  ".join(notes)


class CaptionDelegate(QStyledItemDelegate):
    """Lays captions out once per width and draws them from that."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._kept: OrderedDict[tuple[int, int, bool], Placed] = OrderedDict()
        self.layouts_made = 0
        """How often text was laid out, which is what costs."""

    def forget(self) -> None:
        """Lay everything out anew: other fonts or colours."""
        self._kept.clear()

    def guess_height(self, row: Row, width: int) -> int:
        """About how high the caption will be, for nearly no work."""
        font = self._look.caption_font()
        return self.guesser(width, font)(row)

    def guesser(self, width: int, font: QFont | None = None) -> _Guess:
        """``guess_height`` for many rows of one width."""
        return _Guess(width, font or self._look.caption_font(), self._look.small_font())

    def placed(self, row: Row, width: int) -> Placed:
        """The caption's layout for ``width``, made now or remembered."""
        key = (id(row), width, self._look.dark)
        known = self._kept.get(key)
        # The row is held by its layout, so that its id cannot be another's.
        if known is not None and known.row is row:
            self._kept.move_to_end(key)
            return known
        made = self._place(row, width)
        self._kept[key] = made
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return made

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:  # noqa: N802
        """Width of the view, height of the laid out caption."""
        width = option.rect.width()
        return QSize(width, self.placed(index.data(ROW_ROLE), width).height)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw the caption into ``option.rect``."""
        row: Row = index.data(ROW_ROLE)
        placed = self.placed(row, option.rect.width())
        colours = self._look.colours
        user = row.caption.side is Side.USER
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(option.rect.topLeft())
        self._paint_who(painter, row, placed)
        focused = bool(option.state & QStyle.StateFlag.State_HasFocus)
        edge = QPen(QColor(colours.accent), 2) if focused else QPen(QColor(colours.line), 1)
        painter.setPen(Qt.PenStyle.NoPen if user and not focused else edge)
        painter.setBrush(QColor(colours.bubble if user else colours.surface))
        painter.drawRoundedRect(placed.bubble, RADIUS, RADIUS)
        painter.setPen(QColor(colours.on_bubble if user else colours.text))
        placed.words.draw(painter, placed.bubble.topLeft() + QPointF(PAD_X, PAD_Y))
        if placed.note is not None:
            painter.setPen(QColor(colours.muted))
            placed.note.draw(painter, placed.note_at)
        painter.restore()

    def _paint_who(self, painter: QPainter, row: Row, placed: Placed) -> None:
        colours = self._look.colours
        user = row.caption.side is Side.USER
        painter.setFont(self._look.small_font())
        painter.setPen(QColor(colours.muted))
        align = Qt.AlignmentFlag.AlignRight if user else Qt.AlignmentFlag.AlignLeft
        name = who_text(row)
        painter.drawText(placed.who, int(align | Qt.AlignmentFlag.AlignVCenter), name)
        if row.caption.typed:
            size = round(placed.who.height())
            width = QFontMetricsF(self._look.small_font()).horizontalAdvance(name)
            ratio = painter.device().devicePixelRatioF()
            left = placed.who.right() - width - size - 4
            image = icons.pixmap("keyboard", colours.muted, size, ratio)
            painter.drawPixmap(QPointF(left, placed.who.top()), image)

    def _place(self, row: Row, width: int) -> Placed:
        self.layouts_made += 1
        user = row.caption.side is Side.USER
        small = self._look.small_font()
        column = min(COLUMN, width - 2 * MARGIN)
        left = (width - column) / 2
        widest = column * (0.8 if user else 0.9)
        words = self._words(row)
        used, height = _fill(words, widest - 2 * PAD_X)
        bubble_width = min(widest, used + 2 * PAD_X + 1)
        bubble_left = left + column - bubble_width if user else left
        who_height = QFontMetricsF(small).height()
        who = QRectF(left + 2, GAP, column - 4, who_height)
        bubble = QRectF(bubble_left, GAP + who_height + 3, bubble_width, height + 2 * PAD_Y)
        bottom = bubble.bottom()
        note, note_at = None, QPointF()
        text = note_text(row)
        if text:
            note = QTextLayout(text, small)
            _, note_height = _fill(note, column - 4)
            note_at = QPointF(left + 2, bottom + 4)
            bottom += 4 + note_height
        return Placed(row, words, bubble, who, note, note_at, round(bottom + GAP))

    def _words(self, row: Row) -> QTextLayout:
        shown, colours = row.caption, self._look.colours
        user = shown.side is Side.USER
        layout = QTextLayout(shown.text or "…", self._look.caption_font())
        layout.setCacheEnabled(True)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        spans: list[QTextLayout.FormatRange] = []
        pale = QColor(colours.bubble_muted if user else colours.muted)
        if row.unheard:
            spans.append(_span(shown.heard, len(shown.text), pale, struck=True))
        elif not shown.final:
            # What may still change, and what was not heard yet.
            known = shown.sure if user else min(shown.sure, shown.heard)
            spans.append(_span(known, len(shown.text) or 1, pale))
        layout.setFormats(spans)
        return layout


class _Guess:
    """Heights from the number of letters: exact enough for a scroll bar."""

    def __init__(self, width: int, font: QFont, small: QFont) -> None:
        metrics = QFontMetricsF(font)
        letters = "the quick brown fox jumps over it"
        letter = metrics.horizontalAdvance(letters) / len(letters)
        column = min(COLUMN, width - 2 * MARGIN)
        self._per_line = {
            Side.USER: max(1.0, (column * 0.8 - 2 * PAD_X) / letter),
            Side.ASSISTANT: max(1.0, (column * 0.9 - 2 * PAD_X) / letter),
        }
        self._line = metrics.lineSpacing()
        self._small = QFontMetricsF(small).height()
        self._fixed = 2 * GAP + self._small + 3 + 2 * PAD_Y

    def __call__(self, row: Row) -> int:
        shown = row.caption
        lines = 1 + int(len(shown.text) / self._per_line[shown.side])
        note = self._small + 4 if row.latency or row.unheard else 0.0
        return round(self._fixed + lines * self._line + note)


def who_text(row: Row) -> str:
    """Who said it, as written above the caption."""
    if row.caption.side is Side.USER:
        return QCoreApplication.translate("Captions", "You")
    return QCoreApplication.translate("Captions", "Parley")


def _span(start: int, end: int, colour: QColor, *, struck: bool = False) -> QTextLayout.FormatRange:
    look = QTextCharFormat()
    look.setForeground(colour)
    look.setFontStrikeOut(struck)
    span = QTextLayout.FormatRange()
    span.start, span.length, span.format = start, max(0, end - start), look
    return span


def _fill(layout: QTextLayout, width: float) -> tuple[float, float]:
    """Break ``layout`` into lines of ``width``; how wide and how high it became."""
    used = height = 0.0
    layout.beginLayout()
    while (line := layout.createLine()).isValid():
        line.setLineWidth(max(1.0, width))
        line.setPosition(QPointF(0.0, height))
        used = max(used, line.naturalTextWidth())
        height += line.height()
    layout.endLayout()
    return used, height
