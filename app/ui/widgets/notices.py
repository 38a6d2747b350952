"""What is wrong or was put right, above the conversation, until it is dismissed; and the recording."""

from __future__ import annotations

from PySide6.QtCore import Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.core.shown import Level, Notice
from app.ui import icons
from app.ui.look import Look
from app.ui.theme import level_colours, mix
from app.ui.viewmodels.status import StatusViewModel
from app.ui.widgets.controls import IconButton
from app.ui.words import minutes

_ICONS = {Level.INFO: "info", Level.WARNING: "alert", Level.ERROR: "alert"}


class NoticeBar(QFrame):
    """One notice: icon, sentence, and a button that takes it away."""

    def __init__(self, notice: Notice, status: StatusViewModel, look: Look) -> None:
        super().__init__()
        self.notice = notice
        front, ground = level_colours(look.colours, notice.level)
        edge = mix(front, ground, 0.35)
        self.setObjectName("notice")
        self.setStyleSheet(
            f"QFrame#notice {{ background: {ground}; border: 1px solid {edge}; border-radius: 10px; }}"
        )
        picture = QLabel()
        picture.setPixmap(icons.pixmap(_ICONS[notice.level], front, 20, self.devicePixelRatioF()))
        self.text = QLabel(notice.message)
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        level = {
            Level.INFO: self.tr("Information"),
            Level.WARNING: self.tr("Warning"),
            Level.ERROR: self.tr("Error"),
        }[notice.level]
        self.setAccessibleName(f"{level}: {notice.message}")
        self.dismiss = IconButton(look, "close", self.tr("Dismiss this message"), size=16)
        self.dismiss.setAccessibleDescription(notice.message)
        self.dismiss.clicked.connect(lambda: status.dismiss(notice))
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 6, 6, 6)
        row.setSpacing(10)
        row.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.text, 1, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self.dismiss, 0, Qt.AlignmentFlag.AlignTop)
        row.setAlignment(picture, Qt.AlignmentFlag.AlignVCenter)


class NoticeStack(QWidget):
    """All notices, the newest below. Takes no room when there is none."""

    def __init__(self, status: StatusViewModel, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._status = status
        self._look = look
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(14, 10, 14, 2)
        self._column.setSpacing(6)
        self.bars: list[NoticeBar] = []
        status.notices_changed.connect(self.refresh)
        look.changed.connect(self._redress)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Show the notices as they are now."""
        wanted = self._status.notices
        for bar in [bar for bar in self.bars if bar.notice not in wanted]:
            self.bars.remove(bar)
            self._column.removeWidget(bar)
            bar.hide()
            bar.deleteLater()
        for notice in wanted:
            if all(bar.notice is not notice for bar in self.bars):
                bar = NoticeBar(notice, self._status, self._look)
                self.bars.append(bar)
                self._column.addWidget(bar)
        self.setVisible(bool(self.bars))

    @Slot()
    def _redress(self) -> None:
        for bar in self.bars:
            self._column.removeWidget(bar)
            bar.hide()
            bar.deleteLater()
        self.bars = []
        self.refresh()


class RecordingStrip(QFrame):
    """A red dot, 'Recording' and for how long, as long as it goes on."""

    def __init__(self, status: StatusViewModel, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._status = status
        self._look = look
        self._shown = False
        self.hide()
        self.setProperty("kind", "recording")
        self._dot = QLabel()
        self.text = QLabel()
        self.text.setProperty("kind", "danger")
        self.folder = QPushButton(self.tr("Show the folder"))
        self.folder.setProperty("kind", "link")
        self.folder.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.folder.setCursor(Qt.CursorShape.PointingHandCursor)
        self.folder.setAccessibleName(self.tr("Show the folder of the recording"))
        self.folder.clicked.connect(self._open)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 3, 14, 3)
        row.setSpacing(8)
        row.addWidget(self._dot)
        row.addWidget(self.text)
        row.addStretch(1)
        row.addWidget(self.folder)
        status.recording_changed.connect(self.refresh)
        status.meters_changed.connect(self.refresh)
        look.changed.connect(self._tint)
        self._tint()
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Show whether and for how long."""
        told = self._status.recording
        if told.on:
            spent = minutes(self._status.meters.recorded_s)
            words = self.tr("Recording {time}").format(time=spent)
            if words != self.text.text():
                self.text.setText(words)
            self.folder.setVisible(told.folder is not None)
            self.folder.setToolTip(str(told.folder or ""))
            self.setAccessibleName(self.tr("This conversation is being recorded"))
        if self._shown != told.on:
            self._shown = told.on
            self.setVisible(told.on)

    @Slot()
    def _tint(self) -> None:
        colour = self._look.colours.danger
        self._dot.setPixmap(icons.pixmap("record", colour, 16, self.devicePixelRatioF()))

    @Slot()
    def _open(self) -> None:
        folder = self._status.recording.folder
        if folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
