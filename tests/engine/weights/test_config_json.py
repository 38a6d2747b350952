"""``config.json`` of every kind that is about, read to the right sizes and written back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from transformers import CsmConfig as TheirConfig

from engine.config import CSM_1B, CSM_NANO, CsmConfig, tiny
from engine.nn.rope import frequencies
from engine.weights.config_read import read_config
from engine.weights.config_write import original_config, transformers_config

SHORT: dict[str, object] = {
    "audio_num_codebooks": 32,
    "audio_vocab_size": 2051,
    "backbone_flavor": "llama-1B",
    "decoder_flavor": "llama-100M",
    "text_vocab_size": 128256,
}
ROPE: dict[str, object] = {
    "factor": 32.0,
    "high_freq_factor": 0.5,
    "low_freq_factor": 0.125,
    "original_max_position_embeddings": 1024,
    "rope_type": "llama3",
}
DEPTH_ROPE: dict[str, object] = {
    **ROPE,
    "high_freq_factor": 0.0078125,
    "low_freq_factor": 0.001953125,
    "original_max_position_embeddings": 16,
}


def read(values: dict[str, object]) -> CsmConfig:
    config = read_config(values, "somewhere")
    assert config is not None
    return config


def test_the_originals_short_file_is_csm_1b() -> None:
    assert read(SHORT) == CSM_1B
    assert original_config(CSM_1B) == SHORT
    assert len(json.dumps(SHORT, indent=2)) == 155  # the published file has 155 bytes


def test_unknown_flavors_leave_the_sizes_to_the_tensors() -> None:
    assert read_config({**SHORT, "backbone_flavor": "llama-9000B"}, "x") is None


def test_sizes_without_a_flavor_have_no_short_file() -> None:
    assert original_config(CSM_NANO) is None


@pytest.mark.parametrize("style", ["4", "5"])
def test_transformers_file_of_either_generation_is_csm_1b(style: str) -> None:
    def rope(values: dict[str, object]) -> dict[str, object]:
        if style == "4":
            return {"rope_theta": 500000, "rope_scaling": values}
        return {"rope_parameters": {**values, "rope_theta": 500000.0}}

    values: dict[str, object] = {
        "model_type": "csm",
        **rope(ROPE),
        "depth_decoder_config": {"model_type": "csm_depth_decoder_model", **rope(DEPTH_ROPE)},
        "codec_config": {"model_type": "mimi"},
    }
    config = read(values)
    assert config.name == "csm-1b"  # recognised although the rotary rule is numbered otherwise
    for got, expected in ((config.backbone, CSM_1B.backbone), (config.depth, CSM_1B.depth)):
        assert replace(got, rope_scaling=None) == replace(expected, rope_scaling=None)
        mine = frequencies(got.head_dim, got.rope_base, got.rope_scaling)
        assert mine.equal(frequencies(expected.head_dim, expected.rope_base, expected.rope_scaling))
    assert (config.text_vocab, config.audio_vocab, config.codebooks) == (128_256, 2051, 32)
    assert config.mimi == CSM_1B.mimi


def test_no_scaling_stays_no_scaling() -> None:
    config = read(TheirConfig().to_dict())
    assert config.backbone.rope_scaling is None
    assert config.depth.rope_scaling is None


def test_null_kv_heads_mean_as_many_as_query_heads() -> None:
    values = {**transformers_config(tiny()), "num_key_value_heads": None}
    assert read(values).backbone.kv_heads == 6


@pytest.mark.parametrize("config", [CSM_1B, CSM_NANO, tiny(), tiny(template_space=True)])
def test_written_files_read_back(config: CsmConfig) -> None:
    values = json.loads(json.dumps(transformers_config(config)))
    again = read(values)
    assert again.template_space == config.template_space
    assert again.mimi == config.mimi
    for got, expected in ((again.backbone, config.backbone), (again.depth, config.depth)):
        assert replace(got, rope_scaling=None) == replace(expected, rope_scaling=None)
        mine = frequencies(got.head_dim, got.rope_base, got.rope_scaling)
        assert mine.equal(frequencies(expected.head_dim, expected.rope_base, expected.rope_scaling))


@pytest.mark.parametrize("config", [CSM_1B, CSM_NANO, tiny()])
@pytest.mark.parametrize("generation", [4, 5])
def test_written_files_are_what_transformers_understands(config: CsmConfig, generation) -> None:
    values: dict[str, Any] = transformers_config(config)
    dropped = "rope_parameters" if generation == 4 else "rope_scaling"
    values.pop(dropped)
    theirs: Any = TheirConfig(**values)
    assert theirs.num_codebooks == config.codebooks
    assert theirs.vocab_size == config.audio_vocab
    assert theirs.text_vocab_size == config.text_vocab
    assert theirs.rope_parameters["original_max_position_embeddings"] < 2048
    for sizes, section in (
        (config.backbone, theirs),
        (config.depth, theirs.depth_decoder_config),
    ):
        assert section.hidden_size == sizes.width
        assert section.intermediate_size == sizes.ffn
        assert section.num_hidden_layers == sizes.layers
        assert section.num_key_value_heads == sizes.kv_heads
        assert section.head_dim == sizes.head_dim
        assert section.max_position_embeddings == sizes.max_positions
        assert section.rope_parameters["rope_theta"] == sizes.rope_base
        assert section.rope_parameters["rope_type"] == "llama3"
    assert theirs.codec_config.frame_size == config.mimi.frame_samples
    assert theirs.codec_config.codebook_size == config.mimi.codebook_size
