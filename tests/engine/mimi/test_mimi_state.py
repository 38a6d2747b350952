"""Weights and sizes: as transformers has them, as Kyutai has them, and what is wrong with a bad file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor

from engine.config import MIMI, MIMI_NANO, MimiConfig, tiny
from engine.errors import ModelError
from engine.mimi.codec import MimiCodec, transformers_state
from engine.mimi.config_json import mimi_config_from_json, mimi_config_json
from engine.types import FloatArray

GROUPED = replace(tiny().mimi, heads=4, kv_heads=2, residual_layers=2, codebooks=3)


@pytest.fixture(scope="module")
def peer(codec: MimiCodec, config: MimiConfig, tmp_path_factory: pytest.TempPathFactory):
    """transformers' MimiModel with our weights, through our export, strictly loaded."""
    folder = tmp_path_factory.mktemp("mimi")
    save_file(transformers_state(codec), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(mimi_config_json(config)))
    model, report = transformers.MimiModel.from_pretrained(  # type: ignore[misc]
        folder, output_loading_info=True
    )
    assert not any(report.values()), report
    return model.eval()


def test_transformers_hears_the_same(codec: MimiCodec, peer, sound: FloatArray) -> None:
    with torch.inference_mode():
        theirs = peer.encode(torch.from_numpy(sound)[None, None]).audio_codes[0].T.numpy()
    np.testing.assert_array_equal(codec.encode(sound), theirs)


def test_transformers_says_the_same(codec: MimiCodec, peer, sound: FloatArray) -> None:
    codes = codec.encode(sound)
    with torch.inference_mode():
        theirs = peer.decode(torch.from_numpy(codes.T.copy())[None]).audio_values[0, 0].numpy()
    np.testing.assert_allclose(codec.decode(codes), theirs, atol=1e-4)


@pytest.mark.parametrize("prefix", ["", "codec_model."])
def test_file_of_transformers_is_read(
    codec: MimiCodec, config: MimiConfig, peer, sound: FloatArray, tmp_path: Path, prefix: str
) -> None:
    from safetensors.torch import load_file

    peer.save_pretrained(tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    tensors = {prefix + name: tensor for name, tensor in saved.items()}
    if prefix:
        tensors["lm_head.weight"] = torch.zeros(2, 2)
    assert_sounds_alike(codec, loaded(config, tensors), sound)


def test_running_model_of_transformers_is_read(
    codec: MimiCodec, config: MimiConfig, peer, sound: FloatArray
) -> None:
    assert_sounds_alike(codec, loaded(config, peer.state_dict()), sound)


def test_kyutai_names_are_read(codec: MimiCodec, config: MimiConfig, sound: FloatArray) -> None:
    tensors = {
        name.replace("in_projs.0.weight", "in_proj_weight").replace("out_projs.0.", "out_proj."): t
        for name, t in codec.model.state_dict().items()
    }
    assert any("in_proj_weight" in name for name in tensors)
    assert_sounds_alike(codec, loaded(config, tensors), sound)


def test_grouped_keys_and_deeper_blocks_survive_the_round_trip() -> None:
    source = MimiCodec(GROUPED)
    target = loaded(GROUPED, transformers_state(source))
    for name, tensor in source.model.state_dict().items():
        torch.testing.assert_close(target.model.state_dict()[name], tensor, rtol=0, atol=0)


def test_fewer_codebooks_than_in_the_file(
    codec: MimiCodec, config: MimiConfig, sound: FloatArray
) -> None:
    fewer = loaded(replace(config, codebooks=2), transformers_state(codec))
    np.testing.assert_array_equal(fewer.encode(sound), codec.encode(sound)[:, :2])


def test_second_load_replaces_the_first(
    codec: MimiCodec, config: MimiConfig, sound: FloatArray
) -> None:
    other = MimiCodec(config)
    other.decode(codec.encode(sound))  # codebooks are now cached inside the modules
    other.load_state(transformers_state(codec))
    assert_sounds_alike(codec, other, sound)


def test_half_precision_is_read(codec: MimiCodec, config: MimiConfig) -> None:
    halves = {name: tensor.bfloat16() for name, tensor in transformers_state(codec).items()}
    target = loaded(config, halves)
    assert {tensor.dtype for tensor in target.model.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize(
    "name",
    [
        "encoder.layers.4.block.1.conv.weight",
        "decoder_transformer.layers.1.self_attn.k_proj.weight",
        "quantizer.acoustic_residual_vector_quantizer.layers.2.codebook.embed_sum",
        "upsample.conv.weight",
    ],
)
@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (lambda state, name: state.pop(name), "lack the tensor '{}'"),
        (lambda state, name: state.update({name: state[name][1:]}), "'{}' has shape "),
    ],
    ids=["missing", "misshapen"],
)
def test_bad_tensor_is_named(
    codec: MimiCodec,
    config: MimiConfig,
    name: str,
    harm: Callable[[dict[str, Tensor], str], None],
    complaint: str,
) -> None:
    state = transformers_state(codec)
    harm(state, name)
    with pytest.raises(ModelError, match=re.escape(complaint.format(name))):
        loaded(config, state)


