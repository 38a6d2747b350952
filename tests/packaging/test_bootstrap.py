"""The command line of the set-up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from bootstrap import COMMANDS, main
from bootstrap import test_command as pytest_command

SCRIPT = Path(__file__).resolve().parents[2] / "packaging" / "bootstrap.py"


def test_help_names_every_command_and_the_cache(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in COMMANDS:
        assert f"bootstrap.py {command}" in text
    assert "~/.cache/parley/wheels" in text


def test_bad_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["install"]) == 2
    assert "There is no command 'install'; choose one of setup" in capsys.readouterr().err


def test_the_fast_tests_are_the_default_and_can_be_replaced() -> None:
    assert pytest_command([]) == ["-m", "pytest", "-m", "not slow"]
    assert pytest_command(["tests/engine", "-m", "slow"]) == [
        *("-m", "pytest", "tests/engine", "-m", "slow")
    ]


def test_it_starts_with_the_standard_library_alone() -> None:
    """-S leaves out site-packages, so an import of anything installed would fail."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Set Parley up")
