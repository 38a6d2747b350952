"""The row of the settings in which a file is looked through for the mark of Parley's voice."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication, Qt, Slot
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.ui.dialogs.rows import label
from app.ui.viewmodels.mark import MarkViewModel
from app.ui.widgets.announcer import announce


def _tr(text: str) -> str:
    return QCoreApplication.translate("MarkRow", text)


class MarkRow(QWidget):
    """A question, a button that asks for the file, and below it the answer."""

    def __init__(self, mark: MarkViewModel) -> None:
        super().__init__()
        self._mark = mark
        name = _tr("Is it Parley's voice?")
        hint = _tr(
            "Looks for your mark in a sound file: WAV, FLAC, OGG, Opus or MP3. It takes some seconds, "
            "and the file stays as it is."
        )
        self.button = QPushButton(_tr("Check a file…"))
        self.button.setAccessibleName(_tr("Check a file for Parley's mark"))
        self.button.setAccessibleDescription(hint)
        self.button.setToolTip(hint)
        self.button.setAutoDefault(False)
        self.button.clicked.connect(self._browse)
        self.answer = label("")
        self.answer.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        title = label(name)
        title.setBuddy(self.button)
        texts.addWidget(title)
        texts.addWidget(label(hint, "hint"))
        line = QHBoxLayout()
        line.setSpacing(16)
        line.addLayout(texts, 1)
        line.addWidget(self.button, 0, Qt.AlignmentFlag.AlignVCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(line)
        column.addWidget(self.answer)
        mark.changed.connect(self._show)
        self._show()

    @Slot()
    def _show(self) -> None:
        words = self._mark.answer
        if words and words != self.answer.text():
            announce(self, words)
        self.answer.setText(words)
        self.answer.setVisible(bool(words))

    @Slot()
    def _browse(self) -> None:
        if self._mark.busy:
            return
        dialog = QFileDialog(self, _tr("Which file?"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters(
            [_tr("Sound files (*.wav *.flac *.ogg *.opus *.mp3)"), _tr("All files (*)")]
        )
        dialog.fileSelected.connect(self.picked)
        dialog.open()

    @Slot(str)
    def picked(self, path: str) -> None:
        """A file was chosen; '' when none was."""
        if path:
            self._mark.look(Path(path))
