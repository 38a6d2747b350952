"""The one window: state above, conversation in the middle, what the user acts with below."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QSize, Qt, Signal, Slot
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.core.shown import Level, Notice
from app.ui.dialogs.about import AboutDialog
from app.ui.dialogs.settings import SettingsDialog
from app.ui.dialogs.shelf import ShelfDialog
from app.ui.look import Look
from app.ui.viewmodels.mark import MarkViewModel
from app.ui.viewmodels.session import SessionViewModel
from app.ui.viewmodels.settings import SettingsViewModel
from app.ui.viewmodels.shelf import ShelfViewModel
from app.ui.widgets.announcer import Announcer
from app.ui.widgets.caption_view import CaptionView
from app.ui.widgets.controls import IconButton, action
from app.ui.widgets.dock import Dock
from app.ui.widgets.empty import EmptyPage
from app.ui.widgets.notices import NoticeStack, RecordingStrip
from app.ui.widgets.state import Meters, StateIndicator

SMALLEST = QSize(420, 480)
FIRST = QSize(720, 800)
FRAME = QSize(0, 48)
"""Room for a title bar, which Qt does not count."""


class MainWindow(QMainWindow):
    """A conversation on screen. Closing it asks for the end of the program through ``closing``."""

    closing = Signal()

    def __init__(
        self,
        session: SessionViewModel,
        choices: SettingsViewModel,
        look: Look,
        *,
        shelf: ShelfViewModel,
        mark: MarkViewModel,
    ) -> None:
        super().__init__()
        self.shelf = shelf
        self.mark = mark
        self.session = session
        self.choices = choices
        self.look = look
        status = session.status
        self.setWindowTitle("Parley")
        self.setMinimumSize(SMALLEST)
        # On a small screen no part of it, least of all the buttons, may begin below the edge.
        self.resize(FIRST.boundedTo(self.screen().availableSize() - FRAME))
        self.state = StateIndicator(status, look, barge_in=choices.in_use.barge_in)
        self.meters = Meters(status, look)
        self.recording = RecordingStrip(status, look)
        self.notices = NoticeStack(status, look)
        self.captions = CaptionView(session.captions, look)
        self.empty = EmptyPage(status, look, built_in=choices.only_built_in, server=choices.server)
        self.dock = Dock(status, look, self)
        self.announcer = Announcer(status, self)
        self.dialog: SettingsDialog | ShelfDialog | AboutDialog | None = None
        self._make_actions()
        self._lay_out()
        self._connect()
        self._show_page()
        self.setFocus()

    def _make_actions(self) -> None:
        self.settings_action = action(self, self.tr("Settings"), "Ctrl+,")
        self.shelf_action = action(self, self.tr("Recordings"), "Ctrl+O")
        self.about_action = action(self, self.tr("About Parley"), "F1")
        self.quit_action = action(self, self.tr("Quit"), "Ctrl+Q")
        self.write_action = action(self, self.tr("Write"), "Ctrl+L")
        self.shelf_button = IconButton(self.look, "folder", self.tr("Recordings (Ctrl+O)"))
        self.shelf_button.setAccessibleName(self.tr("Recordings"))
        self.settings_button = IconButton(self.look, "settings", self.tr("Settings (Ctrl+,)"))
        self.settings_button.setAccessibleName(self.tr("Settings"))
        self.about_button = IconButton(self.look, "info", self.tr("About Parley (F1)"))
        self.about_button.setAccessibleName(self.tr("About Parley"))
        self.latest = IconButton(self.look, "arrow-down", self.tr("Go to the newest"))
        self.latest.setProperty("kind", "latest")
        self.latest.setParent(self.captions)
        self.latest.setFixedSize(40, 40)
        self.latest.hide()

    def _lay_out(self) -> None:
        header = QFrame()
        header.setProperty("kind", "header")
        top = QHBoxLayout(header)
        top.setContentsMargins(12, 6, 10, 6)
        top.setSpacing(4)
        top.addWidget(self.state, 1)
        top.addWidget(self.meters)
        top.addSpacing(8)
        top.addWidget(self.shelf_button)
        top.addWidget(self.settings_button)
        top.addWidget(self.about_button)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.empty)
        self.pages.addWidget(self.captions)
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for part in (header, self.recording, self.notices):
            column.addWidget(part)
        column.addWidget(self.pages, 1)
        column.addWidget(self.dock)
        for part in (header, self.recording, self.notices, self.empty, self.captions, self.dock):
            self.look.dress(part)
        self.setCentralWidget(middle)

    def _connect(self) -> None:
        captions = self.session.captions
        captions.rowsInserted.connect(self._show_page)
        captions.rowsRemoved.connect(self._show_page)
        self.captions.typed.connect(self.dock.composer.begin)
        self.captions.following_changed.connect(self._place_latest)
        self.captions.verticalScrollBar().rangeChanged.connect(self._place_latest)
        self.latest.clicked.connect(self.captions.follow)
        self.dock.composer.field.left.connect(self._leave_field)
        self.shelf_button.clicked.connect(self.shelf_action.trigger)
        self.shelf_action.triggered.connect(self.show_shelf)
        self.settings_button.clicked.connect(self.settings_action.trigger)
        self.about_button.clicked.connect(self.about_action.trigger)
        self.settings_action.triggered.connect(self.show_settings)
        self.about_action.triggered.connect(self.show_about)
        self.quit_action.triggered.connect(self.close)
        self.write_action.triggered.connect(self.dock.composer.field.setFocus)
        self.empty.choose_models.connect(self.show_settings)
        self.empty.learn_more.connect(self.show_about)
        self.choices.changed.connect(self._apply)
        self.choices.failed.connect(self._complain)
        self.choices.renewed.connect(self._renewed)
        self.mark.changed.connect(self._answer)
        self.session.status.switches_changed.connect(self._remember_switches)

    # What is shown.

    @Slot()
    def _show_page(self) -> None:
        wanted = self.captions if self.session.captions.rowCount() else self.empty
        if self.pages.currentWidget() is not wanted:
            self.pages.setCurrentWidget(wanted)

    @Slot()
    def _place_latest(self) -> None:
        show = not self.captions.following
        if show:
            view = self.captions.viewport()
            side = self.latest.height()
            self.latest.move((view.width() - side) // 2, view.height() - side - 10)
            self.latest.raise_()
        self.latest.setVisible(show)

    @Slot()
    def show_settings(self) -> None:
        """Open the settings over the window."""
        self._open(
            lambda: SettingsDialog(self.choices, self.session.status, self.mark, self.look, self)
        )

    @Slot()
    def show_shelf(self) -> None:
        """Open the list of what was recorded over the window."""
        self._open(lambda: ShelfDialog(self.shelf, self.session.status, self.look, self))

    @Slot()
    def show_about(self) -> None:
        """Open what Parley is over the window."""
        self._open(lambda: AboutDialog(self.choices, self.look, self))

    def _open(self, make: Callable[[], SettingsDialog | ShelfDialog | AboutDialog]) -> None:
        if self.dialog is not None:
            self.dialog.raise_()
            return
        # Whoever opens a dialog lets go of the talk key.
        self.session.status.talk(False)
        self.dialog = make()
        self.dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.dialog.finished.connect(self._closed_dialog)
        self.dialog.show_built()

    @Slot()
    def _closed_dialog(self) -> None:
        self.dialog = None

    # Settings that take effect at once.

    @Slot(str)
    def _apply(self, name: str) -> None:
        chosen, status = self.choices.settings, self.session.status
        if name in ("theme", "caption_pt"):
            self.look.choose(theme=chosen.theme, caption_pt=chosen.caption_pt)
        elif name in ("microphone", "loudspeaker"):
            self.session.control.choose_devices(chosen.microphone, chosen.loudspeaker)
        elif name == "hands_free":
            status.set_hands_free(chosen.hands_free)
        elif name == "barge_in" and self.choices.at_once(name):
            self.state.barge_in = chosen.barge_in
            self.state.refresh()

    @Slot()
    def _renewed(self) -> None:
        """Other models are being loaded: what is said of them changes."""
        self.empty.tell(built_in=self.choices.only_built_in, server=self.choices.server)
        self.state.barge_in = self.choices.in_use.barge_in
        self.state.refresh()

    @Slot()
    def _remember_switches(self) -> None:
        self.choices.set("hands_free", self.session.status.hands_free)

    @Slot(str)
    def _complain(self, message: str) -> None:
        # The settings, where they are open, say it themselves.
        if not isinstance(self.dialog, SettingsDialog):
            self.session.status.take_notice(Notice(Level.WARNING, message))

    @Slot()
    def _answer(self) -> None:
        """Who closed the settings while a file was listened to is told all the same."""
        if not self.mark.busy and not isinstance(self.dialog, SettingsDialog):
            self.session.status.take_notice(Notice(Level.INFO, self.mark.answer))

    # Keys: Space is the talk key wherever it is not needed for something else.

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """What no control wanted: Space talks, letters go to the text field."""
        text = event.text()
        if event.key() == Qt.Key.Key_Space:
            if not event.isAutoRepeat():
                self.session.status.talk(True)
        elif text and text.isprintable() and not _commands(event):
            self.dock.composer.begin(text)
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Space let go."""
        if event.key() == Qt.Key.Key_Space:
            if not event.isAutoRepeat():
                self.session.status.talk(False)
        else:
            super().keyReleaseEvent(event)

    @Slot()
    def _leave_field(self) -> None:
        self.setFocus(Qt.FocusReason.OtherFocusReason)

    # The window itself.

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """A key let go in another window is not seen here: losing activation lets go."""
        if event.type() == QEvent.Type.ActivationChange and not self.isActiveWindow():
            self.session.status.talk(False)
        elif event.type() == QEvent.Type.WindowStateChange:
            self._watch_meters()
        super().changeEvent(event)

    def showEvent(self, event: QEvent) -> None:  # noqa: N802
        """The meters move while they can be seen."""
        super().showEvent(event)  # type: ignore[arg-type]
        self._watch_meters()

    def hideEvent(self, event: QEvent) -> None:  # noqa: N802
        """And rest while they cannot."""
        super().hideEvent(event)  # type: ignore[arg-type]
        self.session.status.watch_meters(False)

    def resizeEvent(self, event: QEvent) -> None:  # noqa: N802
        """What floats over the conversation goes along."""
        super().resizeEvent(event)  # type: ignore[arg-type]
        self._place_latest()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Gone at once; the conversation ends behind it."""
        self.session.status.talk(False)
        self.choices.save()
        event.accept()
        self.closing.emit()

    def _watch_meters(self) -> None:
        self.session.status.watch_meters(self.isVisible() and not self.isMinimized())


def _commands(event: QKeyEvent) -> bool:
    held = event.modifiers()
    return bool(held & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier))
