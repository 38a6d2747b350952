"""The loss curve as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def draw_curve(log: Path, picture: Path) -> None:
    """Draw the answer loss (nats per token) over minutes from ``curve.jsonl``."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    axes: Any
    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    axes.plot([row["s"] / 60 for row in rows], [row["nats"] for row in rows])
    axes.set_xlabel("minutes of training")
    axes.set_ylabel("nats per answer token")
    axes.set_yscale("log")
    axes.set_title("llm-nano")
    axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
