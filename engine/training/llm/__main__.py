"""``python -m engine.training.llm --work DIR --out DIR --minutes M``."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m engine.training.llm", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("out/training/llm"))
    parser.add_argument("--out", type=Path, default=Path("assets/nano/llm"))
    parser.add_argument("--minutes", type=float, help="processor time of the training loop")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--snapshot", action="store_true", help="export the last checkpoint only")
    chosen = parser.parse_args(arguments)
    # A spinning OpenMP beside another busy process costs a factor of five or more.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    import torch

    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    from .pipeline import export_checkpoint, run

    if chosen.snapshot:
        export_checkpoint(chosen.work, chosen.out, chosen.seed)
        return 0
    run(chosen.work, chosen.out, chosen.minutes, chosen.seed)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
