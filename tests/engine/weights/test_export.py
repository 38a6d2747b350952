"""What is written here loads here and in transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import CsmForConditionalGeneration

from engine.config import CSM_1B, tiny
from engine.csm.model import CsmModel
from engine.weights import Layout, load_csm, save_original, save_transformers
from tests.engine.transformers_csm import original_state, ours_from, reference_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def reference() -> CsmForConditionalGeneration:
    torch.set_num_threads(1)
    return reference_model()


def states_equal(first: CsmModel, second: CsmModel) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


@pytest.mark.parametrize("save", [save_transformers, save_original])
def test_round_trip(tmp_path, reference, save) -> None:
    model = ours_from(reference)
    path = save(model, tiny(), tmp_path / "new" / "folder")
    loaded = load_csm(path.parent, device=CPU, dtype=torch.float32)
    assert states_equal(loaded.model, model)
    assert loaded.layout is (Layout.ORIGINAL if save is save_original else Layout.TRANSFORMERS)
    assert not list(path.parent.glob("*.part"))


def test_transformers_loads_it_to_the_same_logits(tmp_path, reference) -> None:
    reference.save_pretrained(tmp_path / "theirs")
    read = load_csm(tmp_path / "theirs", device=CPU, dtype=torch.float32).mimi_tensors
    assert read is not None
    codec = read()
    generation = {"bos_token_id": 256, "temperature": 0.9, "do_sample": True}
    save_transformers(
        ours_from(reference), tiny(), tmp_path, codec_tensors=codec, generation=generation
    )
    loading: Any = CsmForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    again, info = loading
    assert not any(info.values())
    table = again.depth_decoder.model.embed_tokens.weight
    again.backbone_model.embed_tokens.embed_audio_tokens.weight = table  # see transformers_csm
    codes = torch.randint(0, 32, (1, 9, 4), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(again(input_ids=codes).logits, reference(input_ids=codes).logits)
    expected = reference.codec_model.state_dict()
    for name, tensor in again.codec_model.state_dict().items():
        assert torch.equal(tensor, expected[name])
    assert again.config.bos_token_id == 256
    assert again.generation_config.temperature == 0.9


def test_original_layout_is_the_one_written_by_hand(tmp_path, reference) -> None:
    path = save_original(ours_from(reference), tiny(), tmp_path)
    expected = original_state(reference)
    with safe_open(path, framework="pt") as file:
        assert set(file.keys()) == set(expected)
        assert all(torch.equal(file.get_tensor(name), expected[name]) for name in expected)


def test_number_format_of_the_file(tmp_path, reference) -> None:
    codec: dict[str, Tensor] = {"x": torch.ones(2)}
    path = save_transformers(
        ours_from(reference), tiny(), tmp_path, dtype=torch.bfloat16, codec_tensors=codec
    )
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
        kinds = {name: file.get_tensor(name).dtype for name in names}
    assert kinds.pop("codec_model.x") == torch.float32  # the codec loses audibly in bf16
    assert set(kinds.values()) == {torch.bfloat16}
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"


def test_known_sizes_get_the_originals_own_config(tmp_path, monkeypatch) -> None:
    def write_nothing(state: dict[str, Tensor], path: Path, metadata: object) -> None:
        Path(path).touch()

    monkeypatch.setattr("engine.weights.export.save_file", write_nothing)
    monkeypatch.setattr("engine.weights.export._state", lambda *_: {})
    with torch.device("meta"):
        model = CsmModel(CSM_1B)
    save_original(model, CSM_1B, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["backbone_flavor"] == "llama-1B"


def test_generation_settings_are_written_only_when_given(tmp_path, reference) -> None:
    model = ours_from(reference)
    save_transformers(model, tiny(), tmp_path)
    assert not (tmp_path / "generation_config.json").exists()
    save_transformers(model, tiny(), tmp_path, generation={"top_k": 50})
    assert load_csm(tmp_path, device=CPU, dtype=torch.float32).generation == {"top_k": 50}
