"""Whether windows can be shown here. Looks without loading Qt, which ends the program where it cannot."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping


def has_screen(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> bool:
    """Whether there is a desktop: always on Windows and macOS, elsewhere a Wayland or X display."""
    environ = os.environ if environ is None else environ
    if environ.get("QT_QPA_PLATFORM", "") in {"offscreen", "minimal"}:
        return False
    if platform in {"win32", "darwin"}:
        return True
    if environ.get("WAYLAND_DISPLAY"):
        return True
    return bool(environ.get("DISPLAY")) and _x_answers(environ["DISPLAY"])


def _x_answers(display: str) -> bool:
    """Whether an X server can be talked to; True where that cannot be found out."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(display.encode(), None))
    answered = xcb.xcb_connection_has_error(connection) == 0
    xcb.xcb_disconnect(connection)
    return answered
