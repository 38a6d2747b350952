"""Python's cyclic garbage is collected on Qt's thread and nowhere else.

The collector runs in whichever thread happens to allocate. Found there, a Qt object in a cycle is
destroyed there, and Qt's timers and widgets may only go on Qt's own thread: at best that is a warning, at
worst the end of the program. A whole collection also holds up everybody for tens of milliseconds, most of
it for what the imports and models keep for ever; that is set aside when everything is loaded.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer, Slot

from app.core.shown import Phase

_EVERY_MS = 250


class Garbage(QObject):
    """Takes the collector over until ``close``. Make it on Qt's thread."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._loading = True
        self._timer = QTimer(self)
        self._timer.timeout.connect(collect_due)
        gc.disable()
        self._timer.start(_EVERY_MS)

    def close(self) -> None:
        """Leave the collector as it was found."""
        self._timer.stop()
        gc.unfreeze()
        gc.enable()

    @Slot(object)
    def phase(self, phase: Phase) -> None:
        """What the conversation is at: what is there after loading stays, and is not looked at again."""
        if phase is Phase.LOADING and not self._loading:
            gc.unfreeze()  # the models that go may be in cycles
        elif self._loading and phase is not Phase.LOADING:
            gc.collect()
            gc.freeze()
        self._loading = phase is Phase.LOADING


def collect_due() -> None:
    """The oldest generation that is due by the collector's own counts, as it would have done itself."""
    counts, limits = gc.get_count(), gc.get_threshold()
    for generation in (2, 1, 0):
        if counts[generation] > limits[generation]:
            gc.collect(generation)
            return
