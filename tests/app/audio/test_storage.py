"""Writing: whole or not at all for text, all that was made for sound, one sentence for failures."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import soundfile

from app.audio.storage import DiskStorage
from app.core.errors import OutputError
from tests.fakes.parts import FullDisk
from tests.fakes.sounds import question


def test_sound_is_written_and_appears_when_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    sink = DiskStorage().sound(path, 24_000)
    for part in np.array_split(question(), 7):
        sink.write(part)
    assert not path.exists()
    sink.close()
    sink.close()
    sound, rate = soundfile.read(path, dtype="float32")
    assert rate == 24_000
    assert np.abs(sound - question()).max() < 1e-4
    assert list(tmp_path.iterdir()) == [path]


def test_values_beyond_one_are_clipped(tmp_path: Path) -> None:
    sink = DiskStorage().sound(tmp_path / "a.wav", 24_000)
    sink.write(np.array([2.0, -2.0], np.float32))
    sink.close()
    assert soundfile.read(tmp_path / "a.wav", dtype="int16")[0].tolist() == [32767, -32767]


def test_a_full_disk_keeps_the_sound_written_before(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    sink = DiskStorage(FullDisk(44 + 10_000)).sound(path, 24_000)
    sink.write(question()[:4_000])
    with pytest.raises(OutputError, match="disk is full"):
        sink.write(question()[4_000:12_000])
    sink.close()
    sound, _ = soundfile.read(path, dtype="float32")
    assert len(sound) == 5_000
    assert np.abs(sound - question()[:5_000]).max() < 1e-4


def test_a_full_disk_leaves_the_old_text(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    DiskStorage().text(path, "old")
    with pytest.raises(OutputError, match="disk is full"):
        DiskStorage(FullDisk(3)).text(path, "new text")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EACCES, "no permission"),
        (errno.EROFS, "no permission"),
        (errno.EDQUOT, "disk is full"),
        (errno.EIO, "cannot be written"),
    ],
)
def test_failures_are_told(tmp_path: Path, number: int, sentence: str) -> None:
    with pytest.raises(OutputError, match=sentence):
        DiskStorage(FullDisk(0, number)).sound(tmp_path / "a.wav", 24_000)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="in its way"):
        DiskStorage().folder(tmp_path / "file" / "sub")


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    DiskStorage().folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
