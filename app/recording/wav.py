"""WAV files of several channels that are valid while they grow, also past 4 GB.

The head has room for a ``ds64`` chunk from the start (a ``JUNK`` chunk), so that turning the file
into an RF64 one is a rewrite of the head in place (EBU Tech 3306). Sound is only ever appended. All
of ours is 16-bit PCM; format WAVE_FORMAT_EXTENSIBLE without speaker positions, because the channels
are not places in a room.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from app.recording.files import DiskFile, RawFile, write_all

IntArray = npt.NDArray[np.int16]

SAMPLE_BYTES = 2
RIFF_LIMIT = 0xFFFF_FFFF
"""A 32-bit size field of this value means "see ds64", so sizes in it must stay below."""

_DS64 = struct.Struct("<QQQI")
_SIZES_AT = 12
"""Where the JUNK or ds64 chunk starts: EBU Tech 3306 wants it first."""
_PCM, _EXTENSIBLE = 1, 0xFFFE
_PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")


class WavError(ValueError):
    """A file is no WAV that this module reads."""


@dataclass(frozen=True, slots=True)
class WavFormat:
    """What the samples of a file mean. ``info``: four-letter INFO keys and their texts."""

    channels: int
    rate_hz: int
    info: Mapping[str, str]

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * SAMPLE_BYTES

    def head(self, data_bytes: int, limit: int = RIFF_LIMIT) -> bytes:
        """The head of a file with so much sound; of the same length whatever ``data_bytes`` is.

        ``limit`` is the size at which the file becomes RF64 (lower in tests).
        """
        fmt = struct.pack(
            "<HHIIHHHHI16s",
            *(_EXTENSIBLE, self.channels, self.rate_hz, self.rate_hz * self.frame_bytes),
            *(self.frame_bytes, 8 * SAMPLE_BYTES, 22, 8 * SAMPLE_BYTES, 0, _PCM_GUID),
        )
        texts = b"".join(
            _chunk(key.encode("ascii"), text.encode() + b"\0") for key, text in self.info.items()
        )
        behind = _chunk(b"fmt ", fmt) + _chunk(b"LIST", b"INFO" + texts)
        whole = 4 + 8 + _DS64.size + len(behind) + 8 + data_bytes
        if whole < limit:
            form, riff_size, data_size = b"RIFF", whole, data_bytes
            sizes = _chunk(b"JUNK", bytes(_DS64.size))
        else:
            form, riff_size, data_size = b"RF64", RIFF_LIMIT, RIFF_LIMIT
            frames = data_bytes // self.frame_bytes
            sizes = _chunk(b"ds64", _DS64.pack(whole, data_bytes, frames, 0))
        start = struct.pack("<4sI4s", form, riff_size, b"WAVE")
        return start + sizes + behind + struct.pack("<4sI", b"data", data_size)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", name, len(body)) + body + b"\0" * (len(body) % 2)


class WavWriter:
    """A growing WAV. Every method may raise OSError; ``close`` then still leaves a valid file."""

    def __init__(self, file: RawFile, form: WavFormat, limit: int = RIFF_LIMIT) -> None:
        self._file = file
        self._form = form
        self._limit = limit
        self._bytes = 0
        head = form.head(0, limit)
        self._head_bytes = len(head)
        write_all(file, head)

    @property
    def frames(self) -> int:
        """Samples of each channel that were written."""
        return self._bytes // self._form.frame_bytes

    def write(self, frames: IntArray) -> None:
        """Append (N, channels)."""
        if frames.ndim != 2 or frames.shape[1] != self._form.channels:
            raise ValueError(f"Expected (N, {self._form.channels}), got {frames.shape}.")
        data = memoryview(frames.astype("<i2", copy=False).tobytes())
        while data:
            taken = self._file.write(data)
            if not taken:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            # Counted as it goes: after a failure in the middle the head is still right.
            self._bytes += taken
            data = data[taken:]

    def patch(self) -> None:
        """Make the head say how long the file is."""
        whole_bytes = self.frames * self._form.frame_bytes
        self._file.seek(0)
        try:
            write_all(self._file, self._form.head(whole_bytes, self._limit))
        finally:
            self._file.seek(self._head_bytes + self._bytes)

    def sync(self) -> None:
        """Make everything written survive a loss of power."""
        self._file.sync()

    def close(self) -> None:
        """Cut off half a frame, if one was written, and finish the head."""
        try:
            if self._bytes % self._form.frame_bytes:
                self._bytes = self.frames * self._form.frame_bytes
                self._file.truncate(self._head_bytes + self._bytes)
            self.patch()
        finally:
            self._file.close()


@dataclass(frozen=True, slots=True)
class WavLayout:
    """Where things are in a file, and what its head claims."""

    form: WavFormat
    data_at: int
    """Byte at which the sound starts."""
    claimed_bytes: int
    """Length of the sound by the head."""
    present_bytes: int
    """Length of the sound by the file's length, whole frames."""
    riff_bytes: int
    """Length of the whole by the head."""
    ours: bool
    """Whether the head is one of ours, so that it can be rewritten in place."""

    @property
    def right(self) -> bool:
        """Whether the head tells the truth."""
        whole = self.data_at + self.claimed_bytes - 8
        return self.claimed_bytes == self.present_bytes and self.riff_bytes >= whole


