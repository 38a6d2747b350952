"""Voice folders: what is read, and what each broken one says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.errors import VoiceError
from engine.voice import load_voice


def _folder(tmp_path: Path, *, rate: int = 24_000, seconds: float = 1.0, channels: int = 1) -> Path:
    tone = 0.3 * np.sin(np.arange(int(rate * seconds)) * 2 * np.pi * 220 / rate)
    folder = tmp_path / "anna"
    folder.mkdir()
    soundfile.write(folder / "prompt.flac", np.stack([tone] * channels, 1), rate)
    (folder / "prompt.txt").write_text("This is my voice.\n")
    return folder


def test_prompt_comes_back_mono_at_the_engine_rate(tmp_path: Path) -> None:
    voice = load_voice(_folder(tmp_path, rate=44_100, channels=2))
    assert voice.name == "anna"
    assert voice.prompt.text == "This is my voice."
    assert voice.prompt.audio is not None
    assert voice.prompt.audio.dtype == np.float32
    assert abs(len(voice.prompt.audio) - 24_000) <= 2
    crossings = np.count_nonzero(np.diff(np.signbit(voice.prompt.audio)))
    assert abs(crossings - 440) <= 4  # still 220 Hz: resampled, not reinterpreted


def test_voice_json_names_the_voice_and_its_speaker(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "voice.json").write_text('{"name": "Anna", "speaker": 2, "consent": "synthetic"}')
    voice = load_voice(folder)
    assert (voice.name, voice.prompt.speaker, voice.consent) == ("Anna", 2, "synthetic")


def test_texts_that_begin_with_a_mark_are_read_without_it(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "voice.json").write_text('{"name": "Anna"}', "utf-8-sig")
    (folder / "prompt.txt").write_text("This is my voice.", "utf-8-sig")
    voice = load_voice(folder)
    assert (voice.name, voice.prompt.text) == ("Anna", "This is my voice.")


def test_a_recording_in_floats_that_is_too_loud_is_turned_down(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "prompt.flac").unlink()
    tone = np.sin(np.arange(24_000) / 9)
    soundfile.write(folder / "prompt.wav", 2.5 * tone, 24_000, subtype="FLOAT")
    audio = load_voice(folder).prompt.audio
    assert audio is not None and np.allclose(audio, tone, atol=1e-4)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "prompt.flac").unlink(), r"no prompt\.wav or prompt\.flac"),
        (lambda f: (f / "prompt.txt").unlink(), "no transcript"),
        (lambda f: (f / "prompt.flac").write_bytes(b"not sound"), "cannot be read as sound"),
        (lambda f: (f / "voice.json").write_text("{"), "not readable JSON"),
        (lambda f: (f / "voice.json").write_text("[" * 100_000), "not readable JSON"),
        (lambda f: (f / "voice.json").write_text("[]"), "JSON object"),
        (lambda f: (f / "voice.json").write_text('{"speaker": "anna"}'), "number from 0 to 9"),
        (lambda f: (f / "voice.json").write_text('{"speaker": 1e999}'), "number from 0 to 9"),
        (lambda f: (f / "prompt.txt").write_bytes("Grüße".encode("latin-1")), "as UTF-8"),
        (
            lambda f: soundfile.write(f / "prompt.flac", np.zeros(24_000), 24_000),
            "no usable sound",
        ),
        (
            lambda f: soundfile.write(f / "prompt.flac", np.full(31 * 8000, 0.1), 8000),
            "longer than 30 s",
        ),
    ],
)
def test_a_broken_folder_says_what_is_wrong(tmp_path: Path, damage: object, message: str) -> None:
    folder = _folder(tmp_path)
    assert callable(damage)
    damage(folder)
    with pytest.raises(VoiceError, match=message):
        load_voice(folder)


def test_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(VoiceError, match="no voice folder"):
        load_voice(tmp_path / "nobody")
