"""The switch of the mark in Parley's voice."""

from __future__ import annotations

from app.ui.dialogs.settings import SettingsDialog
from app.ui.window import MainWindow
from tests.app.ui.helpers import settle


def test_the_mark_is_shown_on_and_can_be_switched_off(window: MainWindow) -> None:
    window.settings_action.trigger()
    settle()
    dialog = window.dialog
    assert isinstance(dialog, SettingsDialog)
    assert dialog.watermark.isChecked()
    assert dialog.watermark.accessibleName() == "Mark Parley's voice"
    dialog.watermark.click()
    assert window.choices.settings.watermark is False
    assert window.choices.needs_restart
