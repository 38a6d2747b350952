"""The shipped speech model: whole, small enough, stops by itself, and the codec that transformers reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.generator import SpeechEngine
from engine.training.csm.export import MOST_BYTES
from engine.types import Ended
from engine.voice import load_voice

ASSETS = Path(__file__).resolve().parents[3] / "assets"
MODEL = ASSETS / "nano" / "csm"
VOICES = sorted(path for path in (ASSETS / "voices").iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def engine() -> SpeechEngine:
    return SpeechEngine.load(MODEL, device="cpu", threads=1)


def test_no_file_is_too_large_and_there_are_two_voices() -> None:
    assert all(path.stat().st_size <= MOST_BYTES for path in MODEL.iterdir())
    assert len(VOICES) >= 2


@pytest.mark.parametrize("folder", VOICES, ids=lambda folder: folder.name)
def test_every_voice_speaks_a_sentence_of_plausible_length_and_stops(
    engine: SpeechEngine, folder: Path
) -> None:
    conversation = engine.conversation(load_voice(folder))
    sound = np.concatenate([frame.samples for frame in conversation.speak("How are you today?")])
    assert conversation.report is not None and conversation.report.ended is Ended.EOS
    assert 0.7 < len(sound) / 24_000 < 2.5
    assert 0.01 < np.abs(sound).max() <= 1.5


def test_the_encoder_never_gives_code_zero(engine: SpeechEngine) -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 24_000).astype(np.float32)
    for sound in (noise, np.zeros(24_000, np.float32), load_voice(VOICES[0]).prompt.audio):
        assert sound is not None
        assert engine.codec.encode(sound).min() >= 1


def test_transformers_decodes_the_shipped_codes_to_the_same_sound(engine: SpeechEngine) -> None:
    from transformers import CsmForConditionalGeneration

    whole: Any = CsmForConditionalGeneration.from_pretrained(MODEL, dtype=torch.float32)
    peer = whole.eval().codec_model
    audio = load_voice(VOICES[0]).prompt.audio
    assert audio is not None
    codes = engine.codec.encode(audio)
    with torch.no_grad():
        theirs = peer.decode(torch.from_numpy(codes.T.copy())[None]).audio_values[0, 0].numpy()
        frames = torch.from_numpy(np.pad(audio, (0, -len(audio) % 1920)))[None, None]
        their_codes = peer.encode(frames).audio_codes[0].T.numpy()
    ours = engine.codec.decode(codes)
    assert np.abs(ours - theirs[: len(ours)]).max() < 1e-4
    assert (their_codes == codes).mean() > 0.99
