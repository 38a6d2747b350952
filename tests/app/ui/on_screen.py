"""What is really on the screen after other colours were chosen: ``python -m tests.app.ui.on_screen``.

Opens the window with the settings on it on the display of ``DISPLAY``, changes the colours there and
back, and prints, as JSON, how light the corner of either window was on the screen each time.
"""

from __future__ import annotations

import json
import os
import sys
import time

TURNS = 400


def main() -> int:
    os.environ["QT_QPA_PLATFORM"] = "xcb"
    from PySide6.QtWidgets import QWidget

    from app.settings.model import Settings
    from app.ui.application import make_application
    from app.ui.bridge import Background
    from app.ui.look import Look
    from app.ui.viewmodels.session import SessionViewModel
    from app.ui.viewmodels.settings import SettingsViewModel
    from app.ui.window import MainWindow
    from tests.fakes.live import FakeLive, FakeStore
    from tests.fakes.shelf import FakeShelf, shelf_models

    app = make_application()
    look = Look(app, theme="light")
    choices = SettingsViewModel(Settings(), FakeStore(), Background())
    window = MainWindow(SessionViewModel(FakeLive()), choices, look, **shelf_models(FakeShelf()))

    def lightness(of: QWidget) -> int:
        at = of.mapToGlobal(of.rect().topLeft())
        picture = window.screen().grabWindow(0, at.x() + 3, at.y() + 3, 1, 1)
        return picture.toImage().pixelColor(0, 0).lightness()

    def both(dark: bool) -> list[int]:
        """As soon as they are as wanted, or after a while."""
        assert window.dialog is not None
        seen: list[int] = []
        for _ in range(TURNS):
            app.processEvents()
            seen = [lightness(window), lightness(window.dialog)]
            if look.settled and all((one < 128) == dark for one in seen):
                break
            time.sleep(0.005)
        return seen

    window.show()
    window.show_settings()
    found = {"before": both(False)}
    for name, theme in (("dark", "dark"), ("light", "light")):
        choices.set("theme", theme)
        found[name] = both(theme == "dark")
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
