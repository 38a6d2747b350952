"""What only a card can show: a captured frame is the frame, and running ahead is really ahead."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.config import CSM_1B, CSM_NANO
from engine.csm.model import CsmModel
from engine.errors import DeviceError
from engine.runtime.ahead import StaticDecoder
from engine.runtime.decoder import MOST_BRANCHES
from engine.runtime.decoders import make_decoder, prepare_branches, stage_of
from engine.runtime.eager import EagerDecoder
from engine.runtime.fused import STORED, fuse, stored_matrices
from engine.runtime.graphs import Direct, Graphs, Stage
from engine.runtime.kernel_trial import trial
from engine.runtime.kernels import fused_kernels
from engine.runtime.packed import leave_text_at_home
from engine.runtime.precision import Precision, precision_of
from engine.runtime.static import StaticFrame
from engine.types import Sampling
from tests.engine.decoder_cases import SAMPLINGS, TEXT, frames, random_model
from tests.engine.decoder_rules import DecoderRules

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(autouse=True)
def _full_precision():
    """fp32 products in fp32: codes are compared with those of the plain decoder."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


class TestGraphs(DecoderRules):
    @pytest.fixture
    def model(self) -> CsmModel:
        return random_model().cuda()

    def make(self, model: CsmModel, sampling: Sampling, seed: int) -> StaticDecoder:
        decoder = make_decoder(model.cuda(), sampling, seed)
        assert isinstance(decoder, StaticDecoder)
        assert isinstance(stage_of(model).runner, Graphs)
        return decoder


class TestGraphRows(TestGraphs):
    """Branches are rows of one graph."""

    def make(self, model: CsmModel, sampling: Sampling, seed: int) -> StaticDecoder:
        prepare_branches(model.cuda(), MOST_BRANCHES)
        assert stage_of(model).branches is not None
        return super().make(model, sampling, seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("sampling", SAMPLINGS[:4], ids=str)
def test_a_captured_frame_is_bit_for_bit_the_uncaptured_one(dtype, sampling) -> None:
    drawn = []
    for captured in (True, False):
        frame = StaticFrame(fuse(random_model().to("cuda", dtype)))
        runner = Graphs(frame) if captured else Direct(frame)
        decoder = StaticDecoder(Stage(frame, runner), sampling, 3)
        decoder.read(TEXT, frames(3))
        drawn.append([])
        for left in range(20, 0, -1):
            drawn[-1].append(decoder.draw(left)[0].tolist())
            decoder.feed()
    assert drawn[0] == drawn[1]


def with_triton(model: CsmModel) -> StaticFrame:
    """A frame of fused kernels, which must have passed their trial."""
    kernels = fused_kernels(model.config, model.device, model.dtype, precision_of(model))
    assert kernels is not None
    return StaticFrame(fuse(model, kernels), kernels)


NEEDS_TRITON = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs triton")


@NEEDS_TRITON
@pytest.mark.parametrize("config", [CSM_1B, CSM_NANO], ids=["csm-1b", "csm-nano"])
@pytest.mark.parametrize("precision", [None, *Precision], ids=str)
@pytest.mark.parametrize("rows", [1, 4])
def test_the_trial_of_the_fused_kernels_ends_well(config, precision, rows) -> None:
    dtype = torch.bfloat16 if precision is None else precision.dtype
    from engine.runtime.triton_kernels import TritonKernels

    kernels = TritonKernels(config, torch.device("cuda"))
    assert trial(kernels, config, torch.device("cuda"), dtype, precision, rows)


@NEEDS_TRITON
@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "int4"])
@pytest.mark.parametrize("sampling", SAMPLINGS[:4], ids=str)
def test_captured_fused_kernels_draw_what_the_uncaptured_ones_do(precision, sampling) -> None:
    drawn = []
    for runner in (Graphs, Direct):
        model = random_model().to("cuda", Precision(precision).dtype)
        model.precision = precision
        frame = with_triton(model)
        decoder = StaticDecoder(Stage(frame, runner(frame)), sampling, 3)
        decoder.read(TEXT, frames(3))
        drawn.append([])
        for left in range(20, 0, -1):
            drawn[-1].append(decoder.draw(left)[0].tolist())
            decoder.feed()
    assert drawn[0] == drawn[1]


