"""`python -m engine.training nano` trains the built-in models from nothing to the shipped files."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from engine.errors import EngineError
from engine.training.manifest import write_manifest

PARTS = ("mimi", "csm", "whisper", "llm")
_ALLOCATOR = {
    # With glibc's default, torch spends its time asking the kernel for fresh pages (see
    # `_with_allocator`).
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "MALLOC_TOP_PAD_": "134217728",
    "MALLOC_ARENA_MAX": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and train; exit code 1 with one sentence where that is impossible."""
    parser = argparse.ArgumentParser(prog="python -m engine.training")
    commands = parser.add_subparsers(dest="command", required=True)
    nano = commands.add_parser("nano", help="train the built-in models")
    nano.add_argument("--only", choices=PARTS, help="one part instead of all")
    nano.add_argument(
        "--work", type=Path, default=Path("out/training"), help="checkpoints and curves"
    )
    nano.add_argument("--assets", type=Path, default=Path("assets"), help="where the files go")
    nano.add_argument("--minutes", type=float, help="training time of each part (default: its own)")
    nano.add_argument("--threads", type=int, default=1, help="CPU threads")
    nano.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(chosen.threads)
    try:
        for part in PARTS if chosen.only is None else (chosen.only,):
            _runner(part, chosen.assets)(chosen.work, chosen.minutes, chosen.seed)
        write_manifest(chosen.assets / "nano")
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _runner(part: str, assets: Path) -> Callable[[Path, float | None, int], None]:
    """What trains one part; imported only when it is asked for."""
    if part == "whisper":
        from engine.training.whisper import run as run_whisper

        return lambda work, minutes, seed: run_whisper(
            work / "whisper", assets / "nano" / "whisper", minutes, seed
        )
    if part == "llm":
        from engine.training.llm import run as run_llm

        return lambda work, minutes, seed: run_llm(
            work / "llm", assets / "nano" / "llm", minutes, seed
        )
    from engine.training import nano

    if part == "mimi":
        return nano.run_mimi
    return lambda work, minutes, seed: nano.run_csm(work, assets, minutes, seed)


def _with_allocator() -> None:
    """Start this command again with the allocator's settings, which it reads only at its start."""
    if sys.platform == "linux" and any(name not in os.environ for name in _ALLOCATOR):
        os.execvpe(
            sys.executable,
            [sys.executable, "-m", "engine.training", *sys.argv[1:]],
            _ALLOCATOR | dict(os.environ),
        )


if __name__ == "__main__":
    _with_allocator()
    sys.exit(main())
