"""What Parley is doing: an icon, a word, a colour, a hint, and how loud both sides are."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.core.shown import Phase
from app.ui import icons
from app.ui.look import Look
from app.ui.theme import mix, phase_colour
from app.ui.viewmodels.levels import share
from app.ui.viewmodels.status import StatusViewModel
from app.ui.widgets.controls import ElidedLabel
from app.ui.words import PHASE_ICONS, phase_hint, phase_word

_DISC = 40
_HALO = 52


class _Disc(QWidget):
    """The icon on a disc; a halo moves with whoever is speaking."""

    def __init__(self, look: Look, parent: QWidget) -> None:
        super().__init__(parent)
        self._look = look
        self._phase = Phase.LOADING
        self._loud = 0.0
        self.setFixedSize(_HALO, _HALO)

    def show_phase(self, phase: Phase) -> None:
        self._phase = phase
        self._loud = 0.0
        self.update()

    def show_loudness(self, loud: float) -> None:
        """How wide the halo is, 0 to 1; not moving where the user asked for less motion."""
        wanted = 0.0 if self._look.still else round(loud, 2)
        if wanted != self._loud:
            self._loud = wanted
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        colours = self._look.colours
        colour = phase_colour(colours, self._phase)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        middle = QPointF(_HALO / 2, _HALO / 2)
        if self._loud > 0:
            radius = _DISC / 2 + self._loud * (_HALO - _DISC) / 2
            painter.setBrush(QColor(mix(colour, colours.surface, 0.14)))
            painter.drawEllipse(middle, radius, radius)
        painter.setBrush(QColor(mix(colour, colours.surface, 0.2)))
        painter.drawEllipse(middle, _DISC / 2, _DISC / 2)
        image = icons.pixmap(PHASE_ICONS[self._phase], colour, 22, self.devicePixelRatioF())
        painter.drawPixmap(QPointF((_HALO - 22) / 2, (_HALO - 22) / 2), image)
        painter.end()


class StateIndicator(QWidget):
    """Icon, word and hint of the phase. Not by colour alone, and named for screen readers."""

    def __init__(
        self,
        status: StatusViewModel,
        look: Look,
        *,
        barge_in: bool = True,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._status = status
        self._look = look
        self.barge_in = barge_in
        self._disc = _Disc(look, self)
        self.word = QLabel(self)
        self.word.setProperty("kind", "state")
        self.hint = ElidedLabel(self)
        self.hint.setProperty("kind", "hint")
        texts = QVBoxLayout()
        texts.setSpacing(1)
        texts.addStretch(1)
        texts.addWidget(self.word)
        texts.addWidget(self.hint)
        texts.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self._disc)
        row.addLayout(texts, 1)
        status.phase_changed.connect(self.refresh)
        status.switches_changed.connect(self.refresh)
        status.meters_changed.connect(self._move)
        look.changed.connect(self._colour)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Show the phase as it is now."""
        phase = self._status.phase
        hint = self._status.detail or phase_hint(
            phase, hands_free=self._status.hands_free, barge_in=self.barge_in
        )
        self.word.setText(phase_word(phase))
        self.hint.setText(hint)
        self.hint.setToolTip(hint)
        self.setAccessibleName(self.tr("State: {word}").format(word=phase_word(phase)))
        self.setAccessibleDescription(hint)
        self._disc.show_phase(phase)
        self._colour()

    @Slot()
    def _colour(self) -> None:
        sheet = f"color: {phase_colour(self._look.colours, self._status.phase)};"
        if sheet != self.word.styleSheet():
            self.word.setStyleSheet(sheet)
        self._disc.update()

    @Slot()
    def _move(self) -> None:
        meters, phase = self._status.meters, self._status.phase
        if phase is Phase.SPEAKING:
            self._disc.show_loudness(share(meters.loudspeaker_db))
        elif phase in (Phase.HEARING, Phase.LISTENING):
            self._disc.show_loudness(share(meters.microphone_db))
        else:
            self._disc.show_loudness(0.0)


class Meter(QWidget):
    """How loud one side is, as a bar beside an icon."""

    def __init__(self, look: Look, icon: str, colour: str, name: str) -> None:
        super().__init__()
        self._look = look
        self._icon = icon
        self._colour = colour
        self._full = 0
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        look.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: N802
        """As large as it is drawn."""
        return QSize(96, 16)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Short, in a narrow window: the words beside it need the room more."""
        return QSize(46, 16)

    @property
    def lit(self) -> int:
        """How many points of the bar are lit."""
        return self._full

    def show_db(self, db: float) -> None:
        """Show the level; draws only what is another number of points."""
        full = round(share(db) * self._bar().width())
        if full != self._full:
            self._full = full
            self.update()

    def _bar(self) -> QRectF:
        return QRectF(22, self.height() / 2 - 2.5, self.width() - 22, 5)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802
        """The icon, the groove, the bar."""
        colours = self._look.colours
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        image = icons.pixmap(self._icon, colours.muted, 14, self.devicePixelRatioF())
        painter.drawPixmap(QPointF(2, (self.height() - 14) / 2), image)
        bar = self._bar()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.sunken))
        painter.drawRoundedRect(bar, 2.5, 2.5)
        if self._full:
            bar.setWidth(max(5, self._full))
            painter.setBrush(QColor(str(getattr(colours, self._colour))))
            painter.drawRoundedRect(bar, 2.5, 2.5)
        painter.end()


class Meters(QWidget):
    """Both sides' levels, one above the other."""

    def __init__(self, status: StatusViewModel, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._status = status
        self.microphone = Meter(look, "microphone", "user", self.tr("Level of the microphone"))
        self.loudspeaker = Meter(look, "loudspeaker", "calm", self.tr("Level of the loudspeaker"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addStretch(1)
        column.addWidget(self.microphone)
        column.addWidget(self.loudspeaker)
        column.addStretch(1)
        status.meters_changed.connect(self._show)

    @Slot()
    def _show(self) -> None:
        meters = self._status.meters
        self.microphone.show_db(-90.0 if self._status.muted else meters.microphone_db)
        self.loudspeaker.show_db(meters.loudspeaker_db)
