"""Everything that is not a whole CSM is refused with one sentence that says what it is."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from engine.config import tiny
from engine.csm.model import CsmModel
from engine.errors import ModelError
from engine.weights import load_csm, save_original, save_transformers

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    save_transformers(CsmModel(tiny()), tiny(), folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def refusal(path: Path) -> str:
    """The message; one sentence, without a line break, naming the place."""
    with pytest.raises(ModelError) as caught:
        load_csm(path, device=torch.device("cpu"), dtype=torch.float32)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def edit_state(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    state = load_file(folder / WEIGHTS)
    change(state)
    save_file(state, folder / WEIGHTS)


def edit_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def edit_depth(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["depth_decoder_config"].update(values)
    path.write_text(json.dumps(config))


def only(folder: Path, name: str, content: bytes) -> Path:
    """A folder with nothing but one file in it."""
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / name).write_bytes(content)
    return folder


def test_missing_path(tmp_path) -> None:
    assert "There is no model at" in refusal(tmp_path / "nowhere")


def test_empty_folder(tmp_path) -> None:
    assert "holds no model" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["ckpt.pt", "model.pth", "pytorch_model.bin", "last.ckpt"])
def test_pickle(folder, name) -> None:
    for path in (only(folder, name, b"\x80\x04"), folder / name):
        message = refusal(path)
        assert name in message
        assert "pickle" in message


def test_pickle_named_safetensors(folder) -> None:
    assert "pickle" in refusal(only(folder, WEIGHTS, b"PK\x03\x04" + bytes(100)))


@pytest.mark.parametrize("kept", [0, 3, 8, 200, -1])
def test_truncated_file(folder, kept) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:kept])
    assert "cut short" in refusal(folder)


def test_truncation_says_how_much_is_there(folder) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:-7])
    assert f"({len(content) - 7} of {len(content)} bytes)" in refusal(folder)


def test_missing_shard(folder) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}))
    assert "lacks model-00002-of-00002.safetensors (1 of 2" in refusal(folder)
    index.unlink()
    assert "without their index.json" in refusal(folder)


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd", "ckpt.pt"])
def test_index_may_name_only_its_neighbours(folder, name) -> None:
    index = only(folder, "model.safetensors.index.json", b"") / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": name}}))
    assert "no safetensors file beside it" in refusal(folder)


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"weight_map": 3}', b"{", b"\xff\xfe"])
def test_damaged_index(folder, content) -> None:
    only(folder, "model.safetensors.index.json", content)
    assert "download the model again" in refusal(folder)


@pytest.mark.parametrize("name", ["model.safetensors.part", "abc.incomplete", "m.crdownload"])
def test_unfinished_download(folder, name) -> None:
    for path in (only(folder, name, b"123"), folder / name):
        assert "unfinished download" in refusal(path)


def test_leftovers_beside_a_whole_model_do_not_matter(folder) -> None:
    (folder / "old.part").write_bytes(b"123")
    (folder / "ckpt.pt").write_bytes(b"123")
    load_csm(folder, device=torch.device("cpu"), dtype=torch.float32)


def test_git_lfs_pointer(folder) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 6211186784\n"
    (folder / WEIGHTS).write_bytes(pointer)
    assert "git lfs pull" in refusal(folder)


@pytest.mark.parametrize(
    "content", [b"<!DOCTYPE html><html>Not found</html>", b"hello there, world"]
)
def test_text_named_safetensors(folder, content) -> None:
    (folder / WEIGHTS).write_bytes(content)
    assert "not a safetensors file" in refusal(folder)


@pytest.mark.parametrize(
    "header",
    [b"{", b"[]", b'{"a": 1}', b'{"a": {"shape": [1]}}', b'{"a": {"shape": 3, "dtype": "F32"}}'],
)
def test_damaged_header(folder, header) -> None:
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header)
    assert "damaged safetensors header" in refusal(folder)


@given(st.binary(max_size=300))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_refused_in_words(folder, content) -> None:
    (folder / WEIGHTS).write_bytes(content)
    refusal(folder)


@pytest.mark.parametrize(
    "name",
    [
        "backbone_model.layers.1.self_attn.k_proj.weight",
        "lm_head.weight",
        "depth_decoder.codebooks_head.weight",
        "embed_text_tokens.weight",
        "depth_decoder.model.embed_tokens.weight",
    ],
)
def test_missing_tensor_is_named(folder, name) -> None:
    edit_state(folder, lambda state: state.pop(name))
    assert f"lacks the tensor '{name}'" in refusal(folder)


def test_missing_tensors_are_counted(folder) -> None:
    edit_state(
        folder, lambda state: [state.pop(name) for name in list(state) if "layers.1." in name]
    )
    assert "and 17 more" in refusal(folder)


def test_missing_tensor_of_the_original_layout(tmp_path) -> None:
    save_original(CsmModel(tiny()), tiny(), tmp_path)
    edit_state(tmp_path, lambda state: state.pop("audio_head"))
    assert "lacks the tensor 'audio_head'" in refusal(tmp_path)


def test_wrong_shape_says_which_expected_and_found(folder) -> None:
    edit_state(folder, lambda state: state.update({"lm_head.weight": torch.zeros(35, 47)}))
    message = refusal(folder)
    assert "'lm_head.weight'" in message
    assert "[35, 47]" in message
    assert "[35, 48]" in message


def test_transposed_audio_head_is_a_wrong_shape(folder) -> None:
    name = "depth_decoder.codebooks_head.weight"
    edit_state(folder, lambda state: state.update({name: state[name].transpose(1, 2).contiguous()}))
    assert "[3, 35, 32]" in refusal(folder)


def test_weights_of_another_size(folder) -> None:
    edit_config(folder, num_hidden_layers=3)
    assert "lacks the tensor 'backbone_model.layers.2." in refusal(folder)
    edit_config(folder, num_hidden_layers=1)
    assert "config.json and weights do not belong together" in refusal(folder)


def test_biases_that_a_csm_has_not(folder) -> None:
    name = "backbone_model.layers.0.self_attn.q_proj.bias"
    edit_state(folder, lambda state: state.update({name: torch.zeros(48)}))
    assert name in refusal(folder)


def test_quantised_weights(folder) -> None:
    edit_state(
        folder,
        lambda state: state.update({"lm_head.weight": torch.zeros(35, 48, dtype=torch.int8)}),
    )
    assert "stored as I8" in refusal(folder)


def test_language_model_folder(folder) -> None:
    (folder / "config.json").write_text(
        json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]})
    )
    assert "a 'llama' model (LlamaForCausalLM), not a CSM" in refusal(folder)


def test_whisper_folder(folder) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "whisper"}))
    assert "a 'whisper' model, not a CSM" in refusal(folder)


def test_ctranslate2_folder(folder) -> None:
    only(folder, "model.bin", b"\x06")
    (folder / "vocabulary.json").write_text("[]")
    assert "CTranslate2" in refusal(folder)


def test_gguf(folder) -> None:
    for path in (only(folder, "model.gguf", b"GGUF" + bytes(40)), folder / "model.gguf"):
        assert "llama.cpp" in refusal(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.layers.0.mlp.up_proj.weight", "a language model"),
        ("model.encoder.conv1.weight", "a speech recogniser"),
        ("encoder_transformer.layers.0.mlp.fc1.weight", "the Mimi codec alone"),
        ("base_model.model.x.lora_A.weight", "a LoRA adapter"),
        ("unet.conv.weight", "tensors like 'unet.conv.weight'"),
    ],
)
def test_other_tensors(tmp_path, name, words) -> None:
    save_file({name: torch.zeros(2)}, tmp_path / WEIGHTS)
    assert words in refusal(tmp_path)
    assert words in refusal(tmp_path / WEIGHTS)


def test_codec_alone(tmp_path) -> None:
    save_file({"quantizer.x": torch.zeros(2)}, tmp_path / "mimi.safetensors")
    assert "the Mimi codec alone" in refusal(tmp_path)


def test_damaged_codec_beside(tmp_path) -> None:
    save_original(CsmModel(tiny()), tiny(), tmp_path)
    (tmp_path / "mimi.safetensors").write_bytes(b"12345678901")
    assert "mimi.safetensors" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff"])
def test_damaged_json(folder, name, content) -> None:
    (folder / name).write_bytes(content)
    assert f"{name} is damaged" in refusal(folder)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"hidden_size": "big"}, "hidden_size 'big'"),
        ({"hidden_size": 0}, "hidden_size 0"),
        ({"num_codebooks": True}, "num_codebooks True"),
        ({"num_codebooks": 9}, "num_codebooks"),
        ({"rms_norm_eps": -1}, "rms_norm_eps -1"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu'"),
        ({"attention_bias": True}, "attention_bias True"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rope_type 'yarn'"),
        ({"num_attention_heads": 5}, "does not hold together"),
        ({"head_dim": 7}, "does not hold together"),
        ({"num_hidden_layers": 10**9}, "sizes that model.safetensors cannot have"),
        ({"intermediate_size": 10**18}, "sizes that model.safetensors cannot have"),
        ({"depth_decoder_config": 3}, "depth_decoder_config"),
        ({"codec_config": {"model_type": "encodec"}}, "encodec"),
    ],
)
def test_impossible_configurations(folder, values, words) -> None:
    edit_config(folder, **values)
    assert words in refusal(folder)


def test_depth_decoder_that_does_not_fit_the_backbone(folder) -> None:
    edit_depth(folder, backbone_hidden_size=64)
    assert "backbone_hidden_size 64" in refusal(folder)


def test_directory_named_like_weights(tmp_path) -> None:
    (tmp_path / WEIGHTS).mkdir()
    assert "cannot be read" in refusal(tmp_path)
