"""What is there before anything was said: an invitation, and what the built-in models are."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.core.shown import Phase
from app.ui import icons
from app.ui.look import Look
from app.ui.viewmodels.status import StatusViewModel


class BuiltInCard(QFrame):
    """Says plainly what the small models can and cannot do."""

    choose = Signal()
    learn = Signal()

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.setProperty("kind", "card")
        title = QLabel(self.tr("You are trying the built-in models"))
        title.setProperty("kind", "section")
        title.setWordWrap(True)
        text = QLabel(
            self.tr(
                "They are small and learned from synthetic speech, so they understand synthetic "
                "voices and not people. Writing works. To talk, choose real models."
            )
        )
        text.setProperty("kind", "hint")
        text.setWordWrap(True)
        choose = QPushButton(self.tr("Choose models…"))
        choose.setProperty("kind", "primary")
        learn = QPushButton(self.tr("What is this?"))
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        for button in (choose, learn):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            button.setAccessibleName(button.text())
            buttons.addWidget(button)
        buttons.addStretch(1)
        choose.clicked.connect(self.choose)
        learn.clicked.connect(self.learn)
        column = QVBoxLayout(self)
        column.setContentsMargins(18, 16, 18, 16)
        column.setSpacing(8)
        column.addWidget(title)
        column.addWidget(text)
        column.addSpacing(4)
        column.addLayout(buttons)


class EmptyPage(QScrollArea):
    """Shown until the first caption.

    ``built_in`` says whether all models are the built-in ones; ``server`` names the host that the
    language model runs on, '' for this computer.
    """

    choose_models = Signal()
    learn_more = Signal()

    def __init__(
        self, status: StatusViewModel, look: Look, *, built_in: bool, server: str = ""
    ) -> None:
        super().__init__()
        self._status = status
        self._look = look
        self._built_in = built_in
        self._server = server
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._picture = QLabel()
        self._picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.title = QLabel()
        self.title.setProperty("kind", "hero")
        self.text = QLabel()
        self.text.setProperty("kind", "hint")
        for label in (self.title, self.text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setWordWrap(True)
        self.card = BuiltInCard(look)
        self.repair = QPushButton(self.tr("Open the settings"))
        self.repair.setProperty("kind", "primary")
        self.repair.setAccessibleName(self.repair.text())
        self.repair.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.repair.clicked.connect(self.choose_models)
        self.card.choose.connect(self.choose_models)
        self.card.learn.connect(self.learn_more)
        self._lay_out()
        status.phase_changed.connect(self.refresh)
        status.switches_changed.connect(self.refresh)
        self.refresh()

    def _lay_out(self) -> None:
        inner = QWidget()
        inner.setMaximumWidth(520)
        inner.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        column = QVBoxLayout(inner)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(8)
        column.addStretch(3)
        column.addWidget(self._picture)
        column.addSpacing(4)
        column.addWidget(self.title)
        column.addWidget(self.text)
        column.addSpacing(16)
        column.addWidget(self.card)
        column.addWidget(self.repair, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(4)
        page = QWidget()
        page.setProperty("kind", "page")
        row = QHBoxLayout(page)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(inner, 1000)
        row.addStretch(1)
        self.setWidget(page)

    def tell(self, *, built_in: bool, server: str) -> None:
        """Other models are in use."""
        self._built_in, self._server = built_in, server
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Invite to what can be done now."""
        phase = self._status.phase
        ratio = self.devicePixelRatioF()
        self._picture.setPixmap(icons.pixmap("parley", "#000000", 64, ratio))
        if phase is Phase.LOADING:
            title = self.tr("One moment")
            text = self._status.detail or self.tr("Parley is loading its models.")
        elif phase is Phase.FAILED:
            title = self.tr("Something is missing")
            text = self.tr("The message above says what to do.")
        elif phase in (Phase.NO_MICROPHONE, Phase.MUTED):
            title = self.tr("Write something")
            text = self.tr("Parley answers in words and aloud.")
        elif self._status.hands_free:
            title = (
                self.tr("Say or write something") if self._built_in else self.tr("Say something")
            )
            text = self.tr("Parley answers when you pause.") + " " + self._place()
        else:
            title = self.tr("Hold Space and say something")
            text = self.tr("Parley answers when you let go.") + " " + self._place()
        self.card.setVisible(self._built_in and phase is not Phase.FAILED)
        self.repair.setVisible(phase is Phase.FAILED)
        self.title.setText(title)
        self.text.setText(text)

    def _place(self) -> str:
        if self._server:
            return self.tr("What you say goes to {host}.").format(host=self._server)
        return self.tr("Nothing leaves this computer.")
