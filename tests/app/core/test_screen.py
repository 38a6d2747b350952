"""Where a window is opened and where not."""

from __future__ import annotations

import pytest

from app.core.screen import has_screen


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_desktops_have_a_screen(platform: str) -> None:
    assert has_screen({}, platform)
    assert not has_screen({"QT_QPA_PLATFORM": "offscreen"}, platform)


def test_linux_has_one_where_a_display_answers() -> None:
    assert not has_screen({}, "linux")
    assert not has_screen({"DISPLAY": ":7654"}, "linux")
    assert has_screen({"WAYLAND_DISPLAY": "wayland-0"}, "linux")
    assert not has_screen({"WAYLAND_DISPLAY": "w", "QT_QPA_PLATFORM": "minimal"}, "linux")
