"""The files of one session while it is written. Used on one thread; every method may raise OSError.

Whatever is written here is whole at every moment: the head of ``session.wav`` is patched with
every piece, ``events.jsonl`` only grows by lines with checksums, the rest is replaced at once.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from app import __version__
from app.core.live_ports import BLOCK_S, BLOCK_SAMPLES, SESSION_RATE_HZ
from app.core.types import FloatArray
from app.recording import lines, transcript
from app.recording.files import DiskFile, Opener, RawFile, replace_text
from app.recording.sampleclock import SampleClock
from app.recording.turns import TurnBuilder
from app.recording.wav import RIFF_LIMIT, WavFormat, WavWriter
from app.settings.instance import HeldFile, hold

SOUND = "session.wav"
EVENTS = "events.jsonl"
ABOUT = "session.json"
MARK = ".recording"
"""Exists, and is held by the recording process, from the beginning of a session to its end."""

CHANNELS = ("raw microphone", "cleaned microphone", "assistant as played")
VERSION = 1
LONGEST_FILL_BLOCKS = 60_000
"""Ten minutes (173 MB) of silence: the longest gap that is filled. A longer one is marked instead."""
_SILENCE_BLOCKS = 100


@dataclass(frozen=True, slots=True)
class About:
    """What a session was held with. Without keys; passwords in addresses are taken out.

    ``models`` maps a part's name to its file or folder, whose SHA-256 hashes are added.
    """

    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    devices: Mapping[str, Any] = field(default_factory=dict[str, Any])
    models: Mapping[str, Path] = field(default_factory=dict[str, Path])
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])


def wav_format(started: datetime) -> WavFormat:
    """The format of ``session.wav``, which says itself what its channels are."""
    meaning = "; ".join(f"channel {number} {name}" for number, name in enumerate(CHANNELS, 1))
    return WavFormat(
        len(CHANNELS),
        SESSION_RATE_HZ,
        {
            "INAM": "Parley session",
            "ICMT": meaning,
            "ICRD": started.date().isoformat(),
            "ISFT": f"Parley {__version__}",
        },
    )


def new_folder(root: Path, started: datetime) -> Path:
    """Make a folder named by date and time in ``root``; never one that exists.

    Raises:
        OSError: when it cannot be made.
    """
    root.mkdir(parents=True, exist_ok=True)
    name = started.strftime("%Y-%m-%d_%H-%M-%S")
    for number in range(1, 10_000):
        folder = root / (name if number == 1 else f"{name}_{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(errno.EEXIST, "too many sessions began in this second", str(root))


class SessionFiles:
    """One session being written; see the module's docstring."""

    def __init__(
        self,
        folder: Path,
        started: datetime,
        about: About,
        open_new: Opener = DiskFile,
        limit: int = RIFF_LIMIT,
    ) -> None:
        self.folder = folder
        self.blocks = 0
        """Length of ``session.wav``, in blocks."""
        self.lost_blocks = 0
        """Blocks that came too fast for the disk; silence is in their place."""
        self.hashes: Mapping[str, Any] | None = None
        self._started = started
        self._about = about
        self._devices = dict(about.devices)
        self._open = open_new
        self._clock = SampleClock()
        self._next: int | None = None
        self._turns = TurnBuilder()
        self._mark: HeldFile | None = hold(folder / MARK)
        self._sound: WavWriter | None = None
        self._events: RawFile | None = None
        self._event_bytes = 0
        self._event_file_bytes = 0
        try:
            self._sound = _new_sound(open_new(folder / SOUND), started, limit)
            self._events = open_new(folder / EVENTS)
            self.describe("open")
        except OSError:
            self._abandon()
            raise

    @property
    def seconds(self) -> float:
        """Length of the recording so far."""
        return self.blocks * BLOCK_S

    def sound(self, indices: Sequence[int], blocks: FloatArray) -> None:
        """Append blocks (N, 3, 480) float; ``indices`` are theirs, rising. Gaps become silence."""
        # Runs of blocks without a gap are written at once.
        start = 0
        for at in range(1, len(indices) + 1):
            if at == len(indices) or indices[at] != indices[at - 1] + 1:
                self._run(indices[start], blocks[start:at])
                start = at

    def _run(self, index: int, blocks: FloatArray) -> None:
        if self._next is None:
            self._begin(index)
        assert self._next is not None
        gap = index - self._next
        if gap < 0:
            # Older than what is on the disk: a position can only be written once.
            blocks, index = blocks[-gap:], self._next
        elif gap > LONGEST_FILL_BLOCKS:
            self._clock = self._clock.with_piece(index, self.blocks)
            self.record(self._at(index), "recorder_gap", {"blocks": gap, "filled": False})
            self.describe_meanwhile()
        elif gap:
            self.record(self._at(index), "recorder_gap", {"blocks": gap, "filled": True})
            self._silence(gap)
        if len(blocks):
            self._append(_samples(blocks), len(blocks))
        self._next = index + len(blocks)

    def _begin(self, index: int) -> None:
        self._next = index
        self._clock = SampleClock(((index, 0),))
        self.record(self._at(index), "recorder_began", {"index": index})
        self.describe_meanwhile()

    def _silence(self, blocks: int) -> None:
        while blocks:
            some = min(blocks, _SILENCE_BLOCKS)
            self._append(np.zeros((some * BLOCK_SAMPLES, len(CHANNELS)), np.int16), some)
            blocks -= some

    def _append(self, frames: Any, blocks: int) -> None:
        assert self._sound is not None
        self._sound.write(frames)
        self.blocks += blocks

    def record(self, at_s: float, kind: str, data: Mapping[str, Any]) -> None:
        """Append one record of the session itself."""
        self.line(lines.encoded(at_s, kind, data))

    def line(self, line: bytes) -> None:
        """Append one encoded record."""
        record = lines.decoded(line)
        if record is not None:
            self._turns.feed(record)
            if record.get("kind") == "devices":
                told = {key: value for key, value in record.items() if key not in ("at_s", "kind")}
                self._devices = {**self._devices, **told}
        assert self._events is not None
        view = memoryview(line)
        while view:
            taken = self._events.write(view)
            if not taken:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._event_file_bytes += taken
            view = view[taken:]
        self._event_bytes = self._event_file_bytes

    def lost(self, blocks: int, records: int) -> None:
        """Note that so many more blocks could not be taken, and in all so many records."""
        self.lost_blocks += blocks
        at_s = self._at(self._next or 0)
        self.record(at_s, "recorder_lost", {"blocks": blocks, "records": records})

    def patch(self) -> None:
        """Make the head of the sound right."""
        if self._sound is not None:
            self._sound.patch()

    def sync(self) -> None:
        """Make all of it survive a loss of power."""
        if self._sound is not None and self._events is not None:
            self._sound.sync()
            self._events.sync()

    def describe_meanwhile(self) -> None:
        """Bring ``session.json`` up to date if that can be done now; the end of a session does it anyway.

        Somebody may be reading the file, which forbids replacing it on Windows: no reason to stop.
        """
        with contextlib.suppress(OSError):
            self.describe("open")

    def describe(self, state: str, ended: datetime | None = None) -> None:
        """Write ``session.json``; ``state`` is ``open``, ``closed`` or ``stopped``."""
        about = self._about
        content: dict[str, Any] = {
            "format": "parley-session",
            "version": VERSION,
            "parley": __version__,
            "state": state,
            "started": self._started.isoformat(timespec="milliseconds"),
            "ended": None if ended is None else ended.isoformat(timespec="milliseconds"),
            "audio": {
                "file": SOUND,
                "rate_hz": SESSION_RATE_HZ,
                "bits": 16,
                "channels": list(CHANNELS),
            },
            "clock": {
                "block_samples": BLOCK_SAMPLES,
                "pieces": self._clock.told(),
                "about": "pieces: [block of the session, block of session.wav] where each unbroken "
                "piece starts; at_s in events.jsonl is block of the session * 0.01. The assistant is "
                "recorded as given to the sound device, which plays it its output latency later; "
                "times in events and transcript are those at which it was heard",
            },
            "seconds": round(self.seconds, 2),
            "lost_blocks": self.lost_blocks,
            "turns": len(self._turns.turns(self._clock)),
            "devices": self._devices,
            "settings": without_keys(about.settings),
            "models": self.hashes
            if self.hashes is not None
            else {name: {"path": str(path)} for name, path in about.models.items()},
            **about.extra,
        }
        text = json.dumps(lines.plain(content), indent=2, ensure_ascii=False) + "\n"
        replace_text(self.folder / ABOUT, text, self._open)

    def finish(self, state: str, ended: datetime) -> None:
        """Close everything, write the transcript, and take the mark away. Does all that can be done.

        Raises:
            OSError: the first failure, after everything else was tried.
        """
        failures: list[OSError] = []
        for part in (
            self._close_sound,
            self._close_events,
            self._transcript,
            lambda: self.describe(state, ended),
        ):
            try:
                part()
            except OSError as error:
                failures.append(error)
        if self._mark is not None:
            # With the sound unclosed the mark stays, and the next start repairs the session.
            self._mark.release(remove=not failures)
        if failures:
            raise failures[0]

    def _close_sound(self) -> None:
        sound, self._sound = self._sound, None
        if sound is not None:
            with contextlib.suppress(OSError):
                sound.sync()
            sound.close()

    def _close_events(self) -> None:
        events, self._events = self._events, None
        if events is None:
            return
        try:
            if self._event_file_bytes > self._event_bytes:
                events.truncate(self._event_bytes)
            events.sync()
        finally:
            events.close()

    def _abandon(self) -> None:
        """The session cannot even begin: leave nothing behind."""
        for file in (self._sound, self._events):
            with contextlib.suppress(OSError):
                if file is not None:
                    file.close()
        for name in (SOUND, EVENTS, ABOUT):
            with contextlib.suppress(OSError):
                (self.folder / name).unlink()
        if self._mark is not None:
            self._mark.release(remove=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _transcript(self) -> None:
        write_transcript(self.folder, self._turns, self._clock, self._open)

    @staticmethod
    def _at(index: int) -> float:
        return round(index * BLOCK_S, 2)


def _new_sound(file: RawFile, started: datetime, limit: int) -> WavWriter:
    try:
        return WavWriter(file, wav_format(started), limit)
    except OSError:
        file.close()
        raise


def write_transcript(
    folder: Path, turns: TurnBuilder, clock: SampleClock, open_new: Opener = DiskFile
) -> None:
    """Write the transcript in the forms that every session has.

    Raises:
        OSError: when one cannot be written.
    """
    told = turns.turns(clock)
    for kind in transcript.KEPT:
        name, make = transcript.WRITERS[kind]
        replace_text(folder / name, make(told), open_new)


def without_keys(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without anything whose name says that it is secret."""
    secret = ("key", "token", "password", "secret", "authorization")
    return {
        name: without_keys(value) if isinstance(value, Mapping) else value
        for name, value in settings.items()
        if not any(name.lower() == word or name.lower().endswith(f"_{word}") for word in secret)
    }


def _samples(blocks: FloatArray) -> Any:
    """(N, 3, 480) floats as (N * 480, 3) 16-bit samples; beyond ±1 is clipped, no number is 0."""
    frames = blocks.transpose(0, 2, 1).reshape(-1, blocks.shape[1])
    scaled = np.clip(np.nan_to_num(frames, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0) * 32767.0
    return np.rint(scaled).astype(np.int16)
