"""Writing a trained speech model as a pack: the model folder and the folders of its voices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import soundfile
import torch

from engine.csm.model import CsmModel
from engine.mimi.codec import MimiCodec, transformers_state
from engine.training.csm.text import BOS_ID, EOS_ID, write_tokenizer
from engine.training.errors import TrainingError
from engine.training.espeak import Espeak
from engine.training.speech import ASSISTANTS, SAMPLE_RATE_HZ, render
from engine.weights.export import save_transformers

GENERATION: Mapping[str, object] = {
    "bos_token_id": BOS_ID,
    "pad_token_id": EOS_ID,
    "do_sample": False,
    "temperature": 0.3,
    "top_k": 50,
    "depth_decoder_do_sample": False,
    "depth_decoder_temperature": 0.3,
    "max_new_tokens": 375,
}
"""Greedy everywhere: after training with a corrupted history it is as good as sampling, and repeatable.

The temperatures are what to use where sampling is switched on.
"""

PROMPTS: Mapping[str, str] = {
    "nova": "Good morning, it is lovely to hear from you again.",
    "atlas": "Let me think about that for a moment, please.",
}
"""What the shipped voices say in their prompts."""

MOST_BYTES = 25_000_000


def export_model(model: CsmModel, codec: MimiCodec, folder: Path) -> Path:
    """Write config, weights (fp16, codec bundled), tokenizer and generation defaults into `folder`."""
    state = {name: tensor.half() for name, tensor in transformers_state(codec).items()}
    path = save_transformers(
        model,
        model.config,
        folder,
        dtype=torch.float16,
        codec_tensors=state,
        generation=GENERATION,
    )
    write_tokenizer(folder / "tokenizer.json")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise TrainingError(
            f"The model file has {size / 1e6:.1f} MB and may have 25: choose a smaller shape."
        )
    return path


def export_voices(folder: Path) -> None:
    """Write a folder per assistant: prompt.flac, prompt.txt and voice.json."""
    espeak = Espeak()
    for name, voice in ASSISTANTS.items():
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        spoken = render(espeak, PROMPTS[name], voice)
        soundfile.write(place / "prompt.flac", spoken.samples, SAMPLE_RATE_HZ, subtype="PCM_16")
        (place / "prompt.txt").write_text(PROMPTS[name] + "\n", encoding="utf-8")
        about = {
            "name": name,
            "speaker": 0,
            "consent": "synthetic: rendered by espeak-ng, no person's voice",
        }
        (place / "voice.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
