"""Everybody in turn, within the time there is; who fails is left out, and the others go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np

from engine.bench.child import Entry, Runner, sentence
from engine.bench.profiling import Part
from engine.bench.rows import About, Bandwidth, Round, Row, make_row
from engine.errors import EngineError

Tell = Callable[[str], None]

_SPARE: Final = 0.12
"""Share of the time that is kept for the end: what is under way then is waited for."""


class Budget:
    """The time that there is for a run; None is as long as it takes.

    Nobody may take more than half of what is left, so one that hangs leaves the others enough.
    """

    def __init__(
        self, limit_s: float | None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._limit_s, self._clock, self._began_s = limit_s, clock, clock()

    @property
    def spent_s(self) -> float:
        """Since the beginning."""
        return self._clock() - self._began_s

    @property
    def over(self) -> bool:
        """Whether nothing new is to begin."""
        return self._limit_s is not None and self.spent_s > (1 - _SPARE) * self._limit_s

    @property
    def patience_s(self) -> float | None:
        """How long to wait for whoever is to measure something now."""
        return None if self._limit_s is None else max(0.0, self._limit_s - self.spent_s) / 2


@dataclass(slots=True)
class Score:
    """What is known of one contestant so far."""

    about: About
    rounds: list[Round] = field(default_factory=list[Round])
    peak: float | None = None
    parts: list[Part] = field(default_factory=list[Part])


class Contest:
    """The contestants, what they did, and why some did not.

    Args:
        entries: in the order of the turns.
        start: loads one.
        tell: takes lines about the progress.
        budget: the time for all of it.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        start: Callable[[Entry], Runner],
        tell: Tell,
        budget: Budget | None = None,
    ) -> None:
        self.done: dict[Entry, Score] = {}
        self.failed: dict[Entry, str] = {}
        self._entries, self._start, self._tell = entries, start, tell
        self._budget = budget or Budget(None)
        self._running: dict[Entry, Runner] = {}

    def play(self, rounds: int, *, together: bool, profile: bool = False) -> None:
        """Measure everybody ``rounds`` times; all that was started has ended when this returns."""
        try:
            for number in range(rounds):
                last = number + 1 == rounds
                for entry in self._entries:
                    if self._budget.over:
                        self._say("the time is up: what was not measured yet is left out")
                        return
                    if entry not in self.failed:
                        self._say(f"round {number + 1} of {rounds}: {_title(entry)}")
                        self._turn(entry, keep=together and not last, profile=profile and last)
                if not last:
                    self._say(f"about {self._budget.spent_s * (rounds - number - 1):.0f} s to go")
        finally:
            for entry in list(self._running):
                self._stop(entry)
            for entry in self._entries:
                if entry not in self.done:
                    self.failed.setdefault(entry, _TOO_LATE)

    def rows(self, bandwidth: Bandwidth) -> list[Row]:
        """A row for each that was measured, in the order in which they took part."""
        peers = {e.kind: self.done[e].rounds for e in self._entries if e.is_peer and e in self.done}
        return [
            make_row(
                self._about(entry, score),
                score.rounds,
                {} if entry.is_peer else peers,
                bandwidth,
                score.peak,
            )
            for entry, score in self._in_order()
        ]

    def left_out(self) -> list[dict[str, str]]:
        """Who has no row, and why."""
        return [
            {"name": entry.kind, "precision": entry.wanted.precision, "why": why}
            for entry, why in self.failed.items()
            if entry not in self.done
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

    def _about(self, entry: Entry, score: Score) -> About:
        """What it says of itself, and why it did not go on."""
        if entry not in self.failed:
            return score.about
        note = f"Stopped after {len(score.rounds)} of its rounds: {self.failed[entry]}"
        return replace(score.about, note=f"{score.about.note} {note}".strip())

    def _turn(self, entry: Entry, *, keep: bool, profile: bool) -> None:
        try:
            runner = self._running.get(entry)
            if runner is None:
                runner = self._running[entry] = self._start(entry)
                self._say(f"  loaded in {runner.about.load_s:.1f} s")
            runner.patience_s = self._budget.patience_s
            found = runner.round(entry.frames)
            score = self.done.setdefault(entry, Score(runner.about))
            score.rounds.append(found)
            score.peak = max(filter(None, (score.peak, runner.peak())), default=None)
            self._say(f"  {_told(found, score.peak)}")
            if profile:
                score.parts = runner.profile()
        except (EngineError, MemoryError, RuntimeError, OSError) as error:
            self.failed[entry] = sentence(error)
            self._say(f"{_title(entry)} is left out: {self.failed[entry]}")
            self._stop(entry)
        if not keep:
            self._stop(entry)

    def _stop(self, entry: Entry) -> None:
        runner = self._running.pop(entry, None)
        if runner is not None:
            runner.close()

    def _say(self, line: str) -> None:
        self._tell(f"{self._budget.spent_s:5.0f} s  {line}")


_TOO_LATE = "The time was up before its turn: give more of it, or measure fewer at once."


def _title(entry: Entry) -> str:
    return f"{entry.kind} {entry.wanted.precision}"


def _told(found: Round, peak: float | None) -> str:
    """A round in one line, should the run never come to its table."""
    frames = np.asarray(found.frame_s) * 1000
    line = f"{np.median(frames):.2f} ms a frame (p99 {np.percentile(frames, 99):.2f})"
    if found.first_audio_s:
        line += f", first audio {np.median(found.first_audio_s) * 1000:.1f} ms"
    return line + (f", peak {peak / 1e9:.2f} GB" if peak else "")
