"""`python -m engine.training.whisper --work DIR --out DIR [--minutes M] [--seed N]
[--export-only]`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from engine.training.errors import TrainingError
from engine.training.whisper.recipe import export_checkpoint, run


def main(arguments: list[str] | None = None) -> int:
    """Train (or go on training) and export; exit code 1 with one sentence on a failure."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.whisper")
    parser.add_argument("--work", type=Path, default=Path("out/training/whisper"))
    parser.add_argument("--out", type=Path, default=Path("assets/nano/whisper"))
    parser.add_argument("--minutes", type=float, default=None, help="training time (default 50)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument(
        "--export-only", action="store_true", help="export the newest checkpoint, train nothing"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        if options.export_only:
            export_checkpoint(options.work, options.out)
        else:
            run(options.work, options.out, options.minutes, options.seed)
    except TrainingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
