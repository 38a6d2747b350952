"""From trained weights to the folder that faster-whisper loads: rename, save as transformers',
convert, int8.

The training aids are left behind. Nothing is downloaded. Knows no training.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.training.whisper.config import (
    FFT_SAMPLES,
    HOP_SAMPLES,
    MEL_BANDS,
    SAMPLE_RATE_HZ,
    Shape,
)
from engine.training.whisper.model import sinusoids
from engine.training.whisper.text import TextTokenizer

COPIED = ["tokenizer.json", "preprocessor_config.json"]


def export(state: Mapping[str, Tensor], shape: Shape, tokenizer: TextTokenizer, out: Path) -> None:
    """Write the CTranslate2 folder `out` (int8) from weights under the names of `Recogniser`."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        write_transformers(state, shape, tokenizer, source)
        _convert(source, out)


def write_transformers(
    state: Mapping[str, Tensor], shape: Shape, tokenizer: TextTokenizer, folder: Path
) -> None:
    """Save the network as transformers' WhisperForConditionalGeneration with its tokenizer and
    feature settings.
    """
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    special: dict[str, Any] = {
        "bos_token_id": tokenizer.eot,
        "eos_token_id": tokenizer.eot,
        "pad_token_id": tokenizer.eot,
        "decoder_start_token_id": tokenizer.sot,
    }
    config = WhisperConfig(
        vocab_size=tokenizer.size,
        num_mel_bins=MEL_BANDS,
        d_model=shape.width,
        encoder_layers=shape.encoder_layers,
        encoder_attention_heads=shape.heads,
        encoder_ffn_dim=shape.feed_forward,
        decoder_layers=shape.decoder_layers,
        decoder_attention_heads=shape.heads,
        decoder_ffn_dim=shape.feed_forward,
        max_source_positions=shape.max_positions,
        max_target_positions=shape.max_tokens,
        **special,
    )
    network: Any = WhisperForConditionalGeneration(config)
    missing, unexpected = network.load_state_dict(transformers_names(state, shape), strict=False)
    assert not unexpected, unexpected
    assert set(missing) <= {"proj_out.weight"}, missing
    network.tie_weights()
    network.generation_config = GenerationConfig(
        suppress_tokens=[],
        # Not end-of-text, as Whisper has it: silence must be able to give an empty transcript.
        begin_suppress_tokens=[tokenizer.space],
        no_timestamps_token_id=tokenizer.no_timestamps,
        alignment_heads=[[shape.decoder_layers - 1, h] for h in range(shape.guided_heads)],
        lang_to_id={},
        **special,
    )
    network.save_pretrained(folder)
    _write_text_files(tokenizer, folder)


def transformers_names(state: Mapping[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """Our weights under transformers' names."""
    renamed = {
        "model.encoder.embed_positions.weight": sinusoids(shape.max_positions, shape.width),
        "model.decoder.embed_positions.weight": state["token_positions"],
        "model.decoder.embed_tokens.weight": state["tokens.weight"],
    }
    for side, count in (("encoder", shape.encoder_layers), ("decoder", shape.decoder_layers)):
        renamed |= _moved(state, f"{side}_norm", f"model.{side}.layer_norm")
        for index in range(count):
            ours, theirs = f"{side}.{index}", f"model.{side}.layers.{index}"
            renamed |= _moved(state, f"{ours}.norm", f"{theirs}.self_attn_layer_norm")
            renamed |= _attention(state, f"{ours}.attention", f"{theirs}.self_attn")
            if side == "decoder":
                renamed |= _moved(state, f"{ours}.cross_norm", f"{theirs}.encoder_attn_layer_norm")
                renamed |= _attention(state, f"{ours}.cross", f"{theirs}.encoder_attn")
            renamed |= _moved(state, f"{ours}.feed_forward.norm", f"{theirs}.final_layer_norm")
            renamed |= _moved(state, f"{ours}.feed_forward.widen", f"{theirs}.fc1")
            renamed |= _moved(state, f"{ours}.feed_forward.narrow", f"{theirs}.fc2")
    for name in ("conv1", "conv2"):
        renamed |= _moved(state, name, f"model.encoder.{name}")
    return renamed


def _moved(state: Mapping[str, Tensor], ours: str, theirs: str) -> dict[str, Tensor]:
    parts = ("weight", "bias")
    return {f"{theirs}.{p}": state[f"{ours}.{p}"] for p in parts if f"{ours}.{p}" in state}


def _attention(state: Mapping[str, Tensor], ours: str, theirs: str) -> dict[str, Tensor]:
    names = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "out": "out_proj"}
    moved: dict[str, Tensor] = {}
    for mine, other in names.items():
        moved |= _moved(state, f"{ours}.{mine}", f"{theirs}.{other}")
    return moved


def _write_text_files(tokenizer: TextTokenizer, folder: Path) -> None:
    tokenizer.save(folder / "tokenizer.json")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|endoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": False,
    }
    features = {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": MEL_BANDS,
        "sampling_rate": SAMPLE_RATE_HZ,
        "hop_length": HOP_SAMPLES,
        "n_fft": FFT_SAMPLES,
        "chunk_length": 30,
    }
    _write_json(folder / "tokenizer_config.json", settings)
    _write_json(folder / "preprocessor_config.json", features)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _convert(source: Path, out: Path) -> None:
    from ctranslate2.converters import TransformersConverter

    out.parent.mkdir(parents=True, exist_ok=True)
    converter = TransformersConverter(str(source), copy_files=COPIED)
    converter.convert(str(out), quantization="int8", force=True)
