"""Opens a recorded session, also one that is still going on or was never closed, or one of ``talk``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.core.errors import InputError
from app.core.live_ports import SESSION_RATE_HZ
from app.core.shelf import KeptSession
from app.core.types import FloatArray
from app.recording.lines import LineReader
from app.recording.repair import clock_of
from app.recording.sampleclock import SampleClock
from app.recording.session import ABOUT, CHANNELS, EVENTS, MARK, SOUND
from app.recording.turns import RecordedTurn, turn_from, turns_of
from app.recording.wav import WavError, WavReader

TRANSCRIPT = "transcript.json"
TIMINGS = "timings.json"


class Session:
    """A session on disk. Cheap to make: everything is read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            InputError: when ``folder`` holds no session.
        """
        if not any((folder / name).is_file() for name in (ABOUT, EVENTS, TRANSCRIPT)):
            raise InputError(
                f"{folder} is not a session: name a folder that Parley has recorded, or see "
                "`main.py sessions list`."
            )
        self.folder = folder

    @property
    def about(self) -> dict[str, Any]:
        """``session.json``: what it was held with. Empty when that is missing or damaged."""
        return _json(self.folder / ABOUT)

    @property
    def has_sound(self) -> bool:
        """Whether there is a recording of all channels."""
        return (self.folder / SOUND).is_file()

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        try:
            with WavReader(self.folder / SOUND) as reader:
                return reader.frames / reader.form.rate_hz
        except (OSError, WavError):
            return 0.0

    def clock(self) -> SampleClock:
        """Where the session's moments are in the recording."""
        about = self.about
        clock = clock_of(about, ())
        if clock.pieces or not (self.folder / EVENTS).is_file():
            return clock
        return clock_of(about, tuple(self.events()))

    def events(self) -> Iterator[dict[str, Any]]:
        """Every record in order, up to the first damaged line: ``at_s``, ``kind`` and its fields."""
        path = self.folder / EVENTS
        if path.is_file():
            yield from LineReader(path)

    def turns(self) -> tuple[RecordedTurn, ...]:
        """What was said. Times count from the start of the recording."""
        if (self.folder / EVENTS).is_file():
            return turns_of(self.events(), self.clock())
        told = _json(self.folder / TRANSCRIPT).get("turns")
        if not isinstance(told, list):
            return ()
        times = _json(self.folder / TIMINGS).get("turns")
        stages = {
            row.get("number"): row.get("timings_ms")
            for row in (times if isinstance(times, list) else [])
            if isinstance(row, dict)
        }
        turns = [turn for turn in told if isinstance(turn, dict)]
        return tuple(
            turn_from({"timings_ms": stages.get(turn.get("number")), **turn}) for turn in turns
        )

    def blocks(
        self,
        channels: Sequence[str | int] = CHANNELS,
        from_s: float = 0.0,
        to_s: float | None = None,
        block_s: float = 1.0,
    ) -> Iterator[FloatArray]:
        """Sound of the named (or numbered) channels, (N, channels) at 48 kHz, ``block_s`` at a time.

        Raises:
            InputError: when there is no sound, or no such channel.
        """
        numbers = [self._channel(channel) for channel in channels]
        rate_hz = SESSION_RATE_HZ
        try:
            reader = WavReader(self.folder / SOUND)
        except (OSError, WavError) as error:
            raise InputError(
                f"The session in {self.folder} has no sound that can be read ({error}): "
                "try `main.py sessions repair`."
            ) from error
        with reader:
            at = round(from_s * rate_hz)
            end = reader.frames if to_s is None else min(reader.frames, round(to_s * rate_hz))
            while at < end:
                frames = reader.read(at, min(max(1, round(block_s * rate_hz)), end - at))
                if not len(frames):
                    return
                at += len(frames)
                yield frames[:, numbers].astype(np.float32) / 32767.0

    def summary(self) -> KeptSession:
        """One line about it."""
        about = self.about
        turns = about.get("turns")
        state = str(about.get("state") or ("open" if (self.folder / MARK).exists() else "files"))
        if state == "open" and not (self.folder / MARK).exists():
            state = "closed"
        return KeptSession(
            name=self.folder.name,
            folder=self.folder,
            started=str(about.get("started") or ""),
            seconds=round(self.seconds, 2),
            turns=turns if isinstance(turns, int) and state != "open" else len(self.turns()),
            size_bytes=sum(
                entry.stat().st_size for entry in self.folder.iterdir() if entry.is_file()
            ),
            state=state,
        )

    def _channel(self, channel: str | int) -> int:
        names: list[str] = list(CHANNELS)
        if isinstance(channel, int) and 0 <= channel < len(names):
            return channel
        if isinstance(channel, str) and channel in names:
            return names.index(channel)
        raise InputError(f"There is no channel {channel!r}: there are {', '.join(names)}.")


def sessions(root: Path) -> list[Session]:
    """The sessions in ``root``, oldest first; none when there is no such place."""
    try:
        folders = sorted(entry for entry in root.iterdir() if entry.is_dir())
    except OSError:
        return []
    found: list[Session] = []
    for folder in folders:
        try:
            found.append(Session(folder))
        except InputError:
            continue
    return found


def find(root: Path, name: str) -> Session:
    """The session of this name in ``root``, the newest for ``last``, or the folder of this path.

    Raises:
        InputError: when there is none.
    """
    if name == "last":
        every = sessions(root)
        if not every:
            raise InputError(
                f"There are no recorded sessions in {root}: record one, or name a folder."
            )
        return every[-1]
    inside = root / name
    # Only a plain name is looked for among the recordings; anything else is the user's own path.
    if Path(name).name == name and inside.is_dir():
        return Session(inside)
    if Path(name).is_dir():
        return Session(Path(name))
    raise InputError(
        f"There is no session '{name}' in {root} and no folder of that name: "
        "see `main.py sessions list`."
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
