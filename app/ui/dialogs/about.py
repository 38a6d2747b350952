"""What Parley is, said plainly, and where real models go."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app import __version__
from app.settings import paths
from app.ui import icons
from app.ui.dialogs.page import PageDialog, Part
from app.ui.dialogs.rows import Section, label
from app.ui.look import Look
from app.ui.viewmodels.settings import SettingsViewModel, model_name


class AboutDialog(PageDialog):
    """Name and version, the models in use and their limits, the keys."""

    def __init__(
        self, choices: SettingsViewModel, look: Look, parent: QWidget | None = None
    ) -> None:
        super().__init__(self.tr("About Parley"), QSize(540, 640), look, parent)
        self._choices = choices
        self.area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def parts(self) -> Sequence[Part]:
        """What it is, what it runs on, what would make it better, how to drive it."""
        return (self._head, self._models, self._real_models, self._keys)

    def finish(self) -> None:
        """Enter closes it."""
        self.close_button.setFocus()

    def _head(self) -> QWidget:
        picture = QLabel()
        picture.setPixmap(icons.pixmap("parley", "#000000", 56, self.devicePixelRatioF()))
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(label("Parley", "hero"))
        version = self.tr("Version {number}. A voice assistant that lives on this computer.")
        texts.addWidget(label(version.format(number=__version__), "hint"))
        made = QWidget()
        row = QHBoxLayout(made)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(14)
        row.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(texts, 1)
        return made

    def _models(self) -> Section:
        used = self._choices.in_use
        section = Section(self.tr("The models in use"))
        for title, value in (
            (self.tr("Speaks"), used.model),
            (self.tr("Understands you"), used.asr),
            (self.tr("Thinks"), used.llm),
        ):
            name, own = model_name(value)
            words = self.tr("{name} (built in)").format(name=name) if own else name
            section.add(_pair(title, words))
        parts = used.nano_parts()
        if parts:
            section.add(label(self._plainly(parts), ""))
        return section

    def _plainly(self, parts: list[str]) -> str:
        told = [
            self.tr(
                "The built-in models are small and were trained from nothing, on texts written "
                "for them and on synthetic speech."
            )
        ]
        if "asr" in parts:
            told.append(
                self.tr(
                    "The recogniser understands synthetic voices; it does not understand people."
                )
            )
        if "llm" in parts:
            told.append(
                self.tr("The language model makes small talk and knows little of the world.")
            )
        if "model" in parts:
            told.append(self.tr("The voice sounds like a speech synthesiser."))
        told.append(self.tr("They are for trying Parley, not for real conversations."))
        return " ".join(told)

    def _real_models(self) -> Section:
        section = Section(self.tr("Where real models go"))
        folder = paths.user_data() / "models"
        text = self.tr(
            "Get a Whisper model for faster-whisper, an instruction model as GGUF and csm-1b from "
            "where you trust, put them where you like, for example into {folder}, and name them in "
            "the settings under Models. The README says more under 'Use real models'."
        )
        words = label(text.format(folder=folder))
        words.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        words.setAccessibleName(words.text())
        section.add(words)
        host = self._choices.server
        kept = self.tr("Nothing you say leaves this computer, unless you name a server yourself.")
        sent = self.tr("What you say goes to {host}, the server that you named.").format(host=host)
        section.add(label(sent if host else kept, "hint"))
        return section

    def _keys(self) -> Section:
        section = Section(self.tr("Keys"))
        words = {
            "Space": self.tr("hold it and speak"),
            "Esc": self.tr("silence the answer"),
            "Ctrl+M": self.tr("close or open the microphone"),
            "Ctrl+H": self.tr("hands-free on or off"),
            "Ctrl+R": self.tr("record, or stop recording"),
            "Ctrl+L": self.tr("write; Enter sends"),
            "Ctrl+O": self.tr("what was recorded"),
            "Ctrl+,": self.tr("settings"),
        }
        for key, what in words.items():
            section.add(_pair(key, what))
        return section


def _pair(left: str, right: str) -> QWidget:
    made = QWidget()
    row = QHBoxLayout(made)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(14)
    name = label(left, "hint")
    name.setWordWrap(False)
    name.setFixedWidth(130)
    row.addWidget(name, 0, Qt.AlignmentFlag.AlignTop)
    row.addWidget(label(right), 1)
    return made
