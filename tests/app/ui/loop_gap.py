"""How long Qt's thread is kept from its events: ``python -m tests.app.ui.loop_gap``.

A conversation of 300 captions is on screen; a thread tells 2,000 events at once, then 600 captions
are added, the window is resized, scrolled and changes its colours. Printed, as JSON: for each, the
longest stretch of work between two looks at the events, in milliseconds of the thread's own
processor time (``cpu_ms``: what the window is to blame for) and of the clock (``wall_ms``: with
whatever else the machine does).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable

LIMIT_MS = 8.0


def main() -> int:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtGui import QFont

    from app.settings.model import Settings
    from app.ui.application import make_application
    from app.ui.bridge import Background
    from app.ui.look import Look
    from app.ui.viewmodels.session import SessionViewModel
    from app.ui.viewmodels.settings import SettingsViewModel
    from app.ui.window import MainWindow
    from tests.fakes.live import FakeLive, FakeStore, answer, conversation
    from tests.fakes.shelf import FakeShelf, kept, shelf_models

    app = make_application()
    app.setFont(QFont("DejaVu Sans", 10))
    look = Look(app)
    live = FakeLive()
    session = SessionViewModel(live)

    def longest(begin: Callable[[], object], here: bool = False) -> dict[str, float]:
        """Begin something and handle events one batch at a time until there are none for a while.

        ``here`` says that the beginning itself is done in one of the window's slots.
        """
        cpu, wall = time.thread_time(), time.perf_counter()
        begin()
        cpu_ms, wall_ms = (
            (1000 * (time.thread_time() - cpu), 1000 * (time.perf_counter() - wall))
            if here
            else (0.0, 0.0)
        )
        quiet = 0
        while quiet < 200:
            cpu, wall = time.thread_time(), time.perf_counter()
            app.processEvents()
            spent = 1000 * (time.thread_time() - cpu)
            cpu_ms = max(cpu_ms, spent)
            wall_ms = max(wall_ms, 1000 * (time.perf_counter() - wall))
            quiet = quiet + 1 if spent < 0.2 else 0
            time.sleep(0.0005)
        return {"cpu_ms": round(cpu_ms, 2), "wall_ms": round(wall_ms, 2)}

    burst = [
        answer(100 + number % 51, f"Piece {number} of what is said.", heard=3, final=False)
        for number in range(2000)
    ]

    def tell() -> None:
        threading.Thread(target=live.show, args=tuple(burst)).start()

    def choices() -> SettingsViewModel:
        return SettingsViewModel(Settings(), FakeStore(), Background(), voices=("atlas", "nova"))

    made: list[MainWindow] = []
    shelf = FakeShelf(*(kept(1 + number % 30) for number in range(300)))
    found = {
        "window made": longest(
            lambda: made.append(MainWindow(session, choices(), look, **shelf_models(shelf))),
            True,
        )
    }
    [window] = made
    bar = window.captions.verticalScrollBar()
    found |= {
        "first frame": longest(window.show, True),
        "199 captions": longest(lambda: live.show(*conversation(100)[:-2])),
        "the 200th": longest(lambda: live.show(answer(100, "And so on."))),
        "300 captions": longest(lambda: live.show(*conversation(150))),
        "2000 events": longest(tell),
        "one partial": longest(lambda: live.show(answer(150, "And so on.", final=False))),
        "600 captions more": longest(lambda: live.show(*conversation(450))),
        "2000 captions": longest(lambda: live.show(*conversation(1000))),
        "scroll to the top": longest(lambda: bar.setValue(0), True),
        "resize": longest(lambda: window.resize(500, 640), True),
        "larger": longest(lambda: window.resize(1200, 900), True),
        "other colours": longest(lambda: look.choose(theme="dark"), True),
        "and back": longest(lambda: look.choose(theme="light"), True),
        "size of text": longest(lambda: look.choose(caption_pt=18), True),
        "settings opened": longest(window.show_settings, True),
    }
    assert window.dialog is not None
    found |= {
        "other colours with the settings open": longest(
            lambda: window.choices.set("theme", "dark"), True
        ),
        "size of text with the settings open": longest(
            lambda: window.choices.set("caption_pt", 22), True
        ),
        "settings closed": longest(window.dialog.accept, True),
        "about opened": longest(window.show_about, True),
        "about closed": longest(lambda: window.dialog and window.dialog.accept(), True),
        "300 recordings listed": longest(window.show_shelf, True),
    }
    json.dump(found, sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
