"""Opens the window and runs it to its end."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Sequence

from PySide6.QtCore import (
    QByteArray,
    QCoreApplication,
    QLibraryInfo,
    QLocale,
    QMessageLogContext,
    QSettings,
    Qt,
    QTimer,
    QtMsgType,
    QTranslator,
    qInstallMessageHandler,
)
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from app.core.live_ports import LiveControl
from app.core.shelf import Shelf
from app.core.shown import Level, Notice
from app.settings import paths
from app.settings.model import Settings
from app.ui import icons
from app.ui.bridge import Background
from app.ui.closing import CLOSE_S, Closer
from app.ui.garbage import Garbage
from app.ui.look import Look
from app.ui.viewmodels.mark import MarkViewModel
from app.ui.viewmodels.session import SessionViewModel
from app.ui.viewmodels.settings import Apply, SettingsStore, SettingsViewModel, known_voices
from app.ui.viewmodels.shelf import ShelfViewModel
from app.ui.window import MainWindow

_LOG = logging.getLogger("parley.window")
_SIGNAL_MS = 250
_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


def run(
    control: LiveControl,
    settings: Settings,
    store: SettingsStore,
    shelf: Shelf,
    *,
    apply: Apply | None = None,
    renew: Apply | None = None,
    notices: Sequence[str] = (),
    arguments: Sequence[str] = (),
) -> int:
    """Open the window of the conversation that ``control`` holds; returns the exit code at its end.

    ``settings`` are those that ``control`` was made with; changed ones go to ``store`` and, where
    it is given, to ``apply``, which must not block and makes what it can of them true at once. ``renew``, which must not block
    either, goes on with all of them; without it they hold from the next start.
    ``shelf`` reads what was recorded. ``notices`` are sentences for the user that were there before the window.
    ``control.start`` is called once the window is there, ``control.close`` when it is closed: the
    window is gone at once, and this returns within two seconds whatever hangs.
    """
    app = make_application(arguments)
    # The end comes when the conversation has ended, not when the window has gone.
    app.setQuitOnLastWindowClosed(False)
    look = Look(app, theme=settings.theme, caption_pt=settings.caption_pt)
    background = Background()
    session = SessionViewModel(control, hands_free=settings.hands_free)
    voices = known_voices(paths.voices())
    choices = SettingsViewModel(
        settings, store, background, apply=apply, renew=renew, voices=voices
    )
    status = session.status
    kept = ShelfViewModel(
        shelf,
        background,
        root=lambda: choices.settings.recordings,
        being_recorded=lambda: status.recording.folder if status.recording.on else None,
    )
    # A thread of its own: no long file may keep the settings from being saved.
    mark = MarkViewModel(shelf, Background())
    window = MainWindow(session, choices, look, shelf=kept, mark=mark)
    garbage = Garbage(window)
    status.phase_changed.connect(garbage.phase)
    _restore_place(window)

    place = QByteArray()

    def end() -> bool:
        # On the closing thread: nothing here may hold up Qt's.
        ended = control.close(CLOSE_S)
        _place().setValue("geometry", place)
        return background.close() and ended

    closer = Closer(end)

    def leave(clean: bool) -> None:
        if not clean:
            _LOG.warning("A part of the conversation did not end in time and was left behind.")
        app.exit(0)

    def close() -> None:
        window.hide()
        place.swap(window.saveGeometry())
        session.close()
        closer.start()

    for sentence in notices:
        session.status.take_notice(Notice(Level.WARNING, sentence))
    window.closing.connect(close)
    closer.done.connect(leave)
    restore_signals = _end_on_signals(window)
    window.show()
    # After the first frame: the window is there before anything is loaded.
    QTimer.singleShot(0, control.start)
    code = app.exec()
    restore_signals()
    garbage.close()
    icons.forget()
    return code


def make_application(arguments: Sequence[str] = ()) -> QApplication:
    """Qt's application with Parley's name, icon, style and translations; the one that exists, if any."""
    known = QCoreApplication.instance()
    if isinstance(known, QApplication):
        return known
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(
        Qt.HighDpiScaleFactorRoundingPolicy.PassThrough
    )
    qInstallMessageHandler(_log_qt)
    app = QApplication(["parley", *arguments])
    app.setApplicationName("parley")
    app.setApplicationDisplayName("Parley")
    app.setDesktopFileName("parley")
    app.setStyle("Fusion")
    app.setWindowIcon(icons.application_icon())
    translator = QTranslator(app)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if translator.load(QLocale(), "qtbase", "_", folder):
        app.installTranslator(translator)
    return app


def _log_qt(kind: QtMsgType, _context: QMessageLogContext, message: str | None) -> None:
    _LOG.log(_LEVELS.get(kind, logging.WARNING), "Qt: %s", message)


def _end_on_signals(window: MainWindow) -> Callable[[], None]:
    """Ctrl+C in the terminal and a polite kill close the window. Returns what undoes it."""
    timer = QTimer(window)
    # Python sees signals only between its own instructions: give it some, also while Qt idles.
    timer.timeout.connect(lambda: None)
    timer.start(_SIGNAL_MS)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: window.close())

    def undo() -> None:
        timer.stop()
        for number, handler in before.items():
            signal.signal(number, handler)

    return undo


def _place() -> QSettings:
    """Where the window was: nothing but that is kept here."""
    file = paths.user_config() / "window.ini"
    return QSettings(str(file), QSettings.Format.IniFormat)


def _restore_place(window: MainWindow) -> None:
    kept = _place().value("geometry")
    if isinstance(kept, QByteArray):
        window.restoreGeometry(kept)
