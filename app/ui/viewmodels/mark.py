"""Looks for the user's own mark in a file that he names, and says what came of it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Signal

from app.core.shelf import MarkSearch, Shelf
from app.ui.bridge import Background
from app.ui.words import minutes, reason_of


class MarkViewModel(QObject):
    """Looks for the user's mark in a file that he names, one at a time."""

    changed = Signal()
    """``busy`` or ``answer`` is another."""

    def __init__(self, shelf: Shelf, background: Background, parent: QObject | None = None) -> None:
        """``background`` should do nothing else: a long file would keep that waiting."""
        super().__init__(parent)
        self._shelf = shelf
        self._background = background
        self.busy = False
        self.answer = ""
        """What was found last, in a sentence."""

    def look(self, file: Path) -> None:
        """Look for the mark; does nothing while it is looked for in another file."""
        if self.busy:
            return
        self.busy, self.answer = True, self.tr("Listening to {name} …").format(name=file.name)
        self.changed.emit()

        def show(result: object) -> None:
            self.busy, self.answer = False, mark_text(file.name, result)
            self.changed.emit()

        self._background.submit(lambda: self._shelf.find_mark(file), show)


def mark_text(name: str, result: object) -> str:
    """What looking for the mark came to, in a sentence or two."""

    def tr(text: str) -> str:
        return QCoreApplication.translate("Mark", text)

    if not isinstance(result, MarkSearch):
        words = str(result)
        if isinstance(result, OSError):
            words = tr("It cannot be read ({reason}).").format(reason=reason_of(result))
        return f"{name}: {words}"
    if result.found:
        where = ", ".join(f"{minutes(start)}–{minutes(stop)}" for start, stop in result.spans_s)
        yes = tr("Yes, {name} bears your mark: Parley said it here{where}.")
        told = yes.format(name=name, where=f" ({where})" if where else "")
        sure = tr("A sound without it looks so once in 10^{power} at most.")
        told = f"{told} {sure.format(power=int(-result.log10_p))}"
    elif result.log10_p > -1:
        told = tr("No, there is no mark of yours in {name}.").format(name=name)
        told = f"{told} {tr('What Parley said elsewhere, or unmarked, has none either.')}"
    else:
        told = tr("It cannot be said of {name}: what looks like your mark is too little of it.")
        told = told.format(name=name)
    if not result.whole:
        told = f"{told} {tr('Only the first ten minutes were listened to.')}"
    return told
