"""The larger relative loads by configuration alone: its sizes, its names, its text template."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import CSM_1B, MISO_8B, CsmConfig, preset, tiny
from engine.csm.model import CsmModel
from engine.runtime.ahead import StaticDecoder
from engine.runtime.eager import EagerDecoder
from engine.runtime.fused import fuse, parts_of
from engine.runtime.graphs import Direct, Stage
from engine.runtime.precision import Precision, bytes_per_frame
from engine.runtime.static import StaticFrame
from engine.types import Sampling
from engine.weights import Layout, load_csm
from engine.weights.config_read import read_config
from engine.weights.config_write import original_config, transformers_config
from engine.weights.export import save_transformers
from engine.weights.layouts import slots
from tests.engine.decoder_cases import TEXT, frames


def on_meta(config: CsmConfig) -> CsmModel:
    with torch.device("meta"):
        return CsmModel(config)


def relative_of_few_weights() -> CsmConfig:
    """The larger relative's proportions: deeper, other heads in both halves, the spaced template."""
    small = tiny(template_space=True)
    return replace(
        small,
        name="miso-tiny",
        backbone=replace(small.backbone, layers=4, width=64, heads=8, kv_heads=2, ffn=224),
        depth=replace(small.depth, layers=3, width=48, heads=6, kv_heads=3, head_dim=8, ffn=216),
    )


def test_the_preset_has_the_published_number_of_weights() -> None:
    assert preset("miso-8b") is MISO_8B
    model = on_meta(MISO_8B)
    count = {
        name: sum(weight.numel() for weight in part.parameters())
        for name, part in (("backbone", model.backbone), ("depth", model.depth), ("all", model))
    }
    assert count["backbone"] == 6_979_588_096
    assert count["depth"] == 302_016_000
    assert count["all"] / 1e9 == pytest.approx(8.2, abs=0.05)
    assert bytes_per_frame(MISO_8B, Precision.BF16) / 2e9 == pytest.approx(16.4, abs=0.1)


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("config", [MISO_8B, CSM_1B], ids=lambda config: config.name)
def test_both_layouts_name_every_tensor_once(layout: Layout, config: CsmConfig) -> None:
    ours = {name: tuple(tensor.shape) for name, tensor in on_meta(config).state_dict().items()}
    known = slots(layout, config)
    assert sorted(slot.ours for slot in known) == sorted(ours)
    theirs = [name for slot in known for name in slot.theirs]
    assert len(set(theirs)) == len(theirs)
    assert all(prod(slot.stored_shape(ours[slot.ours])) == prod(ours[slot.ours]) for slot in known)


@pytest.mark.parametrize("write", [original_config, transformers_config])
def test_either_config_json_is_recognised(write) -> None:
    read = read_config(write(MISO_8B), "some folder")
    assert read is not None
    assert read.name == "miso-8b"
    assert read.template_space
    assert (read.backbone.head_dim, read.depth.head_dim) == (128, 64)
    assert read.mimi == MISO_8B.mimi


def test_its_fused_matrices_have_their_shapes() -> None:
    parts = parts_of(on_meta(MISO_8B))
    rows = {name: sum(len(one) for one in matrix.values()) for name, matrix in parts.items()}
    assert rows["backbone.31.qkv"] == 4096 + 2 * 1024
    assert rows["depth.7.qkv"] == 1536 + 2 * 384
    assert rows["depth.7.gate_up"] == 2 * 6912


def test_a_small_one_of_its_proportions_loads_and_speaks(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    config = relative_of_few_weights()
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = CsmModel(config).eval()
    save_transformers(model, config, tmp_path)
    loaded = load_csm(tmp_path, device=torch.device("cpu"), dtype=torch.float32)
    assert loaded.config.template_space
    for read, meant in (
        (loaded.config.backbone, config.backbone),
        (loaded.config.depth, config.depth),
    ):
        assert replace(read, rope_scaling=None) == replace(meant, rope_scaling=None)
    frame = StaticFrame(fuse(loaded.model))
    decoder = StaticDecoder(Stage(frame, Direct(frame, runs_ahead=True)), Sampling(), 1)
    plain = EagerDecoder(model, Sampling(), 1)
    for each in (decoder, plain):
        each.read(TEXT, frames(4))
    for left in range(8, 0, -1):
        np.testing.assert_array_equal(decoder.draw(left)[0], plain.draw(left)[0])
        decoder.feed()
        plain.feed()
