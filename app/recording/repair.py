"""Puts right the sessions that were not closed because Parley or the computer went down.

The sound's sizes come from the file's length, the events are believed up to the first damaged line
(what follows is kept beside them), and the transcript is made anew. A session that some process is still
recording is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import OutputError, ParleyError
from app.core.live_ports import SESSION_RATE_HZ
from app.recording import lines, wav
from app.recording.files import DiskFile, replace_text
from app.recording.sampleclock import SampleClock, clock_from
from app.recording.session import ABOUT, EVENTS, MARK, SOUND, VERSION, write_transcript
from app.recording.turns import TurnBuilder
from app.settings.instance import hold


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was put right in one session."""

    folder: Path
    seconds: float
    turns: int
    cut_bytes: int
    """Length of what could not be believed at the end of the events."""

    @property
    def sentence(self) -> str:
        """For the user."""
        return (
            f"A session that was not closed was recovered: {self.seconds:.0f} s and {self.turns} "
            f"turn{'' if self.turns == 1 else 's'} in {self.folder}."
        )


@dataclass(frozen=True, slots=True)
class Unrecovered:
    """A session that could not be put right now; the next start tries again."""

    folder: Path
    sentence: str


class BeingRecordedError(ParleyError):
    """A session cannot be repaired while it is recorded."""


def unclosed(root: Path) -> list[Path]:
    """The sessions in ``root`` that were begun and not closed, oldest first."""
    try:
        return sorted(mark.parent for mark in root.glob(f"*/{MARK}"))
    except OSError:
        return []


def recover_all(
    root: Path, notice: Callable[[str], None] | None = None
) -> list[Recovered | Unrecovered]:
    """Repair what a crash left in ``root``; never raises. A recovered session is found only once.

    ``notice`` gets the sentence of each.
    """
    found: list[Recovered | Unrecovered] = []
    for folder in unclosed(root):
        try:
            found.append(recover(folder))
        except BeingRecordedError:
            continue
        except ParleyError as error:
            found.append(Unrecovered(folder, f"A session could not be repaired: {error}"))
    if notice is not None:
        for one in found:
            notice(one.sentence)
    return found


def recover(folder: Path) -> Recovered:
    """Repair one session, whether or not it was closed.

    Raises:
        BeingRecordedError: when some process is recording it.
        OutputError: when its files cannot be written.
    """
    try:
        held = hold(folder / MARK)
        if held is None:
            raise BeingRecordedError(
                f"The session in {folder} is being recorded: end the recording first."
            )
        done = False
        try:
            repaired = _repair(folder)
            done = True
        finally:
            # Failed: the mark stays, and the next start tries again.
            held.release(remove=done)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror or error}): make it writable or free some "
            "space."
        ) from error
    return repaired


def _repair(folder: Path) -> Recovered:
    seconds = _repair_sound(folder / SOUND)
    cut_bytes, records = _repair_events(folder / EVENTS)
    turns = TurnBuilder()
    for record in records:
        turns.feed(record)
    about = _about(folder / ABOUT)
    clock = clock_of(about, records)
    write_transcript(folder, turns, clock)
    told = len(turns.turns(clock))
    about.update(state="recovered", seconds=seconds, turns=told)
    about.setdefault("clock", {})["pieces"] = clock.told()
    replace_text(folder / ABOUT, json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    return Recovered(folder, seconds, told, cut_bytes)


def _repair_sound(path: Path) -> float:
    """Make the sound's head right; its length, 0 where there is nothing to be saved."""
    try:
        wav.repair(path)
        found = wav.layout(path)
    except FileNotFoundError:
        return 0.0
    except wav.WavError:
        # Not even its head was written, or it is damaged beyond what a length can repair.
        return 0.0
    return round(found.present_bytes / found.form.frame_bytes / SESSION_RATE_HZ, 2)


def _repair_events(path: Path) -> tuple[int, tuple[dict[str, Any], ...]]:
    """Cut the events at the first damaged line, keeping the rest beside them."""
    try:
        found = lines.believed(path)
    except FileNotFoundError:
        return 0, ()
    cut_bytes = found.file_bytes - found.good_bytes
    if cut_bytes:
        with path.open("rb") as file:
            file.seek(found.good_bytes)
            rest = file.read()
        path.with_name(f"{path.name}.damaged").write_bytes(rest)
        events = DiskFile(path, update=True)
        try:
            events.truncate(found.good_bytes)
            events.sync()
        finally:
            events.close()
    return cut_bytes, found.records


def _about(path: Path) -> dict[str, Any]:
    """``session.json``, or as much of it as can be said without it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    known: dict[str, Any] = content if isinstance(content, dict) else {}
    if not known:
        known.update(format="parley-session", version=VERSION)
    if not isinstance(known.get("clock"), dict):
        known["clock"] = {}
    return known


def clock_of(about: dict[str, Any], records: tuple[dict[str, Any], ...]) -> SampleClock:
    """The sample clock of a session: from its description, else from its records."""
    told = about.get("clock")
    clock = clock_from(told.get("pieces")) if isinstance(told, dict) else SampleClock()
    if clock.pieces:
        return clock
    for record in records:
        if record.get("kind") == "recorder_began" and isinstance(record.get("index"), int):
            return SampleClock(((record["index"], 0),))
    return SampleClock()
