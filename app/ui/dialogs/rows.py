"""The rows of a settings page: what it is, what it means, and the control that changes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QSignalBlocker, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from app.ui.look import Look
from app.ui.widgets.controls import Choice, Switch

CONTROL_WIDTH = 190


def label(text: str, kind: str = "") -> QLabel:
    """Words that wrap, in one of the style sheet's kinds."""
    made = QLabel(text)
    made.setWordWrap(True)
    made.setTextFormat(Qt.TextFormat.PlainText)
    if kind:
        made.setProperty("kind", kind)
    return made


class Section(QFrame):
    """A card of rows under a title."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.setProperty("kind", "card")
        self.setAccessibleName(title)
        self._rules: dict[QWidget, QFrame] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(18, 14, 18, 14)
        self._column.setSpacing(12)
        self._column.addWidget(label(title, "section"))

    def add(self, row: QWidget) -> None:
        """Append a row, with a hairline above it where it is not the first."""
        if self._column.count() > 1:
            rule = QFrame()
            rule.setProperty("kind", "rule")
            self._column.addWidget(rule)
            self._rules[row] = rule
        self._column.addWidget(row)

    def show_row(self, row: QWidget, on: bool) -> None:
        """Show a row and its hairline, or neither."""
        row.setVisible(on)
        self._rules[row].setVisible(on)


class Row(QWidget):
    """A name with its explanation at the left, a control at the right."""

    def __init__(self, name: str, hint: str, control: QWidget) -> None:
        super().__init__()
        self.control = control
        title = label(name)
        title.setBuddy(control)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(title)
        self.hint = label(hint, "hint")
        self.hint.setVisible(bool(hint))
        texts.addWidget(self.hint)
        control.setAccessibleName(name)
        control.setAccessibleDescription(hint)
        control.setToolTip(hint)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        row.addLayout(texts, 1)
        row.addWidget(control, 0, Qt.AlignmentFlag.AlignVCenter)


def switch_row(
    look: Look, name: str, hint: str, on: bool, changed: Callable[[bool], object]
) -> tuple[Row, Switch]:
    """On or off."""
    control = Switch(look, name)
    control.setChecked(on)
    control.toggled.connect(changed)
    return Row(name, hint, control), control


def choice_row(
    look: Look,
    name: str,
    hint: str,
    options: Sequence[tuple[str, object]],
    changed: Callable[[object], object],
) -> tuple[Row, Choice]:
    """One of several: (words, value)."""
    control = Choice(look, name)
    control.setFixedWidth(CONTROL_WIDTH)
    fill(control, options)
    control.activated.connect(lambda at: changed(control.itemData(at)))
    return Row(name, hint, control), control


def fill(control: Choice, options: Sequence[tuple[str, object]]) -> None:
    """Offer ``options``, without saying that the user chose one."""
    blocker = QSignalBlocker(control)
    control.clear()
    for words, value in options:
        control.addItem(words, value)
        control.setItemData(control.count() - 1, words, Qt.ItemDataRole.ToolTipRole)
    blocker.unblock()


def select(control: Choice, value: object) -> None:
    """Show ``value`` as chosen."""
    at = next((n for n in range(control.count()) if control.itemData(n) == value), -1)
    control.setCurrentIndex(at)


def slider_row(
    name: str, hint: str, ends: tuple[str, str], value: int, changed: Callable[[int], object]
) -> tuple[QWidget, QSlider]:
    """A number from 0 to 10 between two meanings."""
    control = QSlider(Qt.Orientation.Horizontal)
    control.setRange(0, 10)
    control.setPageStep(2)
    control.setValue(value)
    control.setAccessibleName(name)
    control.setAccessibleDescription(f"{hint} {ends[0]} – {ends[1]}.")
    control.setToolTip(hint)
    control.valueChanged.connect(changed)
    row = QWidget()
    column = QVBoxLayout(row)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2)
    title = label(name)
    title.setBuddy(control)
    column.addWidget(title)
    column.addWidget(label(hint, "hint"))
    column.addSpacing(4)
    column.addWidget(control)
    words = QHBoxLayout()
    for text, side in zip(
        ends, (Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight), strict=True
    ):
        end = label(text, "hint")
        end.setAlignment(side | Qt.AlignmentFlag.AlignTop)
        words.addWidget(end, 1)
    column.addLayout(words)
    return row, control


class Field(QLineEdit):
    """A line of text. Enter takes what is written, and does not close the dialog on top of it."""

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """A line edit's keys; Enter ends here."""
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()


class PathRow(QWidget):
    """A file, folder or address: written or looked for. Empty is what is built in."""

    def __init__(
        self,
        name: str,
        hint: str,
        *,
        file_kind: str = "",
        chosen: Callable[[str], object],
    ) -> None:
        super().__init__()
        self._file_kind = file_kind
        self._hint = hint
        self._chosen = chosen
        self._shown = ""
        self.field = Field()
        self.field.setAccessibleName(name)
        self.field.setAccessibleDescription(hint)
        self.field.editingFinished.connect(self._finished)
        browse_words = QCoreApplication.translate("PathRow", "Browse…")
        self.browse = QPushButton(browse_words)
        self.browse.setAccessibleName(
            QCoreApplication.translate("PathRow", "Browse for: {name}").format(name=name)
        )
        self.browse.setToolTip(hint)
        self.browse.setAutoDefault(False)
        self.browse.clicked.connect(self._browse)
        self.state = label("", "hint")
        title = label(name)
        title.setBuddy(self.field)
        line = QHBoxLayout()
        line.setSpacing(8)
        line.addWidget(self.field, 1)
        line.addWidget(self.browse)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(title)
        if hint:
            column.addWidget(label(hint, "hint"))
        column.addLayout(line)
        column.addWidget(self.state)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)

    def show_value(self, value: str, placeholder: str, state: str) -> None:
        """What is chosen ('' for what ``placeholder`` names), and what is in use."""
        self._shown = value
        self.field.setText(value)
        self.field.setCursorPosition(0)
        # A long path is cut in the field, so it is told whole.
        self.field.setToolTip(f"{value}\n{self._hint}" if value else self._hint)
        self.field.setPlaceholderText(placeholder)
        self.state.setText(state)
        self.state.setVisible(bool(state))

    def _finished(self) -> None:
        text = self.field.text().strip()
        if text != self._shown:
            self._shown = text
            self._chosen(text)

    def _browse(self) -> None:
        dialog = QFileDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if self._file_kind:
            dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
            dialog.setNameFilter(self._file_kind)
        else:
            dialog.setFileMode(QFileDialog.FileMode.Directory)
            dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        if self._shown and "://" not in self._shown:
            dialog.setDirectory(str(Path(self._shown).parent))
        dialog.fileSelected.connect(self.picked)
        dialog.open()

    def picked(self, path: str) -> None:
        """What was looked for was found; '' when it was not."""
        if path:
            self.field.setText(path)
            self._finished()
