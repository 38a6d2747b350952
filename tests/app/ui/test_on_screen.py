"""On a real screen, which forgets nothing that it was not told to draw anew."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(
    shutil.which("Xvfb") is None, reason="Xvfb is not installed (apt-get install xvfb)"
)


@pytest.fixture
def display() -> Iterator[str]:
    ours, its = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(its), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"],
        pass_fds=[its],
        stderr=subprocess.DEVNULL,
    )
    os.close(its)
    with os.fdopen(ours) as told:
        number = told.readline().strip()
    yield f":{number}"
    server.terminate()
    server.wait()


def test_other_colours_are_drawn_in_every_window(display: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.app.ui.on_screen"],
        cwd=ROOT,
        env={**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert min(seen["before"]) > 200
    assert max(seen["dark"]) < 60
    assert min(seen["light"]) > 200
