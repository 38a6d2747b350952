"""From marks to figures, and how they stand against the targets. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.bench.score import Marks
from app.bench.sets import SETS, Kind

Figures = dict[str, float | int | None]


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be: at most (or at least) ``limit``."""

    set: str
    figure: str
    limit: float
    says: str
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether ``value`` is good enough."""
        return value >= self.limit if self.at_least else value <= self.limit


def _interruptions(name: str) -> tuple[Target, ...]:
    return (
        Target(name, "barge_in_percent", 98, "interruptions that take the turn, %", at_least=True),
        Target(name, "duck_ms_p95", 130, "speech to lowered sound, ms p95"),
        Target(name, "stop_ms_p95", 300, "speech to silence, ms p95"),
        Target(name, "heard_words_off_p50", 1, "heard text, words off, median"),
    )


def _goes_on(name: str, stopped: float) -> tuple[Target, ...]:
    return (
        Target(name, "stopped_percent", stopped, "answers stopped for nothing, %"),
        Target(name, "resumed_percent", 99, "paused answers that went on, %", at_least=True),
        Target(name, "lost_words_max", 1, "words lost at a resume, at most"),
        Target(name, "repeated_words_max", 1, "words said twice at a resume, at most"),
    )


TARGETS = (
    Target("E1", "wrong_cut_raw_percent", 3, "turns cut short, %"),
    Target("E1", "reply_ms_p50", 600, "silence before the answer, ms median"),
    Target("E2", "wrong_cut_felt_percent", 3, "turns felt as cut short, %"),
    *_interruptions("E4"),
    *_goes_on("E5", 5),
    *_goes_on("E6", 1),
    Target("E7", "self_interruptions_per_hour", 0, "self-interruptions per hour"),
    Target("E7", "erle_db_p50", 25, "echo taken away, dB median", at_least=True),
    *_interruptions("E8"),
    Target("E8", "self_interruptions", 0, "self-interruptions"),
    Target("E9", "hallucinated_turns_per_hour", 0, "invented turns per hour"),
    Target("E10", "memory_growth_mb", 100, "memory growth, MB"),
    Target("E10", "recorder_off_samples", 48, "recording off its clock, samples"),
)

_PERCENT = (
    *("wrong_cut_raw", "wrong_cut_felt", "answered", "barge_in"),
    *("ducked", "paused", "stopped", "resumed"),
)
_SPREAD = (
    *("end_of_turn_ms", "reply_ms", "release_ms", "asr_ms", "llm_ms", "speech_ms", "buffer_ms"),
    *(
        "duck_ms",
        "cut_ms",
        "stop_ms",
        "pause_ms",
        "heard_words_off",
        "lost_words",
        "repeated_words",
    ),
    "erle_db",
)
_SUM = (
    *(
        "self_interruptions",
        "self_ducks",
        "hallucinated_turns",
        "replies",
        "turns_opened",
        "void",
        "no_answer",
    ),
    *("minutes", "turns", "failed_replies", "memory_growth_mb", "recorder_off_samples"),
)


def figures(all_marks: Sequence[Marks]) -> Figures:
    """The figures of one set; what no item could tell is left out."""
    found: Figures = {"items": sum(1 for each in all_marks if "void" not in each)}
    for name in _PERCENT:
        if values := _values(all_marks, name):
            found[f"{name}_percent"] = round(100 * sum(values) / len(values), 2)
    for name in _SPREAD:
        if values := _values(all_marks, name):
            for percent in (50, 90, 95):
                found[f"{name}_p{percent}"] = round(float(np.percentile(values, percent)), 2)
            found[f"{name}_max"] = round(max(values), 2)
    for name in _SUM:
        if values := _values(all_marks, name):
            found[name] = round(sum(values), 2)
    words = sum(_values(all_marks, "words"))
    if words:
        found["word_error_percent"] = round(100 * sum(_values(all_marks, "wrong_words")) / words, 2)
    for name, per in (("self_interruptions", "talk_s"), ("hallucinated_turns", "seconds")):
        if seconds := sum(_values(all_marks, per)):
            found[f"{name}_per_hour"] = round(sum(_values(all_marks, name)) / seconds * 3600, 2)
            found["observed_s"] = round(seconds, 1)
    return found


def _values(all_marks: Sequence[Marks], name: str) -> list[float]:
    return [each[name] for each in all_marks if name in each]


def soak_figures(parts: Sequence[tuple[Kind, Marks]]) -> Figures:
    """The figures of a soak: the whole, and each kind of thing that happened in it."""
    found: Figures = figures([marks for kind, marks in parts if kind is Kind.SOAK])
    found["items"] = sum(1 for kind, _ in parts if kind is not Kind.SOAK)
    for kind in Kind:
        some = [marks for each, marks in parts if each is kind and kind is not Kind.SOAK]
        if some:
            found |= {f"{kind}_{name}": value for name, value in figures(some).items()}
    return found


def judged(sets: Mapping[str, Figures]) -> list[dict[str, Any]]:
    """Each target of the sets that were run: its value, and whether it is met (None: not measured)."""
    rows: list[dict[str, Any]] = []
    for target in TARGETS:
        if target.set not in sets:
            continue
        value = sets[target.set].get(target.figure)
        rows.append(
            {
                "set": target.set,
                "figure": target.figure,
                "says": target.says,
                "value": value,
                "target": target.limit,
                "at_least": target.at_least,
                "met": None if value is None else target.met(value),
            }
        )
    return rows


def table(result: Mapping[str, Any]) -> str:
    """The result for a person: the targets, then all figures set by set."""
    lines = [f"{'set':4} {'what':44} {'value':>9}  {'target':>9}"]
    for row in result["targets"]:
        bound = f"{'>=' if row['at_least'] else '<='} {row['target']:g}"
        value = "-" if row["value"] is None else f"{row['value']:g}"
        verdict = {True: "met", False: "MISSED", None: "not measured"}[row["met"]]
        lines.append(f"{row['set']:4} {row['says']:44} {value:>9}  {bound:>9}  {verdict}")
    for name, found in result["sets"].items():
        lines += ["", f"{name} {SETS[name][1]}", *_figure_lines(found)]
    machine = result["machine"]
    lines.append("")
    lines.append(
        f"profile {result['profile']}, seed {result['seed']}, {machine['processor']}, "
        f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}"
    )
    if result["stopped"]:
        lines.append("Stopped before the end: only what was done is counted.")
    return "\n".join(lines)


def _figure_lines(found: Figures) -> list[str]:
    """The figures of a set, those of one measurement side by side."""
    lines: list[str] = []
    for figure, value in found.items():
        name, _, part = figure.rpartition("_")
        if part in ("p90", "p95", "max") and f"{name}_p50" in found:
            lines[-1] += f"  {part} {value:>8g}"
        elif part == "p50":
            lines.append(f"  {name:30} {part} {value:>8g}")
        else:
            lines.append(f"  {figure:34} {value:>8g}")
    return lines