def layout(path: Path) -> WavLayout:
    """Read the head of a WAV, however wrong its sizes are.

    Raises:
        WavError: when it is no 16-bit PCM WAV, or ends before its sound starts.
        OSError: when it cannot be read.
    """
    with path.open("rb") as file:
        return _layout(file, path.stat().st_size)


def _layout(file: BinaryIO, file_bytes: int) -> WavLayout:
    start = file.read(12)
    if len(start) < 12 or start[:4] not in (b"RIFF", b"RF64") or start[8:] != b"WAVE":
        raise WavError("it does not begin as a WAV file does")
    riff_bytes = int(struct.unpack_from("<I", start, 4)[0])
    long_bytes: int | None = None
    form: WavFormat | None = None
    info: dict[str, str] = {}
    while True:
        head = file.read(8)
        if len(head) < 8:
            raise WavError("it ends before its sound begins")
        name, size = struct.unpack("<4sI", head)
        if name == b"data":
            break
        body = file.read(size + size % 2)[:size]
        if len(body) < size:
            raise WavError("it ends before its sound begins")
        if name == b"ds64" and size >= 24:
            riff_bytes, long_bytes = struct.unpack_from("<QQ", body)
        elif name == b"fmt ":
            form = _format(body)
        elif name == b"LIST" and body[:4] == b"INFO":
            info = _info(body[4:])
    if form is None:
        raise WavError("its format is missing")
    form = WavFormat(form.channels, form.rate_hz, info)
    data_at = file.tell()
    claimed = long_bytes if size == RIFF_LIMIT and long_bytes is not None else size
    present = max(0, file_bytes - data_at) // form.frame_bytes * form.frame_bytes
    file.seek(0)
    given = file.read(data_at)
    return WavLayout(form, data_at, claimed, present, riff_bytes, _is_ours(given, form))


def _is_ours(given: bytes, form: WavFormat) -> bool:
    """Whether all of a head but its sizes is as we would write it."""
    expected = form.head(0)
    skip = _SIZES_AT + 8 + _DS64.size
    return len(given) == len(expected) and given[skip:-4] == expected[skip:-4]


def _format(body: bytes) -> WavFormat:
    if len(body) < 16:
        raise WavError("its format is cut off")
    tag, channels, rate_hz, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 40:
        tag = struct.unpack_from("<H", body, 24)[0]
    if tag != _PCM or bits != 8 * SAMPLE_BYTES or not channels:
        raise WavError("it is not 16-bit PCM")
    if frame_bytes != channels * SAMPLE_BYTES or not rate_hz:
        raise WavError("its format contradicts itself")
    return WavFormat(channels, rate_hz, {})


def _info(body: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at + 8 <= len(body):
        name, size = struct.unpack_from("<4sI", body, at)
        text = body[at + 8 : at + 8 + size].rstrip(b"\0")
        found[name.decode("ascii", "replace")] = text.decode("utf-8", "replace")
        at += 8 + size + size % 2
    return found


def repair(path: Path, limit: int = RIFF_LIMIT) -> bool:
    """Make the head agree with the file's length; False when it did already.

    Raises:
        WavError: when it is no WAV of ours.
        OSError: when it cannot be read or written.
    """
    found = layout(path)
    if found.right and found.data_at + found.present_bytes == path.stat().st_size:
        return False
    if not found.ours:
        raise WavError("it was not written by Parley")
    file = DiskFile(path, update=True)
    try:
        # Sound first, then the head that claims it.
        file.truncate(found.data_at + found.present_bytes)
        write_all(file, found.form.head(found.present_bytes, limit))
        file.sync()
    finally:
        file.close()
    return True


class WavReader:
    """Random access to a WAV, also to one whose head lags behind because it is being written."""

    def __init__(self, path: Path) -> None:
        self._layout = layout(path)
        self._file = path.open("rb")

    @property
    def form(self) -> WavFormat:
        """Channels, rate and texts."""
        return self._layout.form

    @property
    def frames(self) -> int:
        """Samples of each channel."""
        found = self._layout
        # Behind the sound of other programs there may be more chunks, behind ours never.
        present = found.present_bytes
        sound_bytes = present if found.ours else min(present, found.claimed_bytes)
        return sound_bytes // self.form.frame_bytes

    def read(self, start: int, count: int) -> IntArray:
        """Up to ``count`` frames from ``start``: (N, channels)."""
        start = min(max(start, 0), self.frames)
        count = min(max(count, 0), self.frames - start)
        self._file.seek(self._layout.data_at + start * self.form.frame_bytes)
        data = self._file.read(count * self.form.frame_bytes)
        data = data[: len(data) // self.form.frame_bytes * self.form.frame_bytes]
        return np.frombuffer(data, "<i2").reshape(-1, self.form.channels).astype(np.int16)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> WavReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
