"""Pictures of a run: curves and spectrograms as PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def draw_curves(rows: list[dict[str, float]], path: Path) -> Path:
    """One small plot per number in `rows` against the step."""
    from matplotlib.figure import Figure

    names = sorted({name for row in rows for name in row} - {"step", "minutes"})
    columns = 3
    lines = max(1, -(-len(names) // columns))
    figure = Figure(figsize=(4 * columns, 2.6 * lines), layout="constrained")
    for place, name in enumerate(names):
        axes = figure.add_subplot(lines, columns, place + 1)
        points = [(row["step"], row[name]) for row in rows if name in row]
        axes.plot(*zip(*points, strict=True), linewidth=1)
        axes.set_title(name, fontsize=9)
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=90)
    return path


def draw_spectrograms(waves: dict[str, NDArray[np.float32]], path: Path) -> Path:
    """Log-mel spectrograms of 24 kHz waves, one above the other on one time axis."""
    import torch
    from matplotlib.figure import Figure

    from engine.training.spectra import log_mel

    longest = max(len(wave) for wave in waves.values()) / 24_000
    figure = Figure(figsize=(11, 2.6 * len(waves)), layout="constrained")
    for place, (title, wave) in enumerate(waves.items()):
        axes = figure.add_subplot(len(waves), 1, place + 1)
        mel = log_mel(torch.from_numpy(np.ascontiguousarray(wave))[None])[0].T.numpy()
        axes.imshow(
            mel, origin="lower", aspect="auto", extent=(0, len(wave) / 24_000, 0, 80), cmap="magma"
        )
        axes.set_xlim(0, longest)
        axes.set_title(title, fontsize=9)
    figure.savefig(path, dpi=90)
    return path
