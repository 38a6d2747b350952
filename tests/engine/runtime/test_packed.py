"""The packed file gives back the same model, and only ever saves time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.config import tiny
from engine.csm.model import CsmModel
from engine.errors import DeviceError
from engine.runtime import load as loading
from engine.runtime import packed as packing
from engine.runtime.ahead import StaticDecoder
from engine.runtime.decoders import make_decoder
from engine.runtime.eager import EagerDecoder
from engine.runtime.fused import STORED
from engine.runtime.precision import Precision
from engine.types import Sampling
from engine.weights.export import save_original
from tests.engine.decoder_cases import TEXT, frames, random_model

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint in the original layout, with PyTorch's arithmetic alone."""
    torch.set_num_threads(1)
    monkeypatch.setattr(packing, "_SPARE_BYTES", 0)
    monkeypatch.setattr(loading, "rounds_itself", lambda _: True)
    monkeypatch.setattr("engine.runtime.decoders.native_decoder", lambda *_: None)
    monkeypatch.setattr(loading, "SMALL_MODEL", 0)
    save_original(random_model(), tiny(), tmp_path)
    (tmp_path / "config.json").unlink()
    shutil.copy(write_config(tmp_path / "sizes"), tmp_path / "config.json")
    return tmp_path


def write_config(folder: Path) -> Path:
    """The tiny sizes in a ``config.json``: the original's names no such flavor."""
    import json

    from engine.weights.config_write import transformers_config

    folder.mkdir()
    path = folder / "config.json"
    path.write_text(json.dumps(transformers_config(tiny())))
    return path


def load(folder: Path, precision: Precision) -> CsmModel:
    return loading._load(folder, CPU, precision, 1).model


def packed_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.packed"))


def logits(model: CsmModel) -> np.ndarray:
    decoder = make_decoder(model, Sampling(), 0)
    decoder.read(TEXT, frames(6))
    return np.stack([decoder.force(codes) for codes in frames(3, seed=2)])


@pytest.mark.parametrize("precision", list(Precision))
def test_a_packed_file_gives_the_same_model(folder: Path, precision: Precision) -> None:
    first = load(folder, precision)
    (path,) = packed_files(folder)
    assert path.name.startswith(f"model.{precision}-")
    (folder / "model.safetensors").rename(folder / "gone")
    (folder / "gone").rename(folder / "model.safetensors")  # the same file, so the same name
    second = load(folder, precision)
    assert packed_files(folder) == [path]
    assert second.dtype == first.dtype == precision.dtype
    assert (STORED in second.derived) == precision.quantised
    if not precision.quantised:
        for name, weight in first.state_dict().items():
            assert torch.equal(weight, second.state_dict()[name]), name
    np.testing.assert_array_equal(logits(second), logits(first))


def test_the_packed_weights_are_used_where_they_are_mapped(folder: Path) -> None:
    load(folder, Precision.FP32)
    model = load(folder, Precision.FP32)
    weights = dict(model.named_parameters())
    q, k = (weights[f"backbone.layers.0.attn.{part}.weight"] for part in "qk")
    assert q.untyped_storage().data_ptr() == k.untyped_storage().data_ptr()
    assert k.data_ptr() == q.data_ptr() + q.nbytes  # one matrix, not two
    assert isinstance(make_decoder(model, Sampling(), 0), EagerDecoder)


@pytest.mark.parametrize("precision", [Precision.BF16, Precision.INT8])
def test_a_changed_original_makes_it_stale(folder: Path, precision: Precision) -> None:
    load(folder, precision)
    before = packed_files(folder)
    other = random_model(seed=1)
    save_original(other, tiny(), folder / "other")
    os.replace(folder / "other" / "model.safetensors", folder / "model.safetensors")
    model = load(folder, precision)
    assert torch.equal(model.text_embedding.weight, other.text_embedding.weight.bfloat16())
    assert len(packed_files(folder)) == 1
    assert packed_files(folder) != before


def test_files_of_other_precisions_stay(folder: Path) -> None:
    for precision in (Precision.BF16, Precision.INT8):
        load(folder, precision)
    assert len(packed_files(folder)) == 2


@pytest.mark.parametrize("size", [0, 4, 600, -1])
def test_a_damaged_one_is_made_again(folder: Path, size: int) -> None:
    expected = logits(load(folder, Precision.BF16))
    (path,) = packed_files(folder)
    whole = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size if size >= 0 else whole + size)
    np.testing.assert_array_equal(logits(load(folder, Precision.BF16)), expected)
    assert packed_files(folder) == [path]
    assert path.stat().st_size == whole


def test_a_full_disk_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    load(folder, Precision.BF16)
    assert not packed_files(folder)


def test_a_failing_write_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packing, "_write", refuse)
    load(folder, Precision.BF16)
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "sizes",
    }


def test_small_models_are_not_packed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "SMALL_MODEL", 10**9)
    model = load(folder, Precision.INT8)
    assert not packed_files(folder)
    assert isinstance(make_decoder(model, Sampling(), 0), StaticDecoder)


def test_no_memory_is_not_taken_for_damage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(folder, Precision.BF16)

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(packing, "_fill", full)
    with pytest.raises(DeviceError, match="does not fit into the memory"):
        load(folder, Precision.BF16)
    assert len(packed_files(folder)) == 1
