"""``bench turn``: runs the sets that are asked for and gathers their figures."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.bench.report import Figures, figures, judged, soak_figures
from app.bench.run import Perform
from app.bench.score import Marks
from app.bench.sets import DEFAULT_ITEMS, SETS, SOAK_S, Item, Kind, items
from app.core.errors import InputError


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """What to measure. ``minutes`` is the length of the soak (E10)."""

    sets: tuple[str, ...] = tuple(SETS)
    items: int = DEFAULT_ITEMS
    seed: int = 0
    profile: str = "measured"
    minutes: float = SOAK_S / 60


def set_names(text: str) -> tuple[str, ...]:
    """``E1,E4`` as names, in the order of the sets.

    Raises:
        InputError: for one that there is not.
    """
    wanted = [name.strip().upper() for name in text.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in SETS]
    if unknown or not wanted:
        raise InputError(
            f"There is no set called {', '.join(unknown) or repr(text)}: choose among {', '.join(SETS)}."
        )
    return tuple(name for name in SETS if name in wanted)


def run(options: TurnOptions, perform: Perform, tell: Callable[[str], None]) -> dict[str, Any]:
    """All figures; ``perform`` plays an item, ``tell`` takes lines of progress.

    Stopped by Ctrl+C, it returns what was done so far, with ``stopped`` set.
    """
    if options.items < 1 or options.minutes <= 0:
        raise InputError("The bench needs at least one item and a soak longer than 0 minutes.")
    found: dict[str, Figures] = {}
    details: dict[str, list[dict[str, Any]]] = {}
    stopped = False
    for name in options.sets:
        done: list[tuple[Kind, Marks]] = []
        details[name] = []
        try:
            _run_set(name, options, perform, tell, done, details[name])
        except KeyboardInterrupt:
            stopped = True
        if done:
            found[name] = _figures(name, done)
        if stopped:
            tell("Stopped; here is what was done so far.")
            break
    return {
        "sets": found,
        "targets": judged(found),
        "profile": options.profile,
        "seed": options.seed,
        "items_asked": options.items,
        "stopped": stopped,
        "machine": machine(),
        "details": details,
    }


def _run_set(
    name: str,
    options: TurnOptions,
    perform: Perform,
    tell: Callable[[str], None],
    done: list[tuple[Kind, Marks]],
    details: list[dict[str, Any]],
) -> None:
    wanted = _items(name, options)
    tell(f"{name} {SETS[name][1]}: {len(wanted)} items")
    for item in wanted:
        parts = perform(item)
        done += parts
        details += [_detail(item, kind, marks) for kind, marks in parts]
        if (item.number + 1) % 10 == 0:
            tell(f"{name} {item.number + 1}/{len(wanted)}")


def _items(name: str, options: TurnOptions) -> list[Item]:
    made = items(name, options.items, options.seed)
    if SETS[name][0] is Kind.SOAK:
        return [replace(item, seconds=options.minutes * 60) for item in made]
    return made


def _figures(name: str, done: Sequence[tuple[Kind, Marks]]) -> Figures:
    if SETS[name][0] is Kind.SOAK:
        return soak_figures(done)
    return figures([marks for _, marks in done])


def _detail(item: Item, kind: Kind, marks: Marks) -> dict[str, Any]:
    """One item, so that a bad figure can be followed to where it comes from."""
    scene = item.scene
    return {
        "number": item.number,
        "kind": str(kind),
        "text": item.text or item.sound,
        "room": scene.room,
        "level_db": scene.level_db if scene.room else None,
        "marks": {name: round(value, 3) for name, value in marks.items()},
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
