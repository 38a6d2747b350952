"""Read any sound file as a stream for the recogniser and the engine.

A file of hours is read block by block, so memory stays at a few seconds of sound. Damage that
would change what the user said is an error; a few broken samples are silenced and told.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from app.core.errors import InputError
from app.core.ports import Notice
from app.core.types import LISTEN_RATE_HZ, SPEECH_RATE_HZ, FloatArray, SoundBlock

if TYPE_CHECKING:
    import soundfile

BLOCK_S = 1.0
# A block with more broken samples than this is damaged, not dusty.
_BROKEN_SHARE = 0.01
# Sizes that programs write when they do not know the length (pipes, recorders that were killed).
_UNKNOWN_SIZES = (0, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


class FileReader:
    """The ``SoundReader`` of the assistant: WAV, FLAC, OGG, MP3 and what else libsndfile reads."""

    def __init__(self, block_s: float = BLOCK_S) -> None:
        self._block_s = block_s

    def blocks(self, path: Path, notice: Notice) -> Iterator[SoundBlock]:
        """The file in blocks at 16 and 24 kHz, its channels averaged.

        Raises:
            InputError: when it is missing, empty, cut short, damaged or no sound file.
        """
        import soxr

        with _opened(path) as file:
            rate = file.samplerate
            to_16k = soxr.ResampleStream(rate, LISTEN_RATE_HZ, 1, dtype="float32")
            to_24k = soxr.ResampleStream(rate, SPEECH_RATE_HZ, 1, dtype="float32")
            for mono in _mono_blocks(file, path, round(rate * self._block_s), notice):
                yield SoundBlock(to_16k.resample_chunk(mono), to_24k.resample_chunk(mono))
            empty = np.zeros(0, np.float32)
            yield SoundBlock(
                to_16k.resample_chunk(empty, last=True), to_24k.resample_chunk(empty, last=True)
            )

    def check(self, path: Path) -> None:
        """See ``SoundReader.check``."""
        _opened(path).close()


def read_sound(path: Path, notice: Notice, limit_s: float = 60.0) -> FloatArray:
    """The first ``limit_s`` seconds of a file at 24 kHz, for context. Raises ``InputError``."""
    parts: list[FloatArray] = []
    room = round(limit_s * SPEECH_RATE_HZ)
    for block in FileReader().blocks(path, notice):
        parts.append(block.at_24k[:room])
        room -= len(parts[-1])
        if room <= 0:
            break
    return np.concatenate(parts)


def _opened(path: Path) -> soundfile.SoundFile:
    """The file behind ``path``, checked as far as its head tells."""
    import soundfile

    if path.is_dir():
        raise InputError(f"{path} is a folder: name a sound file in it.")
    try:
        size = path.stat().st_size
        with path.open("rb") as raw:
            missing_s = _missing_wav_seconds(raw, size)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}: check the name.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its rights.") from error
    if size == 0:
        raise InputError(f"{path} is empty: record it again.")
    if missing_s:
        raise InputError(
            f"{path} is cut short, {missing_s:.1f} s are missing at its end: "
            "copy or record it again."
        )
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise InputError(
            f"{path} is not a sound file that can be read: give WAV, FLAC, OGG or MP3."
        ) from error
    problem = ""
    if file.frames == 0:
        problem = "holds no sound: record it again."
    elif not 1_000 <= file.samplerate <= 768_000:  # 7 MHz must not size the filters
        problem = (
            f"claims {file.samplerate} samples a second, which no recording has: "
            "record or export it again."
        )
    if problem:
        file.close()
        raise InputError(f"{path} {problem}")
    return file


def _mono_blocks(
    file: soundfile.SoundFile, path: Path, block: int, notice: Notice
) -> Iterator[FloatArray]:
    """The samples, channels averaged, broken ones silenced; float32 (N,) with N ≤ ``block``."""
    import soundfile

    told, frames = False, 0
    while True:
        try:
            samples = np.asarray(file.read(block, dtype="float32", always_2d=True), np.float32)
        except soundfile.LibsndfileError as error:
            raise InputError(
                f"{path} is damaged after {frames / file.samplerate:.1f} s: "
                "copy or record it again."
            ) from error
        if not len(samples):
            break
        frames += len(samples)
        broken = ~np.isfinite(samples)
        if broken.any():
            if broken.mean() > _BROKEN_SHARE:
                raise InputError(
                    f"{path} holds samples that are not numbers: record or export it again."
                )
            if not told:
                notice(f"{path} holds a few samples that are not numbers; they were silenced.")
            told = True
            samples = np.where(broken, np.float32(0), samples)
        yield _mono(samples)
    # Compressed files tell their length; one that ends early was cut while being copied.
    if file.frames < 2**62 and frames < 0.98 * file.frames - 0.2 * file.samplerate:
        missing_s = (file.frames - frames) / file.samplerate
        raise InputError(
            f"{path} is cut short, {missing_s:.1f} s are missing at its end: "
            "copy or record it again."
        )


def _mono(samples: npt.NDArray[np.float32]) -> FloatArray:
    """Channels (N, C) averaged to (N,), within [-1, 1]."""
    mono = samples.mean(axis=1, dtype=np.float32) if samples.shape[1] > 1 else samples[:, 0]
    return np.clip(mono, -1.0, 1.0)


def _missing_wav_seconds(raw: BinaryIO, size: int) -> float:
    """How much sound a WAV's head promises beyond the file's end; 0 for other kinds of file.

    libsndfile reads such a file without a word, and half a question would get an answer.
    """
    head = raw.read(12)
    if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return 0.0
    bytes_per_s = 0
    while len(chunk := raw.read(8)) == 8:
        name, length = chunk[:4], struct.unpack("<I", chunk[4:])[0]
        if name == b"data":
            beyond = raw.tell() + length - size
            if length in _UNKNOWN_SIZES or beyond <= 0 or not bytes_per_s:
                return 0.0
            return max(beyond / bytes_per_s, 0.1)
        if name == b"fmt " and length >= 16:
            form = raw.read(16)
            if len(form) < 16:
                return 0.0
            bytes_per_s = struct.unpack("<I", form[8:12])[0]
            length -= 16
        raw.seek(length + (length & 1), os.SEEK_CUR)
    return 0.0
