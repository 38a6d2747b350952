"""Both layouts, however they are spread over files, load to the logits of the reference."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CsmForConditionalGeneration

from engine.config import CSM_1B, tiny
from engine.csm.model import CsmModel
from engine.errors import ModelError
from engine.weights import Layout, LoadedCsm, load_csm
from engine.weights.files import TensorInfo
from engine.weights.find import Checkpoint, find_checkpoint
from engine.weights.layouts import halves_from_pairs, pairs_from_halves, slots
from engine.weights.load import _inferred
from tests.engine.transformers_csm import (
    adjacent_rows,
    ours_from,
    reference_model,
    save_original_by_hand,
)

CPU = torch.device("cpu")
TIED = (
    "depth_decoder.model.embed_tokens.weight",
    "backbone_model.embed_tokens.embed_audio_tokens.weight",
)


@pytest.fixture(scope="module")
def reference() -> CsmForConditionalGeneration:
    torch.set_num_threads(1)
    return reference_model()


@pytest.fixture(scope="module")
def saved(reference: CsmForConditionalGeneration, tmp_path_factory) -> Path:
    """A folder that transformers itself wrote. Read-only: tests copy it."""
    folder = tmp_path_factory.mktemp("hf")
    reference.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


def load(path: Path, dtype: torch.dtype = torch.float32) -> LoadedCsm:
    return load_csm(path, device=CPU, dtype=dtype)


def logits(model: CsmModel) -> Tensor:
    """What the model says to a fixed mixture of frames, both heads together."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 32, (1, 12, 5), generator=generator)
    mask = torch.rand(1, 12, 5, generator=generator) > 0.3
    with torch.inference_mode():
        hidden = model.backbone(model.embed(frames, mask))[0]
        first = model.codebook0_head(hidden)
        return torch.cat((first, model.depth_logits(hidden, frames[0, :, :-1]).flatten(0, 1)))


