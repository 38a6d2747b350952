"""The WAV writer: what goes in comes out, at every moment, past the limit, and after damage."""

from __future__ import annotations

import errno
import io
import os
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from app.recording.files import DiskFile
from app.recording.wav import (
    IntArray,
    WavError,
    WavFormat,
    WavReader,
    WavWriter,
    layout,
    repair,
)

FORM = WavFormat(3, 48_000, {"ISFT": "Parley", "ICMT": "1 raw; 2 clean; 3 played"})


def noise(frames: int, channels: int = 3, seed: int = 0) -> IntArray:
    made = np.random.default_rng(seed).integers(-32768, 32768, (frames, channels))
    return made.astype(np.int16)


def read(path: Path) -> IntArray:
    data, rate_hz = soundfile.read(str(path), dtype="int16", always_2d=True)
    assert rate_hz == 48_000
    with WavReader(path) as reader:
        ours = reader.read(0, reader.frames)
    np.testing.assert_array_equal(data, ours, "libsndfile and our reader agree")
    return ours


@settings(max_examples=40)
@given(
    channels=st.integers(1, 5),
    lengths=st.lists(st.integers(0, 700), max_size=6),
    limit=st.sampled_from([0xFFFF_FFFF, 3000]),
    texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=2),
)
def test_what_is_written_is_read_at_every_moment(
    channels: int, lengths: list[int], limit: int, texts: list[str]
) -> None:
    form = WavFormat(channels, 48_000, dict(zip(("INAM", "ICMT"), texts, strict=False)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.wav"
        writer = WavWriter(DiskFile(path), form, limit)
        parts: list[IntArray] = []
        for number, length in enumerate(lengths):
            parts.append(noise(length, channels, number))
            writer.write(parts[-1])
            writer.patch()
            np.testing.assert_array_equal(read(path), np.concatenate(parts))
            assert layout(path).right
        writer.close()
        whole = np.concatenate([noise(0, channels), *parts])
        np.testing.assert_array_equal(read(path), whole)
        found = layout(path)
        assert found.ours
        assert found.form == form
        big = path.stat().st_size - 8 >= limit
        assert path.read_bytes()[:4] == (b"RF64" if big else b"RIFF")


def test_it_becomes_rf64_where_the_sizes_no_longer_fit() -> None:
    """The two forms around the real limit, without writing four gigabytes."""
    base = len(FORM.head(0)) - 8
    room = 0xFFFF_FFFF - base
    last = room // 6 * 6
    last = last if base + last < 0xFFFF_FFFF else last - 6
    assert FORM.head(last)[:4] == b"RIFF"
    head = FORM.head(last + 6)
    assert head[:4] == b"RF64"
    assert head[12:16] == b"ds64"
    assert int.from_bytes(head[20:28], "little") == base + last + 6
    assert int.from_bytes(head[28:36], "little") == last + 6
    assert int.from_bytes(head[36:44], "little") == (last + 6) // 6
    assert head[-4:] == b"\xff\xff\xff\xff"
    assert len({len(FORM.head(size)) for size in (0, last, last + 6, 1 << 40)}) == 1


def test_libsndfile_sees_the_channels_meaning_and_an_rf64_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    writer = WavWriter(DiskFile(path), FORM, 4096)
    writer.write(noise(2000))
    writer.close()
    with soundfile.SoundFile(str(path)) as file:
        assert (file.format, file.subtype, file.channels) == ("RF64", "PCM_16", 3)
        assert len(file) == 2000
        assert file.comment == "1 raw; 2 clean; 3 played"


def test_a_file_of_another_program_is_read_but_never_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "other.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 48_000, 0, "NONE", ""))
        file.writeframes(noise(100, 2).tobytes())
    path.write_bytes(path.read_bytes() + b"LIST\4\0\0\0xxxx")
    with WavReader(path) as reader:
        np.testing.assert_array_equal(reader.read(0, 1000), noise(100, 2))
    before = path.read_bytes()
    with pytest.raises(WavError, match="not written by Parley"):
        repair(path)
    assert path.read_bytes() == before


@settings(max_examples=40)
@given(cut=st.integers(0, 5000), patched=st.booleans(), limit=st.sampled_from([0xFFFF_FFFF, 2500]))
def test_repair_keeps_every_whole_frame(cut: int, patched: bool, limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.wav"
        writer = WavWriter(DiskFile(path), FORM, limit)
        writer.write(noise(400, seed=1))
        if patched:
            writer.patch()
        writer.write(noise(300, seed=2))
        whole = path.read_bytes()  # as a killed process leaves it: the head lags behind
        writer.close()
        path.write_bytes(whole[: max(0, len(whole) - cut)])
        whole_sound = np.concatenate([noise(400, seed=1), noise(300, seed=2)])
        expected = whole_sound[: (700 * 6 - cut) // 6] if cut <= 700 * 6 else None
        if expected is None:
            with pytest.raises(WavError):
                repair(path, limit)
            return
        repair(path, limit)
        np.testing.assert_array_equal(read(path), expected)
        assert layout(path).right
        assert not repair(path, limit), "nothing is left to repair"


class Stingy(DiskFile):
    """Takes a few bytes at a time, and none after ``room``."""

    def __init__(self, path: Path, room: int) -> None:
        super().__init__(path)
        self.room = room

    def write(self, data: bytes | memoryview, /) -> int | None:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = super().write(data[: min(self.room, 1000)])
        self.room -= taken or 0
        return taken


@pytest.mark.parametrize("room", range(1100, 1112))
def test_a_disk_that_fills_up_in_a_frame_leaves_whole_frames(tmp_path: Path, room: int) -> None:
    path = tmp_path / "a.wav"
    file = Stingy(path, room)
    writer = WavWriter(file, FORM)
    with pytest.raises(OSError, match="No space"):
        writer.write(noise(500))
    kept = writer.frames
    # Rewriting the head in place needs no new space.
    file.room = 10_000
    writer.close()
    np.testing.assert_array_equal(read(path), noise(500)[:kept])
    assert path.stat().st_size == len(FORM.head(0)) + 6 * kept
    assert len(FORM.head(0)) + 6 * kept <= room


def test_wrong_shapes_are_refused(tmp_path: Path) -> None:
    writer = WavWriter(DiskFile(tmp_path / "a.wav"), FORM)
    with pytest.raises(ValueError, match=r"\(N, 3\)"):
        writer.write(noise(10, 2))
    writer.close()


def soundfile_made(subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(10), 48_000, format="WAV", subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF\0\0\0\0AVI ",
        b"nothing of the kind, but long enough",
        FORM.head(0)[:-8],
        soundfile_made("FLOAT"),
        soundfile_made("PCM_24"),
        FORM.head(0)[:48] + FORM.head(0)[96:],
    ],
)
def test_what_is_no_wav_of_ours_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(WavError):
        layout(path)


def test_reading_stays_inside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    writer = WavWriter(DiskFile(path), FORM)
    writer.write(noise(50))
    writer.close()
    with WavReader(path) as reader:
        np.testing.assert_array_equal(reader.read(40, 100), noise(50)[40:])
        assert reader.read(60, 5).shape == (0, 3)
        np.testing.assert_array_equal(reader.read(-5, 2), noise(50)[:2])


@pytest.mark.skipif(sys.platform == "win32", reason="a file with holes takes its whole size there")
def test_four_gigabytes_and_more_are_repaired_and_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    writer = WavWriter(DiskFile(path), FORM)
    writer.write(noise(100))
    writer.close()
    frames = 800_000_000
    os.truncate(path, len(FORM.head(0)) + 6 * frames)  # a hole: takes no room on the disk
    assert repair(path)
    with soundfile.SoundFile(str(path)) as file:
        assert (file.format, len(file)) == ("RF64", frames)
        file.seek(frames - 5)
        assert file.read(10).shape == (5, 3)
    with WavReader(path) as reader:
        assert reader.frames == frames
        np.testing.assert_array_equal(reader.read(0, 100), noise(100))
    path.unlink()
