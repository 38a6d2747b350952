"""View models know no widget."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import app.ui

UI = Path(app.ui.__file__).parent
LIGHT = [*sorted((UI / "viewmodels").glob("*.py")), UI / "bridge.py", UI / "closing.py"]


def imported(path: Path) -> set[str]:
    names = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_view_models_import_qtcore_alone(path: Path) -> None:
    qt = {name.split(".")[1] for name in imported(path) if name.startswith("PySide6.")}
    assert qt <= {"QtCore"}


@pytest.mark.parametrize("path", sorted(UI.rglob("*.py")), ids=lambda path: path.stem)
def test_the_window_knows_no_adapter(path: Path) -> None:
    ours = {name for name in imported(path) if name.startswith("app.")}
    allowed = ("app.core", "app.settings", "app.ui", "app.conversation", "app.compose")
    assert all(name.startswith((*allowed, "app.__version__")) for name in ours)
