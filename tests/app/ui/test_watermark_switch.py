"""The switch of the mark in Parley's voice."""

from __future__ import annotations

from app.ui.dialogs.settings import SettingsDialog
from app.ui.window import MainWindow
from tests.app.ui.test_dialogs import dialog  # noqa: F401  (a fixture)


def test_the_mark_is_shown_on_and_can_be_switched_off(
    dialog: SettingsDialog,  # noqa: F811
    window: MainWindow,
) -> None:
    assert dialog.watermark.isChecked()
    assert dialog.watermark.accessibleName() == "Mark Parley's voice"
    dialog.watermark.click()
    assert window.choices.settings.watermark is False
    assert window.choices.needs_restart
