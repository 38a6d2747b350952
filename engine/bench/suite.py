"""The run: ours in each precision and the peer, taking turns, then one table.

Contestants are measured round after round (peer, ours, peer, ours ...) where memory lets them stay
loaded side by side, else each is loaded anew for its round; see ``rows`` for what is compared.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.bench.build import Wanted, parameters, precision_for, shape, use_threads
from engine.bench.child import Child, Entry, Here, Runner, sentence
from engine.bench.memory import free_memory, measure_bandwidth
from engine.bench.ours import CONTEXT_POSITIONS, TEXT_POSITIONS
from engine.bench.peer import COMPILED, EAGER
from engine.bench.profiling import Part
from engine.bench.rows import About, Round, Row, make_row
from engine.config import CsmConfig
from engine.errors import EngineError, ModelError
from engine.runtime.device import pick_device
from engine.runtime.precision import NAMES, SMALL_MODEL, pick_precision

ROUNDS = 2
FRAMES = 100
FRAMES_BIG_ON_CPU = 10
_QUANTISED_BYTES = 1.25
"""Bytes of a weight in int8 at most, embeddings in bf16 among them."""
EXTRA_BYTES = 1e9
"""What a process takes beside the weights: libraries, codec, cache, workspace."""

Tell = Callable[[str], None]


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
        tell: takes a line about the progress.

    Raises:
        EngineError: when nothing of what is wanted can be measured.
    """
    tell = tell or (lambda line: None)
    if peer not in (None, "transformers"):
        raise ModelError(f"The peer '{peer}' is unknown: use transformers.")
    first = Wanted(str(model), random_weights, device, "auto", threads)
    config, where = shape(first), pick_device(device)
    names = precisions(precision, config, where)
    frames = frames or default_frames(config, where)
    check_frames(frames, config)
    use_threads(first, config)
    bandwidth = measure_bandwidth(where)
    plain = next((name for name in names if name in ("bf16", "fp32")), "auto")
    modes = [] if peer is None else [EAGER, COMPILED] if where.type == "cuda" else [EAGER]
    entries = [Entry(mode, replace(first, precision=plain), frames) for mode in modes]
    entries += [Entry("parley", replace(first, precision=name), frames) for name in names]
    contest = Contest(entries, Child if apart else Here, tell)
    contest.play(rounds, together=fits(entries, config, where), profile=profile)
    bandwidth = bandwidth.best(measure_bandwidth(where))
    rows = contest.rows(bandwidth)
    if not any(not entry.is_peer and entry in contest.done for entry in entries):
        raise ModelError(next(iter(contest.failed.values())))
    return {
        "rows": [asdict(row) for row in rows],
        "left_out": contest.left_out(),
        "profile": contest.profiles(),
        "bandwidth_gb_s": bandwidth.copied / 1e9,
        "read_bandwidth_gb_s": bandwidth.read / 1e9,
        "rounds": rounds,
        "frames": frames,
        **surroundings(where),
    }


def precisions(wanted: str, config: CsmConfig, device: torch.device) -> list[str]:
    """The names in ``wanted``, without ``auto``, each once.

    Raises:
        DeviceError: for a name that is none.
    """
    names = NAMES[1:] if wanted == "all" else wanted.split(",")
    size = parameters(config)
    found = [pick_precision(name.strip(), device, size).value for name in names]
    return list(dict.fromkeys(found))


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


@dataclass(slots=True)
class Score:
    """What is known of one contestant so far."""

    about: About
    rounds: list[Round] = field(default_factory=list[Round])
    peak: float | None = None
    parts: list[Part] = field(default_factory=list[Part])


class Contest:
    """Everybody in turn; who fails is left out with a sentence, and the others go on."""

    def __init__(
        self, entries: Sequence[Entry], start: Callable[[Entry], Runner], tell: Tell
    ) -> None:
        self.done: dict[Entry, Score] = {}
        self.failed: dict[Entry, str] = {}
        self._entries, self._start, self._tell = entries, start, tell
        self._running: dict[Entry, Runner] = {}

    def play(self, rounds: int, *, together: bool, profile: bool = False) -> None:
        """Measure everybody ``rounds`` times; all that was started has ended when this returns."""
        try:
            for number in range(rounds):
                for entry in self._entries:
                    if entry not in self.failed:
                        self._tell(f"round {number + 1} of {rounds}: {_title(entry)}")
                        last = number + 1 == rounds
                        self._turn(entry, keep=together and not last, profile=profile and last)
        finally:
            for entry in list(self._running):
                self._stop(entry)

    def rows(self, bandwidth: Any) -> list[Row]:
        """A row for each that was measured, in the order in which they took part."""
        peers = {e.kind: self.done[e].rounds for e in self._entries if e.is_peer and e in self.done}
        return [
            make_row(
                score.about, score.rounds, {} if entry.is_peer else peers, bandwidth, score.peak
            )
            for entry, score in self._in_order()
        ]

    def left_out(self) -> list[dict[str, str]]:
        """Who failed, and why."""
        return [
            {"name": entry.kind, "precision": entry.wanted.precision, "why": why}
            for entry, why in self.failed.items()
        ]

    def profiles(self) -> list[dict[str, Any]]:
        """Where the time of a frame goes, for each that was profiled."""
        return [
            {
                "name": score.about.name,
                "precision": score.about.precision,
                "frame_ms": float(np.median(score.rounds[-1].frame_s)) * 1000,
                "parts": [asdict(part) for part in score.parts],
            }
            for _, score in self._in_order()
            if score.parts
        ]

    def _in_order(self) -> list[tuple[Entry, Score]]:
        return [(entry, self.done[entry]) for entry in self._entries if entry in self.done]

    def _turn(self, entry: Entry, *, keep: bool, profile: bool) -> None:
        try:
            runner = self._running.get(entry)
            if runner is None:
                runner = self._running[entry] = self._start(entry)
                self.done.setdefault(entry, Score(runner.about))
            score = self.done[entry]
            found = runner.round(entry.frames)
            score.rounds.append(found)
            self._tell(f"  {float(np.median(found.frame_s)) * 1000:.1f} ms a frame")
            score.peak = max(filter(None, (score.peak, runner.peak())), default=None)
            if profile:
                score.parts = runner.profile()
        except (EngineError, MemoryError, RuntimeError, OSError) as error:
            self.failed[entry] = sentence(error)
            self.done.pop(entry, None)
            self._tell(f"{_title(entry)} is left out: {self.failed[entry]}")
            self._stop(entry)
        if not keep:
            self._stop(entry)

    def _stop(self, entry: Entry) -> None:
        runner = self._running.pop(entry, None)
        if runner is not None:
            runner.close()


def _title(entry: Entry) -> str:
    return f"{entry.kind} {entry.wanted.precision}"
