"""Voices on disk: a folder with a short recording, its transcript and a note of consent.

``prompt.wav`` or ``prompt.flac`` (any rate, channels are mixed), ``prompt.txt`` (the words in it) and
``voice.json`` (``{"name", "text", "speaker", "consent"}``, all optional; ``text`` instead of the words).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import VoiceError
from engine.types import FloatArray, Segment, Voice

LONGEST_PROMPT_S = 30.0
_LAST_SPEAKER = 9


def load_voice(folder: Path, sample_rate_hz: int = 24_000) -> Voice:
    """Read a voice folder; the prompt comes back mono at ``sample_rate_hz``.

    Raises:
        VoiceError: when a part is missing, unreadable, silent or longer than 30 s.
    """
    if not folder.is_dir():
        raise VoiceError(f"There is no voice folder at {folder}: check its name.")
    about = _about(folder)
    recordings = [folder / f"prompt{suffix}" for suffix in (".flac", ".wav")]
    recording = next((path for path in recordings if path.is_file()), None)
    if recording is None:
        raise VoiceError(
            f"The voice in {folder} has no prompt.wav or prompt.flac: add a recording."
        )
    text = str(about.get("text") or _words(folder / "prompt.txt")).strip()
    if not text:
        raise VoiceError(f"The voice in {folder} has no transcript: write its words to prompt.txt.")
    return Voice(
        name=str(about.get("name") or folder.name),
        prompt=Segment(
            speaker=_speaker(about.get("speaker", 0), folder),
            text=text,
            audio=_read_mono(recording, sample_rate_hz),
        ),
        consent=str(about.get("consent", "")),
    )


def _words(path: Path) -> str:
    if not path.is_file():
        return ""
    try:
        return path.read_text("utf-8-sig")  # Windows' editors begin a text with a mark
    except (OSError, ValueError) as error:
        raise VoiceError(f"{path} cannot be read ({error}): save its words as UTF-8.") from error


def _speaker(number: object, folder: Path) -> int:
    if not isinstance(number, int) or not 0 <= number <= _LAST_SPEAKER:
        raise VoiceError(
            f"The speaker in {folder / 'voice.json'} must be a number from 0 to {_LAST_SPEAKER}: "
            "correct or remove it."
        )
    return number


def _about(folder: Path) -> dict[str, Any]:
    path = folder / "voice.json"
    if not path.is_file():
        return {}
    try:
        about = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise VoiceError(f"{path} is not readable JSON ({error}): repair or remove it.") from error
    if not isinstance(about, dict):
        raise VoiceError(f"{path} must hold a JSON object: repair or remove it.")
    return about  # pyright: ignore[reportUnknownVariableType]  (JSON)


def _read_mono(path: Path, sample_rate_hz: int) -> FloatArray:
    import soundfile
    import soxr

    try:
        samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise VoiceError(f"{path} cannot be read as sound ({error}): replace it.") from error
    mono = samples.mean(axis=1, dtype=np.float32)
    if not mono.size or not np.isfinite(mono).all() or float(np.abs(mono).max()) < 1e-4:
        raise VoiceError(f"{path} holds no usable sound: record the voice again.")
    if len(mono) > LONGEST_PROMPT_S * rate:
        raise VoiceError(f"{path} is longer than {LONGEST_PROMPT_S:.0f} s: use a shorter prompt.")
    if rate != sample_rate_hz:
        mono = soxr.resample(mono, rate, sample_rate_hz)
    mono = mono / max(1.0, float(np.abs(mono).max(initial=0.0)))  # floats may be recorded louder
    return np.ascontiguousarray(mono, dtype=np.float32)
