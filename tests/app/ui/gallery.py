"""Every state of the window as a picture, and what is wrong with how it is laid out.

``python -m tests.app.ui.gallery FOLDER [--scale 2]`` writes the pictures and prints the faults as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.core.shown import (
    Level,
    Levels,
    Notice,
    Phase,
    PhaseChanged,
    RecordingChanged,
    Shown,
)
from tests.fakes.live import DEVICES, FakeLive, FakeStore, answer, conversation, times, typed, user
from tests.fakes.shelf import FakeShelf, kept, shelf_models

QUESTION = "How do I keep bread fresh for longer than a day or two?"
REPLY = (
    "Keep it in a cloth or a paper bag, cut side down. In a box it stays soft for longer, but the "
    "crust goes, and in warm weather it goes mouldy sooner."
)
DONE = [user(1, "What can you do?"), answer(1, "I listen, I think, and I answer aloud."), times(1)]
LOST = Notice(
    Level.WARNING,
    "The microphone went away: plug it in again, or choose another one in the settings.",
)
BROKEN = Notice(
    Level.ERROR,
    "There is no language model at /models/qwen2.5-7b-instruct.gguf: choose one in the settings.",
)
UNSAVED = "The settings could not be saved: No space left on device."
KEYLESS = Notice(
    Level.WARNING,
    "The watermark key cannot be kept in config/parley/watermark.key (No space left on device): make "
    "the folder writable, or switch the watermark off. Until then Parley's voice bears the mark of no "
    "lasting key.",
)
ROOMLESS = Notice(
    Level.WARNING,
    "How your room sounds cannot be kept in data/parley/rooms (No space left on device): make the "
    "folder writable or free some space. Until then Parley learns it anew at every start.",
)
KEPT_AS = {27: "recovered", 25: "stopped", 22: "files"}
FOUND = Notice(Level.INFO, "The microphone is back.")
ASKED = user(2, QUESTION)


def phase(now: Phase) -> PhaseChanged:
    return PhaseChanged(now)


STATES: dict[str, Sequence[Shown]] = {
    "loading": [phase(Phase.LOADING)],
    "first-start": [phase(Phase.LISTENING)],
    "listening": [*DONE, phase(Phase.LISTENING)],
    "hearing": [
        *DONE,
        phase(Phase.HEARING),
        user(2, "How do I keep bread fresh for", sure=len("How do I keep"), final=False),
    ],
    "thinking": [*DONE, ASKED, phase(Phase.THINKING)],
    "speaking": [*DONE, ASKED, answer(2, REPLY, heard=48, final=False), phase(Phase.SPEAKING)],
    "paused": [*DONE, ASKED, answer(2, REPLY, heard=48, final=False), phase(Phase.PAUSED)],
    "muted": [*DONE, phase(Phase.MUTED)],
    "no-microphone": [phase(Phase.NO_MICROPHONE), LOST],
    "failed": [phase(Phase.FAILED), BROKEN],
    "disk-full": [*DONE, phase(Phase.LISTENING), KEYLESS, ROOMLESS],
    "recording": [
        *DONE,
        phase(Phase.LISTENING),
        RecordingChanged(True, Path("sessions", "2026-11-20")),
        FOUND,
    ],
    "long": [
        *conversation(40),
        ASKED,
        answer(41, REPLY, heard=96),
        times(41, reply=1240.0),
        typed(42, "Thank you."),
        phase(Phase.LISTENING),
    ],
}
DIALOGS = (
    "settings",
    "settings-models",
    "settings-chosen-models",
    "settings-next-start-models",
    "settings-failed",
    "settings-refused-chosen",
    "settings-marked-recording",
    "settings-end",
    "recordings",
    "recordings-binned",
    "recordings-empty",
    "about",
    "about-end",
)
SIZES = ((480, 600), (420, 480), (1600, 1000))


def render(folder: Path, themes: Sequence[str] = ("light", "dark")) -> list[str]:
    """Draw every state into ``folder``; the faults that were found, one line each."""
    from PySide6.QtGui import QFont
    from PySide6.QtWidgets import QApplication

    from app.ui.application import make_application
    from app.ui.look import Look
    from tests.app.ui.helpers import settle

    app: QApplication = make_application()
    app.setFont(QFont("DejaVu Sans", 10))
    folder.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    for theme in themes:
        look = Look(app, theme=theme)
        for name in (*STATES, *DIALOGS):
            with _Window(look, name) as window:
                settle()
                shown = window.dialog or window
                shown.grab().save(str(folder / f"{name}-{theme}.png"), "PNG", 80)
                if name == "long":
                    faults += _in_large_letters(shown, look, f"{name} {theme}")
                for size in (None, *SIZES):
                    if size is not None:
                        shown.resize(*size)
                        settle()
                    found = faults_of(shown)
                    faults += [f"{name} {theme} {size or 'as opened'}: {fault}" for fault in found]
                    if size == SIZES[0] and name in ("speaking", "first-start", "failed"):
                        shown.grab().save(str(folder / f"{name}-{theme}-small.png"), "PNG", 80)
    return faults


def _in_large_letters(shown: object, look: object, name: str) -> list[str]:
    from PySide6.QtWidgets import QWidget

    from app.ui.look import Look
    from tests.app.ui.helpers import settle

    assert isinstance(shown, QWidget)
    assert isinstance(look, Look)
    look.choose(caption_pt=28)
    settle()
    found = [f"{name} in large letters: {fault}" for fault in faults_of(shown)]
    look.choose(caption_pt=14)
    settle()
    return found


def _wait_for(done: Callable[[], bool]) -> None:
    """Let Qt and the threads go on until ``done``."""
    from tests.app.ui.helpers import settle

    for _ in range(2000):
        settle()
        if done():
            settle()
            return
        time.sleep(0.005)
    raise AssertionError("it was never done")


def _nothing(_: object) -> None:
    """What a running conversation would do about the settings."""


class _Window:
    """The window in one of the states, as a context."""

    def __init__(self, look: object, name: str) -> None:
        from app.settings.model import Settings
        from app.ui.bridge import Background
        from app.ui.viewmodels.session import SessionViewModel
        from app.ui.viewmodels.settings import SettingsViewModel
        from app.ui.window import FIRST, MainWindow

        self.live = FakeLive()
        self.session = SessionViewModel(self.live)
        at_once = None if "next-start" in name else _nothing
        self.choices = SettingsViewModel(
            Settings(),
            FakeStore(),
            Background(),
            apply=at_once,
            renew=at_once,
            voices=("atlas", "nova"),
        )
        full = (
            ()
            if "empty" in name
            else tuple(kept(day, state=KEPT_AS.get(day, "closed")) for day in range(28, 8, -1))
        )
        self.shelf = FakeShelf(*full)
        self.window = MainWindow(
            self.session,
            self.choices,
            look,  # type: ignore[arg-type]
            **shelf_models(self.shelf),
        )
        self.window.resize(FIRST)  # whatever the size of the screen that there is none of
        self.name = name

    def __enter__(self):
        from app.ui.dialogs.page import PageDialog
        from tests.app.ui.helpers import settle

        self.window.show()
        shown = STATES["failed"] if "failed" in self.name else [phase(Phase.LISTENING)]
        self.live.show(DEVICES, *STATES.get(self.name, shown))
        loud = -14.0 if self.name in ("hearing", "paused") else -48.0
        own = -12.0 if self.name == "speaking" else -90.0
        self.live.level = Levels(microphone_db=loud, loudspeaker_db=own, recorded_s=65.4)
        settle()
        self.session.status.poll()
        if self.name.startswith("settings"):
            self.window.show_settings()
        elif self.name.startswith("recordings"):
            self.window.show_shelf()
            _wait_for(lambda: self.window.shelf.loaded)
        elif self.name.startswith("about"):
            self.window.show_about()
        settle()
        self._choose()
        if isinstance(self.window.dialog, PageDialog):
            bar = self.window.dialog.area.verticalScrollBar()
            shares = {"models": 0.55, "recording": 0.72, "end": 1.0}
            bar.setValue(round(bar.maximum() * shares.get(self.name.rpartition("-")[2], 0.0)))
        return self.window

    def _choose(self) -> None:
        from tests.app.ui.helpers import settle

        if "chosen" in self.name or "next-start" in self.name:
            self.choices.set("asr", Path("/models/faster-whisper-small.en"))
            self.choices.set("llm", "http://127.0.0.1:8080/v1")
            settle()
        if "marked" in self.name:
            self.window.mark.look(Path("interview.flac"))
            _wait_for(lambda: not self.window.mark.busy)
        if "binned" in self.name:
            self.window.dialog.delete.click()  # type: ignore[union-attr]
            _wait_for(lambda: self.window.shelf.can_undo)
        if "refused" in self.name:
            self.choices.failed.emit(UNSAVED)
            settle()

    def __exit__(self, *_: object) -> None:
        from tests.app.ui.helpers import settle

        if self.window.dialog is not None:
            self.window.dialog.reject()
        self.window.close()
        self.session.close()
        self.window.deleteLater()
        settle()


def faults_of(root: object) -> Iterator[str]:
    """What is cut, sticks out or overlaps among the visible parts of a window, in words."""
    from PySide6.QtWidgets import QWidget

    from app.ui.widgets.caption_view import CaptionView

    assert isinstance(root, QWidget)
    widgets = [w for w in root.findChildren(QWidget) if w.isVisible() and w.window() is root]
    for check in (_clipped, _outside, _overlapping):
        yield from check(widgets)
    for view in widgets:
        if isinstance(view, CaptionView):
            yield from _captions(view)


def _called(widget: object) -> str:
    from PySide6.QtWidgets import QAbstractButton, QLabel, QWidget

    assert isinstance(widget, QWidget)
    words = widget.text() if isinstance(widget, QLabel | QAbstractButton) else ""
    return f"{type(widget).__name__} {(words or widget.accessibleName())[:30]!r}"


def _clipped(widgets: Sequence[object]) -> Iterator[str]:
    from PySide6.QtWidgets import QLabel, QPushButton, QToolButton

    from app.ui.widgets.controls import ElidedLabel

    for widget in widgets:
        if isinstance(widget, ElidedLabel):
            if not widget.toolTip():
                yield f"{_called(widget)} may be cut and has no tooltip"
        elif isinstance(widget, QLabel) and widget.text():
            wide = widget.fontMetrics().horizontalAdvance(widget.text())
            if widget.wordWrap():
                if widget.heightForWidth(widget.width()) > widget.height():
                    yield f"{_called(widget)} is too low for its words"
            elif wide > widget.width() + 1:
                yield f"{_called(widget)} is too narrow for its words"
        elif isinstance(widget, QPushButton | QToolButton) and widget.text():
            wide = widget.fontMetrics().horizontalAdvance(widget.text())
            if wide > widget.width():
                yield f"{_called(widget)} is too narrow for its words"


def _outside(widgets: Sequence[object]) -> Iterator[str]:
    from PySide6.QtWidgets import QAbstractScrollArea, QWidget

    for widget in widgets:
        assert isinstance(widget, QWidget)
        parent = widget.parentWidget()
        scrolled = parent is not None and isinstance(parent.parentWidget(), QAbstractScrollArea)
        if parent is None or scrolled:
            continue
        if not parent.rect().contains(widget.geometry()):
            yield f"{_called(widget)} sticks out of {_called(parent)}"


def _overlapping(widgets: Sequence[object]) -> Iterator[str]:
    from PySide6.QtWidgets import QAbstractScrollArea, QWidget

    families: dict[int, list[QWidget]] = {}
    for widget in widgets:
        assert isinstance(widget, QWidget)
        parent = widget.parentWidget()
        # What floats over the conversation floats on purpose.
        if parent is not None and not isinstance(parent, QAbstractScrollArea):
            families.setdefault(id(parent), []).append(widget)
    for family in families.values():
        for at, one in enumerate(family):
            for other in family[at + 1 :]:
                if one.geometry().intersects(other.geometry()):
                    yield f"{_called(one)} lies over {_called(other)}"


def _captions(view: object) -> Iterator[str]:
    from app.ui.widgets.caption_paint import PAD_X
    from app.ui.widgets.caption_view import CaptionView

    assert isinstance(view, CaptionView)
    bottom = None
    width = view.viewport().width()
    for number in range(view.captions.rowCount()):
        rect = view.visualRect(view.captions.index(number, 0))
        if bottom is not None and rect.top() != bottom:
            yield f"caption {number} does not begin where the one before ends"
        bottom = rect.top() + rect.height()
        if rect.intersects(view.viewport().rect()):
            placed = view.delegate.placed(view.captions.row(number), width)
            if placed.height != rect.height():
                yield f"caption {number} is drawn in another height than its own"
            if placed.bubble.left() < 0 or placed.bubble.right() > width:
                yield f"caption {number} is cut at the side"
            lines = (placed.words.lineAt(at) for at in range(placed.words.lineCount()))
            if max(line.naturalTextWidth() for line in lines) > placed.bubble.width() - PAD_X:
                yield f"the words of caption {number} stick out"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", default="1")
    options = parser.parse_args(arguments)
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    os.environ["QT_SCALE_FACTOR"] = options.scale
    json.dump(render(options.folder), sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