def assert_same(loaded: LoadedCsm, reference: CsmForConditionalGeneration) -> None:
    expected = logits(ours_from(reference).to(loaded.model.dtype))
    assert torch.equal(logits(loaded.model), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_reads_what_transformers_saved(folder, reference, dtype) -> None:
    loaded = load(folder, dtype)
    assert loaded.layout is Layout.TRANSFORMERS
    assert loaded.model.dtype == dtype
    assert not loaded.model.training
    assert loaded.folder == folder
    assert loaded.config.backbone.heads == 6
    assert_same(loaded, reference)


def test_reads_the_original_layout_to_identical_logits(tmp_path, reference) -> None:
    loaded = load(save_original_by_hand(reference, tmp_path / "original"))
    assert loaded.layout is Layout.ORIGINAL
    assert loaded.mimi_tensors is None
    assert_same(loaded, reference)


def test_reads_a_single_file(folder, reference) -> None:
    assert_same(load(folder / "model.safetensors"), reference)


def test_reads_shards(folder, reference) -> None:
    shutil.rmtree(folder)
    reference.save_pretrained(folder, max_shard_size="100KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    loaded = load(folder)
    assert_same(loaded, reference)
    assert loaded.mimi_tensors is not None
    assert_same(load(folder / "model.safetensors.index.json"), reference)


@pytest.mark.parametrize("name", TIED)
def test_takes_the_tied_audio_table_under_either_name(folder, reference, name) -> None:
    rename(folder, dict.fromkeys(TIED, name))
    assert_same(load(folder), reference)


def test_takes_two_equal_copies_and_refuses_two_different_ones(folder, reference) -> None:
    state = load_file(folder / "model.safetensors")
    state[TIED[1]] = state[TIED[0]].clone()
    save_file(state, folder / "model.safetensors")
    assert_same(load(folder), reference)
    state[TIED[1]] = torch.randn_like(state[TIED[0]])
    save_file(state, folder / "model.safetensors")
    with pytest.raises(ModelError, match="should be one table but differ"):
        load(folder)


def test_takes_the_text_table_under_its_early_name(folder, reference) -> None:
    old = "backbone_model.embed_tokens.embed_text_tokens.weight"
    rename(folder, {"embed_text_tokens.weight": old})
    assert_same(load(folder), reference)


def test_ignores_computed_buffers_of_old_exports(folder, reference) -> None:
    state = load_file(folder / "model.safetensors")
    state["backbone_model.rotary_emb.inv_freq"] = torch.ones(4)
    state["backbone_model.embed_tokens.audio_tokens_offsets"] = torch.arange(4)
    save_file(state, folder / "model.safetensors")
    assert_same(load(folder), reference)


def test_hands_out_the_bundled_codec_without_its_prefix(folder, reference) -> None:
    read = load(folder, torch.bfloat16).mimi_tensors
    assert read is not None
    tensors = read()
    stored = load_file(folder / "model.safetensors")
    prefix = "codec_model."
    expected = {
        name.removeprefix(prefix): tensor
        for name, tensor in stored.items()
        if name.startswith(prefix)
    }
    assert tensors.keys() == expected.keys()
    assert len(tensors) == len(reference.codec_model.state_dict())
    assert all(torch.equal(tensors[name], expected[name]) for name in tensors)


@pytest.mark.parametrize(
    "name",
    ["mimi.safetensors", "tokenizer-e351c8d8-checkpoint125.safetensors", "mimi/model.safetensors"],
)
def test_hands_out_a_codec_that_lies_beside(tmp_path, reference, name) -> None:
    folder = save_original_by_hand(reference, tmp_path / "original")
    (folder / name).parent.mkdir(exist_ok=True)
    save_file({"encoder.model.0.conv.conv.weight": torch.ones(2)}, folder / name)
    read = load(folder).mimi_tensors
    assert read is not None
    assert set(read()) == {"encoder.model.0.conv.conv.weight"}


def test_prefers_the_transformers_layout_and_says_so(folder, reference) -> None:
    """As published, one folder holds both, and the transformers files have an index of their own."""
    (folder / "model.safetensors").unlink()
    reference.save_pretrained(folder, max_shard_size="100KB")
    for path in folder.glob("model*"):
        path.rename(folder / path.name.replace("model", "transformers", 1))
    index = folder / "transformers.safetensors.index.json"
    index.write_text(index.read_text().replace('"model-', '"transformers-'))
    other = save_original_by_hand(reference_model(seed=1), folder.parent / "original")
    shutil.copy(other / "model.safetensors", folder)

    loaded = load(folder)
    assert loaded.layout is Layout.TRANSFORMERS
    assert "took the transformers one" in loaded.note
    assert_same(loaded, reference)

    next(folder.glob("transformers-00002*")).unlink()
    fallen_back = load(folder)
    assert fallen_back.layout is Layout.ORIGINAL
    assert "transformers-00002" in fallen_back.note
    assert_same(fallen_back, reference_model(seed=1))


def test_a_loaded_model_outlives_its_file(folder, reference) -> None:
    loaded = load(folder)
    size = (folder / "model.safetensors").stat().st_size
    with (folder / "model.safetensors").open("r+b") as file:
        file.write(b"\0" * size)
    assert_same(loaded, reference)


def test_brings_the_generation_settings(folder) -> None:
    (folder / "generation_config.json").write_text('{"temperature": 0.9}')
    assert load(folder).generation == {"temperature": 0.9}
    (folder / "generation_config.json").unlink()
    assert load(folder).generation == {}


@pytest.mark.parametrize(("heads", "size"), [(1, 2), (6, 8), (8, 128)])
def test_row_order_conversion(heads: int, size: int) -> None:
    halves = torch.arange(heads * size * 3).view(heads * size, 3)
    pairs = halves[adjacent_rows(heads, size)]
    assert torch.equal(pairs_from_halves(halves, heads), pairs)
    assert torch.equal(halves_from_pairs(pairs, heads), halves)


@pytest.mark.parametrize("layout", list(Layout))
def test_sizes_of_csm_1b_are_read_from_the_tensors_alone(layout: Layout, tmp_path) -> None:
    checkpoint = described(layout, tmp_path)
    config = _inferred(checkpoint, "x")
    assert config.name == "csm-1b"
    assert config.codebooks == 32
    assert config.audio_vocab == 2051
    assert config.text_vocab == 128_256
    assert config.backbone == CSM_1B.backbone
    assert config.depth == CSM_1B.depth


def test_unknown_sizes_without_a_config_are_refused(folder) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"no config\.json beside it"):
        load(folder)


def test_every_tensor_of_ours_has_one_place_in_each_layout() -> None:
    names = set(CsmModel(tiny()).state_dict())
    for layout in Layout:
        listed = slots(layout, tiny())
        assert {slot.ours for slot in listed} == names
        assert len(listed) == len(names)


def test_find_reports_the_index_as_source(folder, reference) -> None:
    shutil.rmtree(folder)
    reference.save_pretrained(folder, max_shard_size="100KB")
    assert find_checkpoint(folder).source.name == "model.safetensors.index.json"


def described(layout: Layout, folder: Path) -> Checkpoint:
    """Headers of csm-1b's published files, without the 6 GB behind them."""
    with torch.device("meta"):
        state = CsmModel(CSM_1B).state_dict()
    file = folder / "model.safetensors"
    tensors = {
        slot.theirs[-1]: TensorInfo(file, slot.stored_shape(state[slot.ours].shape), "F32")
        for slot in slots(layout, CSM_1B)
    }
    return Checkpoint(folder, file, layout, tensors, {}, "")


def rename(folder: Path, names: dict[str, str]) -> None:
    path = folder / "model.safetensors"
    state = {names.get(name, name): tensor for name, tensor in load_file(path).items()}
    save_file(state, path)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "csm"
