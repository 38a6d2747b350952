"""Every state, light and dark, at 100 and 200 %, is laid out without a fault.

The pictures are left under ``out/gallery`` when PARLEY_GALLERY is set.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from tests.app.ui.gallery import DIALOGS, STATES, faults_of

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("scale", [1, 2])
def test_no_state_has_a_fault(tmp_path: Path, scale: int) -> None:
    kept = os.environ.get("PARLEY_GALLERY")
    folder = (ROOT / "out" / "gallery" if kept else tmp_path) / f"{scale}00"
    done = subprocess.run(
        [sys.executable, "-m", "tests.app.ui.gallery", str(folder), "--scale", str(scale)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
    for name in (*STATES, *DIALOGS):
        light, dark = (QImage(str(folder / f"{name}-{theme}.png")) for theme in ("light", "dark"))
        assert light.width() == dark.width() >= 500 * scale
        # The corner is the header's or the page's ground, however far the page is scrolled.
        assert light.pixelColor(2, 2).lightness() > 200
        assert dark.pixelColor(2, 2).lightness() < 60


def test_the_check_finds_what_is_cut_and_what_overlaps(qtbot: QtBot) -> None:
    root = QWidget()
    qtbot.addWidget(root)
    root.resize(300, 200)
    words = QLabel("far too many words for this", root)
    words.setGeometry(0, 0, 40, 20)
    low = QLabel("far too many words for this", root)
    low.setWordWrap(True)
    low.setGeometry(0, 20, 60, 10)
    button = QPushButton("far too many words", root)
    button.setGeometry(280, 60, 40, 30)
    over = QPushButton("x", root)
    over.setGeometry(270, 70, 20, 20)
    root.show()
    found = " | ".join(faults_of(root))
    assert "'far too many words for this' is too narrow" in found
    assert "'far too many words for this' is too low" in found
    assert "'far too many words' is too narrow" in found
    assert "'far too many words' sticks out" in found
    assert "lies over QPushButton 'x'" in found