@NEEDS_TRITON
@pytest.mark.parametrize("sampling", SAMPLINGS, ids=str)
def test_fused_kernels_draw_what_pytorch_draws(sampling) -> None:
    """In fp32, where no two logits tie."""
    model = random_model().cuda()
    drawn = []
    for frame in (with_triton(model), StaticFrame(fuse(random_model().cuda()))):
        decoder = StaticDecoder(Stage(frame, Direct(frame)), sampling, 3)
        decoder.read(TEXT, frames(3))
        drawn.append([])
        for left in range(6, 0, -1):
            drawn[-1].append(decoder.draw(left)[0].tolist())
            decoder.feed()
    assert drawn[0] == drawn[1]


@NEEDS_TRITON
@pytest.mark.parametrize("precision", [Precision.BF16, Precision.INT4], ids=str)
def test_kernels_that_begin_before_others_end_draw_the_same(precision: Precision) -> None:
    """At the published widths, where there is time to overtake."""
    from engine.runtime.triton_kernels import TritonKernels, card_of

    device = torch.device("cuda")
    config = replace(CSM_1B, backbone=replace(CSM_1B.backbone, layers=2))
    with device:
        torch.manual_seed(0)
        model = CsmModel(config).eval().to(torch.bfloat16)
    stored, drawn = stored_matrices(model, precision), []
    for overlaps in (False, True):
        card = card_of(device, overlaps=overlaps)
        if card.overlaps != overlaps:
            pytest.skip("this card starts no kernel early")
        kernels = TritonKernels(config, device, card)
        model.derived[STORED] = stored
        frame = StaticFrame(fuse(model, kernels), kernels)
        decoder = StaticDecoder(Stage(frame, Graphs(frame)), Sampling(), 3)
        decoder.read(TEXT, frames(3, codebooks=config.codebooks))
        drawn.append([])
        for left in range(40, 0, -1):
            drawn[-1].append(decoder.draw(left)[0].tolist())
            decoder.feed()
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_quantised_weights_run_in_graphs(precision: str) -> None:
    model = random_model().to("cuda", torch.bfloat16)
    exact = EagerDecoder(random_model().to("cuda", torch.bfloat16), Sampling(), 0)
    model.precision = precision
    decoder = make_decoder(model, Sampling(), 0)
    for each in (decoder, exact):
        each.read(TEXT, frames(8))
    codes = frames(1)[0]
    assert abs(decoder.force(codes) - exact.force(codes)).max() < 1.0
    for left in range(5, 0, -1):
        decoder.draw(left)
        decoder.feed()


def test_nothing_waits_for_the_card_but_the_frame_before() -> None:
    """While a frame is awaited, the next is launched already; nothing else synchronises."""
    decoder = make_decoder(random_model().cuda(), Sampling(), 0)
    decoder.read(TEXT, frames(3))
    decoder.draw(9)
    decoder.feed()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for left in range(8, 3, -1):
            decoder.draw(left)
            decoder.feed()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_every_bucket_is_captured_before_the_first_conversation() -> None:
    model = random_model().cuda()
    stage = stage_of(model)
    decoder = make_decoder(model, Sampling(), 0)
    decoder.read(TEXT, frames(decoder.capacity - len(TEXT) - 3))
    decoder.draw(1)
    decoder.feed()
    assert stage_of(model) is stage
    assert np.isfinite(decoder.force(frames(1)[0])).all()


def test_no_memory_ends_in_one_sentence(monkeypatch) -> None:
    frame = StaticFrame(fuse(random_model().cuda()))

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(frame, "draw", full)
    with pytest.raises(DeviceError, match="does not fit into the memory of cuda"):
        Graphs(frame)


def test_the_text_table_may_be_in_the_memory_of_the_host() -> None:
    drawn = []
    for at_home in (True, False):
        model = random_model().cuda()
        if at_home:
            leave_text_at_home(model)
            assert model.text_embedding.weight.device.type == "cpu"
        assert model.device.type == "cuda"
        decoder = make_decoder(model, Sampling(), 3)
        decoder.read(TEXT, frames(2))
        drawn.append([decoder.draw(1)[0].tolist() for _ in range(3)])
    assert drawn[0] == drawn[1]
