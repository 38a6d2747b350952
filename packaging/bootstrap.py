"""Set Parley up on this machine, then run it, test it or check it.

    python3 packaging/bootstrap.py setup            the environment in .venv, and nothing else
    python3 packaging/bootstrap.py run [ARG ...]    set up, then `python main.py ARG ...`
    python3 packaging/bootstrap.py test [ARG ...]   set up, then the tests (ARG goes to pytest)
    python3 packaging/bootstrap.py lint             set up, then every check that CI makes
    python3 packaging/bootstrap.py lock             write the lock files anew from pyproject.toml

Needs Python 3.11 on the machine and nothing else: it finds it, whichever Python starts this file.
The make targets `setup`, `run`, `test` and `lint` call it. llama.cpp is compiled once and kept in the
user's cache folder (Linux: ~/.cache/parley/wheels, macOS: ~/Library/Caches/parley/wheels, Windows:
%LOCALAPPDATA%\\parley\\Cache\\wheels).

Environment variables:
    PARLEY_TORCH=cpu|cuda   which torch to install, instead of looking for an NVIDIA GPU
    PARLEY_CACHE_DIR=DIR    keep the built llama.cpp there
    CMAKE_ARGS=...          more flags for building llama.cpp (for example -DGGML_CUDA=ON)
pip and uv read their own variables and files (PIP_INDEX_URL, UV_INDEX_URL, ...), as always.
"""

from __future__ import annotations

import sys

# A plain sentence instead of a syntax error further on.
if sys.version_info < (3, 9):
    sys.exit("Parley needs Python 3.11; start this with a newer Python, for example python3.11.")

import os
import signal
import subprocess
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import repo_checks
from setup_locks import write_locks
from setup_machine import SetupError, this_machine
from setup_steps import FOR_TALKING, FOR_TESTS, Checkout, Setup, child_environment, ensure, say
from setup_triton import ensure_triton

COMMANDS = ("setup", "run", "test", "lint", "lock")


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 2 bad usage."""
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        print(__doc__)
        return 0 if arguments else 2
    command, rest = arguments[0], arguments[1:]
    if command not in COMMANDS:
        print(
            f"There is no command '{command}'; choose one of {', '.join(COMMANDS)}.",
            file=sys.stderr,
        )
        return 2
    checkout = Checkout(Path(__file__).resolve().parent.parent)
    signal.signal(signal.SIGTERM, _stop)  # being told to end is like Ctrl-C: children are ended too
    try:
        return _run(command, rest, checkout)
    except SetupError as error:
        print(f"Set-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.", file=sys.stderr)
        return 130


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _run(command: str, rest: list[str], checkout: Checkout) -> int:
    started = time.monotonic()
    machine = this_machine()
    if command in {"setup", "run", "test"}:
        ensure(machine, FOR_TESTS if command == "test" else FOR_TALKING)
    setup = Setup(checkout, machine)
    setup.run()
    if command == "setup":
        say(f"Ready in {time.monotonic() - started:.0f} s. Next: make run")
        return 0
    if command == "lock":
        write_locks(checkout)
        return 0
    if command == "lint":
        return _lint(checkout)
    if command == "test":
        ensure_triton(setup, machine)
        return _start(checkout, test_command(rest))
    return _start(checkout, ["main.py", *rest])


def test_command(arguments: list[str]) -> list[str]:
    """pytest's arguments: the fast tests, unless others are asked for."""
    asked = any(word == "-m" or word.startswith("-m=") for word in arguments)
    return ["-m", "pytest", *([] if asked else ["-m", "not slow"]), *arguments]


def _start(checkout: Checkout, arguments: list[str]) -> int:
    """Hand over to the environment's Python; on POSIX this process becomes it."""
    environment = child_environment()
    if arguments[:2] == ["-m", "pytest"]:
        # One thread each: the tests' models are so small that more only get in each other's way.
        environment.setdefault("OMP_NUM_THREADS", "1")
    command = [str(checkout.python), *arguments]
    os.chdir(checkout.root)
    if os.name == "posix":
        sys.stdout.flush()
        os.execve(command[0], command, environment)
    return subprocess.run(command, env=environment).returncode


def _lint(checkout: Checkout) -> int:
    """Every check; all of them run, so that one visit shows everything there is to mend."""
    python = str(checkout.python)
    checks = [
        ("ruff check", [python, "-m", "ruff", "check", "."]),
        ("ruff format", [python, "-m", "ruff", "format", "--check", "."]),
        ("import contracts", [str(checkout.script("lint-imports")), "--no-logo"]),
        ("pyright", [python, "-m", "pyright"]),
    ]
    failed: list[str] = []
    for name, command in checks:
        say(name)
        done = subprocess.run(
            command, cwd=checkout.root, env=child_environment(), stdin=subprocess.DEVNULL
        )
        if done.returncode != 0:
            failed.append(name)
    say("repository checks")
    problems = repo_checks.problems(checkout.root)
    print("\n".join(problems) if problems else "All repository checks passed.")
    if problems:
        failed.append("repository checks")
    print(f"lint: failed: {', '.join(failed)}" if failed else "lint: all checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
