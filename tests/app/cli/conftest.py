"""The command line with fakes behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app import cli
from tests.fakes.commands import Run
from tests.fakes.parts import FakeFactory


@pytest.fixture
def factory() -> FakeFactory:
    return FakeFactory()


@pytest.fixture
def run(factory: FakeFactory, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command with ``--json``; exit code, the object, and stderr."""

    def go(*arguments: object) -> tuple[int, dict[str, Any], str]:
        code = cli.main([*(str(argument) for argument in arguments), "--json"], factory)
        captured = capsys.readouterr()
        assert captured.out.count("\n") == 1, "stdout is exactly one JSON object"
        assert "Traceback" not in captured.err
        return code, json.loads(captured.out), captured.err

    return go


@pytest.fixture
def talk(run: Run, tmp_path: Path) -> Run:
    """``talk`` with the given inputs into tmp_path."""

    def go(*inputs: Path, **more: object) -> tuple[int, dict[str, Any], str]:
        arguments: list[object] = ["talk"]
        for path in inputs:
            arguments += ["--input", path]
        options = {"output": tmp_path / "reply.wav", "session": tmp_path / "session", **more}
        for name, value in options.items():
            arguments += [f"--{name}", value]
        return run(*arguments)

    return go
