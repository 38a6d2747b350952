"""``python -m engine.evaluation nano|precision``: figures as a table and as JSON."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.evaluation import precision
from engine.evaluation.nano import PARTS, Options, judge_nano
from engine.evaluation.precision import judge_precision
from engine.evaluation.precision_table import precision_table
from engine.evaluation.table import table
from engine.training.errors import TrainingError

ASSETS = Path(__file__).resolve().parents[2] / "assets"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="python -m engine.evaluation", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)
    nano = commands.add_parser("nano", help="judge the nano pack")
    nano.add_argument("--only", choices=PARTS, action="append", help="judge this part (repeatable)")
    nano.add_argument("--samples", type=Path, help="folder for sounds, pictures and every line")
    nano.add_argument("--precision", default="auto", help="that csm-nano speaks in")
    nano.add_argument("--candidates", type=int, default=1, help="readings to choose from (1)")
    nano.add_argument("--temperature", type=float, help="that codes are drawn at (csm-nano's own)")
    quality = commands.add_parser("precision", help="what a precision costs in quality")
    quality.add_argument("--model", metavar="DIR|NAME", help="model folder (csm-nano's)")
    quality.add_argument("--precision", default="int8,int4", help="those under test (int8,int4)")
    quality.add_argument("--random-weights", action="store_true", help="NAME's shapes alone")
    quality.add_argument("--no-speech", action="store_true", help="do not listen to any speech")
    quality.add_argument("--threads", type=int, help="processor threads (1)")
    for command in (nano, quality):
        command.add_argument("--json", action="store_true", help="one JSON object; table to stderr")
        command.add_argument("--limit", type=int, help="only the first N sentences or prompts")
        command.add_argument("--assets", type=Path, default=ASSETS, help="folder of the pack")
    return root


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code (0 judged, 1 failed)."""
    wanted = parser().parse_args(arguments)
    try:
        report, lines = (_precision if wanted.command == "precision" else _nano)(wanted)
    except (EngineError, TrainingError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for line in lines:
        print(line, file=sys.stderr if wanted.json else sys.stdout)
    if wanted.json:
        print(json.dumps(finite(report)))
    return 0


def _nano(wanted: argparse.Namespace) -> tuple[dict[str, Any], Iterator[str]]:
    if wanted.samples is not None:
        wanted.samples.mkdir(parents=True, exist_ok=True)
    options = Options(
        wanted.assets,
        wanted.only or PARTS,
        wanted.limit,
        wanted.samples,
        wanted.precision,
        wanted.candidates,
        wanted.temperature,
    )
    report = judge_nano(options, _tell)
    return report, table(report)


def _precision(wanted: argparse.Namespace) -> tuple[dict[str, Any], Iterator[str]]:
    report = judge_precision(
        precision.Options(
            model=wanted.model or str(wanted.assets / "nano" / "csm"),
            precisions=wanted.precision.split(","),
            assets=wanted.assets,
            random_weights=wanted.random_weights,
            limit=wanted.limit,
            speech=not wanted.no_speech,
            threads=wanted.threads,
        ),
        _tell,
    )
    return report, precision_table(report)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


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
