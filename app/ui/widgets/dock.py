"""What the user acts with: the text field, and five large buttons."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from app.ui.look import Look
from app.ui.viewmodels.status import StatusViewModel
from app.ui.widgets.controls import DockButton, IconButton, action

LONGEST_TEXT = 4000
_WIDEST = 760


class Field(QLineEdit):
    """Where the user writes. Esc leaves it when there is nothing to stop."""

    left = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """A line edit's keys, and Esc."""
        if event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)


class Composer(QWidget):
    """Text field and send button. Enter sends."""

    def __init__(self, status: StatusViewModel, look: Look, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._status = status
        self.field = Field()
        self.field.setProperty("kind", "composer")
        self.field.setPlaceholderText(self.tr("Write to Parley"))
        self.field.setAccessibleName(self.tr("Write to Parley"))
        self.field.setAccessibleDescription(self.tr("Enter sends what you wrote."))
        self.field.setMaxLength(LONGEST_TEXT)
        self.send = IconButton(look, "send", self.tr("Send (Enter)"), tint="on_accent")
        self.send.setAccessibleName(self.tr("Send"))
        self.send.setProperty("kind", "send")
        side = self.field.sizeHint().height()
        self.send.setFixedSize(side, side)
        self.send.setEnabled(False)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.field, 1)
        row.addWidget(self.send)
        self.field.textChanged.connect(self._typed)
        self.field.returnPressed.connect(self.submit)
        self.send.clicked.connect(self.submit)
        status.phase_changed.connect(self._allow)

    def begin(self, text: str) -> None:
        """Go on writing here with ``text``."""
        if not self.field.isEnabled():
            return
        self.field.setFocus(Qt.FocusReason.OtherFocusReason)
        self.field.insert(text)

    @Slot()
    def submit(self) -> None:
        """Send what is written, if there is anything."""
        if self._status.send(self.field.text()):
            self.field.clear()

    def resizeEvent(self, event: object) -> None:  # noqa: N802
        """The button is as high as the field, and round."""
        side = self.field.sizeHint().height()
        if self.send.height() != side:
            self.send.setFixedSize(side, side)

    @Slot()
    def _allow(self) -> None:
        self.field.setEnabled(self._status.can_write)
        self._typed(self.field.text())

    @Slot(str)
    def _typed(self, text: str) -> None:
        self.send.setEnabled(self._status.can_write and bool(text.strip()))


class Dock(QFrame):
    """Composer and buttons. The actions' shortcuts hold in the whole window."""

    def __init__(self, status: StatusViewModel, look: Look, window: QWidget) -> None:
        super().__init__(window)
        self._status = status
        self.setProperty("kind", "dock")
        self.composer = Composer(status, look, self)
        self.talk = DockButton(look, "microphone")
        self.hands_free = DockButton(look, "hands-free")
        self.mute = DockButton(look, "microphone-off", tone="warning")
        self.stop = DockButton(look, "stop")
        self.record = DockButton(look, "record", tone="danger")
        self.mute_action = self._bind(self.mute, action(window, self.tr("Mute"), "Ctrl+M"), True)
        self.stop_action = self._bind(self.stop, action(window, self.tr("Stop"), "Esc"), False)
        self.record_action = self._bind(
            self.record, action(window, self.tr("Record"), "Ctrl+R"), True
        )
        self.hands_free_action = self._bind(
            self.hands_free, action(window, self.tr("Hands-free"), "Ctrl+H"), True
        )
        self._lay_out()
        self._connect()
        self.refresh()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for button in (self.talk, self.hands_free, self.mute, self.stop, self.record):
            buttons.addWidget(button, 1)
        column = QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.composer)
        column.addLayout(buttons)
        inner = QWidget(self)
        inner.setLayout(column)
        inner.setMaximumWidth(_WIDEST)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 12, 14, 10)
        row.addStretch(1)
        row.addWidget(inner, 1000)
        row.addStretch(1)

    def _connect(self) -> None:
        status = self._status
        self.talk.pressed.connect(lambda: status.talk(True))
        self.talk.released.connect(lambda: status.talk(False))
        self.mute_action.triggered.connect(status.set_muted)
        self.hands_free_action.triggered.connect(status.set_hands_free)
        self.stop_action.triggered.connect(status.stop)
        self.record_action.triggered.connect(self._ask_record)
        status.phase_changed.connect(self.refresh)
        status.switches_changed.connect(self.refresh)
        status.recording_changed.connect(self.refresh)
        status.devices_changed.connect(self.refresh)

    @staticmethod
    def _bind(button: DockButton, made: QAction, checkable: bool) -> QAction:
        """The button does the action and shows its state, but keeps its own icon and words."""
        made.setCheckable(checkable)
        button.setCheckable(checkable)
        button.clicked.connect(made.trigger)
        made.toggled.connect(button.setChecked)
        made.enabledChanged.connect(button.setEnabled)
        return made

    @Slot()
    def _ask_record(self) -> None:
        # The button shows what is, not what was asked for.
        asked = not self._status.recording.on
        self.refresh()
        self._status.record(asked)

    @Slot()
    def refresh(self) -> None:
        """Show switches and possibilities as they are now."""
        status = self._status
        self.talk.setEnabled(status.can_hear)
        self.talk.show_held(status.talking)
        self.talk.show_word(
            self.tr("Talking") if status.talking else self.tr("Hold to talk"),
            self.tr("Speak while you hold this button or the Space key"),
        )
        self._show(self.mute_action, self.mute, status.muted)
        self.mute.show_word(
            self.tr("Muted") if status.muted else self.tr("Mute"),
            self.tr("Open the microphone (Ctrl+M)")
            if status.muted
            else self.tr("Close the microphone (Ctrl+M)"),
        )
        self._show(self.hands_free_action, self.hands_free, status.hands_free)
        self.hands_free.show_word(
            self.tr("Hands-free"), self.tr("Answer whenever you speak (Ctrl+H)")
        )
        self.stop_action.setEnabled(status.can_stop)
        self.stop.setEnabled(status.can_stop)
        self.stop.show_word(self.tr("Stop"), self.tr("Silence the answer (Esc)"))
        on = status.recording.on
        self._show(self.record_action, self.record, on)
        self.record_action.setEnabled(status.can_record)
        self.record.setEnabled(status.can_record)
        self.record.show_word(
            self.tr("Recording") if on else self.tr("Record"),
            self.tr("Stop recording (Ctrl+R)")
            if on
            else self.tr("Record this conversation (Ctrl+R)"),
        )

    @staticmethod
    def _show(made: QAction, button: DockButton, on: bool) -> None:
        made.setChecked(on)
        button.setChecked(on)
