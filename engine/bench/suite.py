"""The run: ours in each precision and the peer, taking turns, then one table.

Contestants are measured round after round (peer, ours, peer, ours ...) where memory lets them stay
loaded side by side, else each is loaded anew for its round; see ``rows`` for what is compared.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from engine.bench.build import Wanted, parameters, precision_for, shape, use_threads
from engine.bench.child import Child, Entry, Here, Runner
from engine.bench.contest import Budget, Contest, Tell
from engine.bench.memory import free_memory, measure_bandwidth
from engine.bench.ours import CONTEXT_POSITIONS, TEXT_POSITIONS
from engine.bench.peer import COMPILED, EAGER
from engine.config import CsmConfig
from engine.errors import ModelError
from engine.runtime.device import pick_device
from engine.runtime.precision import NAMES, SMALL_MODEL, pick_precision

ROUNDS = 2
FRAMES = 100
FRAMES_BIG_ON_CPU = 10
_QUANTISED_BYTES = 1.25
"""Bytes of a weight in int8 at most, embeddings in bf16 among them."""
EXTRA_BYTES = 1e9
"""What a process takes beside the weights: libraries, codec, cache, workspace."""


def run(  # noqa: PLR0913  (each is an option of the command line)
    *,
    model: Path | str,
    random_weights: bool = False,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    frames: int | None = None,
    rounds: int = ROUNDS,
    peer: str | None = None,
    profile: bool = False,
    apart: bool = True,
    limit_s: float | None = None,
    tell: Tell | None = None,
) -> dict[str, Any]:
    """Measure and return ``{"rows": [...], "left_out": [...], ...}``, ready for JSON.

    Args:
        model: folder of a model, or a preset's name with ``random_weights``.
        random_weights: build the preset's shapes without any checkpoint.
        device: as for ``SpeechEngine.load``.
        precision: as for ``SpeechEngine.load``; several with commas between them, or ``all``.
        threads: as for ``SpeechEngine.load``.
        frames: frames of each contestant in each round.
        rounds: how often everybody is measured.
        peer: ``transformers`` adds its eager CSM, and on a card its compiled one with a static cache.
        profile: also find out where a frame's time goes, under ``profile``.
        apart: each contestant in a process of its own.
        limit_s: begin nothing new shortly before this, and wait for nobody beyond it; what was
            measured until then is the result.
        tell: takes a line about the progress.

    Raises:
        EngineError: when nothing of what is wanted can be measured.
    """
    tell, budget = tell or (lambda line: None), Budget(limit_s)
    if peer not in (None, "transformers"):
        raise ModelError(f"The peer '{peer}' is unknown: use transformers.")
    first = Wanted(str(model), random_weights, device, "auto", threads)
    config, where = shape(first), pick_device(device)
    names = precisions(precision, config, where)
    frames = frames or default_frames(config, where)
    check_frames(frames, config)
    use_threads(first, config)
    entries = contestants(first, names, peer, frames, where, config)
    together = fits(entries, config, where)
    tell(plan(entries, rounds, limit_s, together=together))
    bandwidth = measure_bandwidth(where)

    def start(entry: Entry) -> Runner:
        return Child(entry, budget.patience_s) if apart else Here(entry)

    contest = Contest(entries, start, tell, budget)
    contest.play(rounds, together=together, profile=profile)
    bandwidth = bandwidth.best(measure_bandwidth(where))
    rows = contest.rows(bandwidth)
    if not rows:
        raise ModelError(next(iter(contest.failed.values())))
    return {
        "rows": [asdict(row) for row in rows],
        "left_out": contest.left_out(),
        "profile": contest.profiles(),
        "bandwidth_gb_s": bandwidth.copied / 1e9,
        "read_bandwidth_gb_s": bandwidth.read / 1e9,
        "rounds": rounds,
        "frames": frames,
        "took_s": budget.spent_s,
        **surroundings(where),
    }


def precisions(wanted: str, config: CsmConfig, device: torch.device) -> list[str]:
    """The names in ``wanted``, without ``auto``, each once; ``all`` leaves fp32 to small models.

    Raises:
        DeviceError: for a name that is none.
    """
    size = parameters(config)
    names: Sequence[str] = wanted.split(",")
    if wanted == "all":
        names = [name for name in NAMES[1:] if name != "fp32" or size <= SMALL_MODEL]
    found = [pick_precision(name.strip(), device, size).value for name in names]
    return list(dict.fromkeys(found))


def contestants(
    wanted: Wanted,
    names: Sequence[str],
    peer: str | None,
    frames: int,
    device: torch.device,
    config: CsmConfig,
) -> list[Entry]:
    """Who takes part, in the order of the turns.

    The peer runs in the plain precision that the engine would take here by itself, if that is among
    ``names``. Its compiled mode is last: compiling takes minutes, and nobody is to wait for it.
    """
    own = pick_precision("auto", device, parameters(config)).value
    plain = [name for name in (own, "bf16", "fp32") if name in names and name in ("bf16", "fp32")]
    beside = replace(wanted, precision=plain[0] if plain else "auto")
    ours = [Entry("parley", replace(wanted, precision=name), frames) for name in names]
    if peer is None:
        return ours
    modes = [COMPILED] if device.type == "cuda" else []
    return [Entry(EAGER, beside, frames), *ours, *(Entry(mode, beside, frames) for mode in modes)]


def plan(entries: Sequence[Entry], rounds: int, limit_s: float | None, *, together: bool) -> str:
    """What is going to happen, and how long it may take."""
    times = "" if together else ", each loaded anew for its turn"
    limit = "as long as it takes" if limit_s is None else f"at most {limit_s:.0f} s"
    compiling = any(entry.kind == COMPILED for entry in entries)
    return (
        f"{len(entries)} contestants, {rounds} rounds of {entries[0].frames} frames{times}: {limit}"
        f"{', a minute or more of it for compiling transformers' if compiling else ''}."
    )


def default_frames(config: CsmConfig, device: torch.device) -> int:
    """Frames of a round that give a percentile a meaning and end before patience does."""
    slow = device.type == "cpu" and parameters(config) > SMALL_MODEL
    return FRAMES_BIG_ON_CPU if slow else FRAMES


def check_frames(frames: int, config: CsmConfig) -> None:
    """Refuse more frames than the window takes.

    Raises:
        ModelError: saying how many fit.
    """
    longest = config.backbone.max_positions - CONTEXT_POSITIONS - TEXT_POSITIONS - 2
    if longest < 1:
        raise ModelError(
            f"The model's window is too short for the bench's context of {CONTEXT_POSITIONS} "
            "positions: choose another model."
        )
    if frames > longest:
        raise ModelError(f"{frames} frames do not fit the model's window: use at most {longest}.")


def fits(entries: Sequence[Entry], config: CsmConfig, device: torch.device) -> bool:
    """Whether all can stay loaded side by side, and the last be loaded beside them."""
    free, size, kept, passing = free_memory(device), parameters(config), 0.0, 0.0
    for entry in entries:
        precision = precision_for(entry.wanted, config)
        quantised = precision.quantised and not entry.is_peer
        kept += size * (_QUANTISED_BYTES if quantised else precision.dtype.itemsize) + EXTRA_BYTES
        passing = max(passing, size * precision.dtype.itemsize if quantised else 0.0)
    return free is not None and kept + passing <= 0.9 * free


def surroundings(device: torch.device) -> dict[str, Any]:
    """What belongs to the figures: lengths, machine, versions."""
    return {
        "context_positions": CONTEXT_POSITIONS,
        "text_positions": TEXT_POSITIONS,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", ""),
        "device_name": device_name(device),
    }


def device_name(device: torch.device) -> str:
    """The card's or processor's own name, '' where it is not told."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, "")