def test_more_layers_than_configured_are_not_dropped_silently(codec: MimiCodec) -> None:
    shallow = replace(codec.config, layers=1)
    with pytest.raises(ModelError, match=re.escape("transformer.layers.1.")):
        loaded(shallow, transformers_state(codec))


def test_other_weights_are_recognised_as_such(config: MimiConfig) -> None:
    with pytest.raises(ModelError, match="no Mimi codec weights"):
        loaded(config, {"model.embed_tokens.weight": torch.zeros(2, 2)})


@pytest.mark.parametrize("sizes", [MIMI, MIMI_NANO, GROUPED])
def test_sizes_survive_json(sizes: MimiConfig) -> None:
    assert mimi_config_from_json(json.loads(json.dumps(mimi_config_json(sizes)))) == sizes


@pytest.mark.parametrize("sizes", [MIMI, MIMI_NANO])
def test_sizes_are_read_as_transformers_writes_them(sizes: MimiConfig) -> None:
    theirs = transformers.MimiConfig(**mimi_config_json(sizes))
    assert theirs.frame_rate == sizes.frame_rate_hz
    assert mimi_config_from_json(json.loads(theirs.to_json_string())) == sizes


def test_older_files_keep_the_rotary_base_at_the_top() -> None:
    values = mimi_config_json(MIMI)
    del values["rope_parameters"], values["frame_rate"]
    values["rope_theta"] = 5000.0
    assert mimi_config_from_json(values) == replace(MIMI, rope_base=5000.0)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"model_type": "encodec"}, "'encodec'"),
        ({"use_causal_conv": False}, "use_causal_conv"),
        ({"hidden_size": "512"}, "hidden_size = '512'"),
        ({"codebook_size": 0}, "codebook_size = 0"),
        ({"upsampling_ratios": 8}, "upsampling_ratios"),
        ({"upsampling_ratios": [8, 6]}, "frames per second"),
        ({"num_attention_heads": 7}, "divide"),
        ({"vector_quantization_hidden_dimension": 3}, "vector_quantization_hidden_dimension = 3"),
    ],
)
def test_other_codecs_are_refused(change: dict[str, object], complaint: str) -> None:
    values = mimi_config_json(MIMI) | {"head_dim": None} | change
    with pytest.raises(ModelError, match=re.escape(complaint)):
        mimi_config_from_json(values)


def loaded(config: MimiConfig, tensors: dict[str, Tensor]) -> MimiCodec:
    codec = MimiCodec(config)
    codec.load_state(tensors)
    return codec


def assert_sounds_alike(one: MimiCodec, two: MimiCodec, sound: FloatArray) -> None:
    codes = one.encode(sound)
    np.testing.assert_array_equal(two.encode(sound), codes)
    np.testing.assert_allclose(two.decode(codes), one.decode(codes), atol=1e-6)
