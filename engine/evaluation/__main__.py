"""``python -m engine.evaluation nano``: the nano pack's figures, as a table and as JSON."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.evaluation.nano import PARTS, Options, judge_nano
from engine.evaluation.table import table
from engine.training.errors import TrainingError

ASSETS = Path(__file__).resolve().parents[2] / "assets"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="python -m engine.evaluation", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)
    nano = commands.add_parser("nano", help="judge the nano pack")
    nano.add_argument("--json", action="store_true", help="print one JSON object; table to stderr")
    nano.add_argument("--only", choices=PARTS, action="append", help="judge this part (repeatable)")
    nano.add_argument("--limit", type=int, help="only the first N sentences or prompts")
    nano.add_argument("--samples", type=Path, help="folder for sounds, pictures and every line")
    nano.add_argument("--assets", type=Path, default=ASSETS, help="folder of the pack")
    return root


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code (0 judged, 1 failed)."""
    wanted = parser().parse_args(arguments)
    if wanted.samples is not None:
        wanted.samples.mkdir(parents=True, exist_ok=True)
    options = Options(wanted.assets, wanted.only or PARTS, wanted.limit, wanted.samples)
    try:
        report = judge_nano(options, lambda line: print(line, file=sys.stderr, flush=True))
    except (EngineError, TrainingError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for line in table(report):
        print(line, file=sys.stderr if wanted.json else sys.stdout)
    if wanted.json:
        print(json.dumps(finite(report)))
    return 0


def finite(value: Any) -> Any:
    """``value`` with every number that JSON cannot hold as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


if __name__ == "__main__":
    sys.exit(main())
