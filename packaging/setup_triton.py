"""Triton for the tests of the fused GPU kernels: they run in its interpreter, without a GPU.

A CUDA build of torch brings it; a CPU build does not, and whoever only talks needs none. So `make test`
gets it apart. Where it cannot be had, those tests are skipped. Standard library only.
"""

from __future__ import annotations

import re
from pathlib import Path

from setup_machine import Machine
from setup_steps import Setup, quiet_in_logs, say

LOCK = "triton.lock"
PIN = "triton==3.7.1"  # what torch 2.13.0 was built with


def ensure_triton(setup: Setup, machine: Machine) -> None:
    """Install the locked Triton beside a CPU build of torch, where there are builds of it."""
    if machine.system != "linux" or machine.arch != "x86_64":
        return
    if setup.ask("import importlib.util as u; print(bool(u.find_spec('triton')))") != "False":
        return
    say(f"Installing {pin(setup.checkout.packaging / LOCK)} for the tests of the GPU's kernels")
    lock = str(setup.checkout.packaging / LOCK)
    arguments = ["install", *quiet_in_logs(), "--require-hashes", "--no-deps", "-r", lock]
    if not setup.try_pip(arguments):
        say("  It could not be installed (the reason is above); their tests are skipped.")


def pin(lock: Path) -> str:
    """Name and version in a lock file of one package."""
    found = re.search(r"^([\w.-]+==[\w.]+)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return found[1] if found else ""
