"""Writes the lock files anew: names, versions and hashes, no addresses. Standard library only.

requirements.lock   everything but torch and llama-cpp-python, for Linux, macOS and Windows
llama.lock          the source of llama-cpp-python
installer.lock      uv
triton.lock         Triton, for the tests of the GPU's kernels
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from setup_machine import SetupError
from setup_steps import Checkout, child_environment, say
from setup_triton import LOCK as TRITON_LOCK
from setup_triton import PIN as TRITON

APART = ("torch", "llama-cpp-python", "bitsandbytes")
UV = "uv==0.13.8"
ONLY_MARKER = "python_full_version < '3.12'"
NOTE = "# Written by `python3 packaging/bootstrap.py lock`; do not edit.\n"


def write_locks(checkout: Checkout) -> None:
    """Resolve pyproject.toml and write the files into packaging/."""
    say("Resolving requirements.lock")
    groups = ("--group", "dev", "--group", "apart")
    kept_out = [word for name in APART for word in ("--no-emit-package", name)]
    resolved = _compile(checkout, ["pyproject.toml", *groups, "--universal", *kept_out])
    (checkout.packaging / "requirements.lock").write_text(
        NOTE + plain_markers(resolved), encoding="utf-8"
    )
    pins = re.search(r'"(llama-cpp-python==[\w.]+)"', _read(checkout.root / "pyproject.toml"))
    if pins is None:
        raise SetupError("pyproject.toml does not pin llama-cpp-python with ==: put the pin back.")
    alone = (("llama.lock", pins[1]), ("installer.lock", UV), (TRITON_LOCK, TRITON))
    for name, pin in alone:
        say(f"Resolving {name}")
        text = _compile(checkout, ["-", "--no-deps", "--no-config"], pin)
        (checkout.packaging / name).write_text(NOTE + text, encoding="utf-8")


def plain_markers(lock: str) -> str:
    """The lock without the marker that every line carries: there is only one Python version here."""
    lock = lock.replace(f" ; {ONLY_MARKER} \\\n", " \\\n")
    return lock.replace(f"{ONLY_MARKER} and ", "")


def _compile(checkout: Checkout, arguments: list[str], given: str = "") -> str:
    command = [
        *(str(checkout.script("uv")), "pip", "compile", "--quiet", "--python-version", "3.11"),
        *("--generate-hashes", "--no-header", "--no-annotate", *arguments),
    ]
    done = subprocess.run(
        command,
        cwd=checkout.root,
        env=child_environment(),
        input=given,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
    )
    if done.returncode != 0:
        raise SetupError(
            "uv found no set of versions (its reason is above); change the pins in pyproject.toml."
        )
    return done.stdout


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
