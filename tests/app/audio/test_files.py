"""Reading: every kind of file comes out as the same sound, and damage is told."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from app.audio.files import FileReader, read_sound
from app.core.errors import InputError
from tests.fakes.sounds import long_wav, question, tone, write_question


def no_notice(line: str) -> None:
    raise AssertionError(f"unexpected notice: {line}")


def read(path: Path, notice=no_notice):
    blocks = list(FileReader().blocks(path, notice))
    return (
        np.concatenate([block.at_16k for block in blocks]),
        np.concatenate([block.at_24k for block in blocks]),
    )


def close(sound, expected, level: float = 0.02) -> bool:
    """Whether two sounds are the same but for their edges and small errors."""
    if abs(len(sound) - len(expected)) > 4:
        return False
    count = min(len(sound), len(expected))
    return float(np.sqrt(np.mean((sound[:count] - expected[:count]) ** 2))) < level


@pytest.mark.parametrize(
    ("name", "rate_hz", "channels", "subtype"),
    [
        ("q.wav", 8_000, 1, "PCM_16"),
        ("q.wav", 16_000, 2, "PCM_16"),
        ("q.wav", 22_050, 1, "FLOAT"),
        ("q.wav", 44_100, 1, "PCM_U8"),
        ("q.wav", 48_000, 6, "PCM_24"),
        ("q.wav", 192_000, 2, "PCM_32"),
        ("q.wav", 24_000, 1, "DOUBLE"),
        ("q.wav", 8_000, 1, "ULAW"),
        ("q.flac", 96_000, 2, "PCM_24"),
        ("q.flac", 24_000, 1, "PCM_16"),
        ("q.ogg", 44_100, 2, None),
    ],
)
def test_every_kind_of_file_gives_the_same_sound(
    tmp_path: Path, name: str, rate_hz: int, channels: int, subtype: str | None
) -> None:
    at_16k, at_24k = read(write_question(tmp_path / name, rate_hz, channels, subtype))
    assert close(at_16k, question(16_000))
    assert close(at_24k, question(24_000))


def test_mp3_is_read(tmp_path: Path) -> None:
    at_16k, at_24k = read(write_question(tmp_path / "q.mp3", 44_100))
    assert np.abs(at_16k).max() == pytest.approx(0.3, abs=0.05)
    # The format pads both ends.
    assert 1.9 < len(at_24k) / 24_000 < 2.2


def test_channels_are_averaged(tmp_path: Path) -> None:
    sound = tone(0.5)
    soundfile.write(tmp_path / "q.wav", np.stack([sound, -sound], axis=1), 24_000)
    assert np.abs(read(tmp_path / "q.wav")[1]).max() < 1e-3


def test_hours_are_read_in_little_memory(tmp_path: Path) -> None:
    path = long_wav(tmp_path / "long.wav", 1800, 8_000, speech_at_s=1799.0 - 0.5)
    tracemalloc.start()
    loud = sum(float(np.abs(block.at_16k).sum()) for block in FileReader().blocks(path, no_notice))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert loud > 1000
    assert peak < 5_000_000


def test_a_few_broken_samples_are_silenced_and_told(tmp_path: Path) -> None:
    sound = question()
    sound[20_000], sound[20_010] = np.nan, np.inf
    soundfile.write(tmp_path / "q.wav", sound, 24_000, subtype="FLOAT")
    told: list[str] = []
    _, at_24k = read(tmp_path / "q.wav", told.append)
    assert np.isfinite(at_24k).all()
    assert len(told) == 1
    assert "silenced" in told[0]


def test_many_broken_samples_are_an_error(tmp_path: Path) -> None:
    sound = question()
    sound[10_000:20_000] = np.nan
    soundfile.write(tmp_path / "q.wav", sound, 24_000, subtype="FLOAT")
    with pytest.raises(InputError, match="not numbers"):
        read(tmp_path / "q.wav")


def test_a_cut_wav_is_told(tmp_path: Path) -> None:
    path = write_question(tmp_path / "q.wav")
    path.write_bytes(path.read_bytes()[:-24_000])
    with pytest.raises(InputError, match=r"cut short, 0\.5 s are missing"):
        read(path)


def test_a_cut_flac_is_told(tmp_path: Path) -> None:
    path = tmp_path / "q.flac"
    noise = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    soundfile.write(path, noise, 24_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cut short|damaged"):
        read(path)


@pytest.mark.parametrize("length", [0, 0xFFFF_FFFF, 0x7FFF_FFFF])
def test_a_wav_of_unknown_length_is_read(tmp_path: Path, length: int) -> None:
    path = write_question(tmp_path / "q.wav", subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", length)
    path.write_bytes(data)
    if length:
        assert close(read(path)[1], question())
    else:
        with pytest.raises(InputError, match="holds no sound"):
            read(path)


@pytest.mark.parametrize("keep", [3, 11, 20, 43])
def test_a_cut_head_is_told(tmp_path: Path, keep: int) -> None:
    path = write_question(tmp_path / "q.wav")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError):
        read(path)


def test_no_sound_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("This is a letter, not a sound.\n" * 50)
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 24_000)
    for name, reason in [
        ("text.wav", "not a sound file"),
        ("empty.wav", "is empty"),
        ("none.wav", "holds no sound"),
        ("missing.wav", "no file"),
        (".", "is a folder"),
    ]:
        with pytest.raises(InputError, match=reason):
            read(tmp_path / name)


def test_context_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = write_question(tmp_path / "q.wav", 48_000)
    assert len(read_sound(path, no_notice, limit_s=1.25)) == 30_000
