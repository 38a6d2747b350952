"""Our wrapper of Silero against faster-whisper's own, and what it makes of speech and noise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import ModelMissingError
from app.listening.vad import SileroVad, bundled_model
from app.settings import paths
from tests.fakes.sounds import tone

ROOT = Path(__file__).resolve().parents[3]


def sample() -> np.ndarray:
    from app.audio.files import FileReader

    path = paths.samples() / "question-2.flac"
    parts = [block.at_16k for block in FileReader().blocks(path, lambda line: None)]
    sound = np.concatenate(parts)
    return sound[: len(sound) // 512 * 512].reshape(-1, 512)


def test_probabilities_are_those_of_faster_whisper() -> None:
    from faster_whisper.vad import SileroVADModel

    windows = sample()
    ours = SileroVad().probabilities(windows)
    theirs = SileroVADModel(str(bundled_model()))(windows.reshape(-1).copy())
    assert np.abs(ours - np.asarray(theirs).reshape(-1)).max() < 1e-5


def test_state_is_carried_from_call_to_call_and_forgotten_on_reset() -> None:
    windows, vad = sample(), SileroVad()
    whole = vad.probabilities(windows)
    vad.reset()
    pieces = [vad.probabilities(windows[i : i + 5]) for i in range(0, len(windows), 5)]
    assert np.abs(np.concatenate(pieces) - whole).max() < 1e-5


def test_speech_is_likely_and_noise_and_silence_are_not() -> None:
    vad = SileroVad()
    assert vad.probabilities(sample()).max() > 0.9
    noise = np.random.default_rng(0).normal(0, 0.05, (60, 512)).astype(np.float32)
    for quiet in (
        np.zeros((60, 512), np.float32),
        noise,
        tone(2.0, 16_000)[:30_720].reshape(-1, 512),
    ):
        vad.reset()
        assert vad.probabilities(quiet).max() < 0.5


def test_no_windows_give_no_probabilities() -> None:
    assert len(SileroVad().probabilities(np.zeros((0, 512), np.float32))) == 0


def test_a_damaged_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "vad.onnx").write_bytes(b"no model")
    with pytest.raises(ModelMissingError):
        SileroVad(tmp_path / "vad.onnx").load()


def test_listening_leaves_nothing_to_be_reported(tmp_path: Path) -> None:
    """onnxruntime numbers the machine and keeps reports in the user's cache unless told not to."""
    code = "from app.listening.vad import SileroVad; SileroVad().load()"
    surroundings = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    del surroundings["ORT_DISABLE_TELEMETRY"]
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=surroundings, check=True)
    assert list(tmp_path.iterdir()) == []
