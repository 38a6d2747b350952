"""The step that compiles the CPU engine: what it is keyed by, and that it never fails a set-up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import setup_native

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(sys.executable)


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PARLEY_NATIVE": "", **changes}


def test_the_key_changes_with_what_the_build_is_made_of(tmp_path: Path) -> None:
    first = setup_native.key(PYTHON, ROOT, environment())
    assert first
    assert setup_native.key(PYTHON, ROOT, environment()) == first
    compiler = tmp_path / "other-compiler"
    compiler.write_text("#!/bin/sh\necho other\n")
    compiler.chmod(0o755)
    if os.name != "nt":
        assert setup_native.key(PYTHON, ROOT, environment(CXX=str(compiler))) != first


def test_switched_off_it_is_not_built(tmp_path: Path) -> None:
    off = environment(PARLEY_NATIVE="0", CXX=str(tmp_path / "none"))
    assert setup_native.key(PYTHON, ROOT, off) == "off"
    assert "switched off" in setup_native.build(PYTHON, ROOT, off)


@pytest.mark.parametrize("python", [Path("/nowhere/python"), PYTHON])
def test_what_cannot_be_built_is_told_in_one_line(python: Path, tmp_path: Path) -> None:
    """Neither a missing Python nor a missing engine raises."""
    line = setup_native.build(python, tmp_path, environment())
    assert line.startswith("The CPU engine was not built")
    assert "\n" not in line
