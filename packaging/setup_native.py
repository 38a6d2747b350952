"""The CPU engine of speech: compiled for this machine, in some ten seconds. Standard library only.

``engine/native/build.py`` does it, in the environment's own Python. Without this engine PyTorch's kernels
make the speech, more slowly; so a build that fails is told in one line and is no error.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Dict

BUILD = ("-m", "engine.native.build")
LIMIT_S = 600.0


def key(python: Path, root: Path, environment: Dict[str, str]) -> str:
    """What a build depends on: sources, options, processor and compiler; '' when it cannot be told."""
    return _run([str(python), *BUILD, "--key"], root, environment)


def build(python: Path, root: Path, environment: Dict[str, str]) -> str:
    """Build it where it is not built yet; the line that tells how it went."""
    said = _run([str(python), *BUILD], root, environment)
    return said or "The CPU engine was not built; speech on the CPU will be slower."


def _run(command: "list[str]", root: Path, environment: Dict[str, str]) -> str:
    """What a command prints, whatever it returns; '' when it cannot be run."""
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=LIMIT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
