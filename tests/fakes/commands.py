"""How tests run a command and look at what came of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import soundfile

Run = Callable[..., tuple[int, dict[str, Any], str]]
"""Runs a command with ``--json``: exit code, the object, stderr."""


def one_sentence(err: str, result: dict[str, Any], *words: str) -> None:
    """The last line of stderr is the error, once, and it is in the object too."""
    line = err.strip().splitlines()[-1]
    assert line == f"error: {result['error']}"
    assert err.count("error:") == 1
    for word in words:
        assert word in line


def seconds(path: Path) -> float:
    info = soundfile.info(path)
    return info.frames / info.samplerate
