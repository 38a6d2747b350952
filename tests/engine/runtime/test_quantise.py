"""Rounded weights stay near what they were, and every product computes what the stored ones say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.config import CSM_1B, CSM_NANO
from engine.csm.model import CsmModel
from engine.errors import DeviceError
from engine.native import library
from engine.runtime.eager import EagerDecoder
from engine.runtime.fused import matrices, release
from engine.runtime.matrix import bind
from engine.runtime.precision import (
    Format,
    Precision,
    bytes_per_frame,
    group_of,
    pick_precision,
    precision_of,
)
from engine.runtime.quantise import Stored, store
from engine.types import Sampling
from tests.engine.decoder_cases import TEXT, frames, random_model
from tests.engine.runtime.test_decoders import static_decoder

CPU = torch.device("cpu")


def weights(rows: int, columns: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Random, with rows of very different sizes and one of zeros."""
    generator = torch.Generator().manual_seed(rows)
    sizes = torch.logspace(-3, 2, rows)[:, None]
    matrix = torch.randn(rows, columns, generator=generator) * sizes
    matrix[rows // 2] = 0.0
    return matrix.to(dtype)


def test_int8_is_within_half_a_step() -> None:
    exact = weights(48, 80)
    stored = store(exact, Format.INT8)
    assert stored.weight.dtype == torch.int8
    step = exact.abs().amax(1, keepdim=True) / 127
    assert ((stored.dense(torch.float32) - exact).abs() <= step * 0.506).all()


@pytest.mark.parametrize(("columns", "group"), [(128, 64), (96, 32)])
def test_int4_is_within_half_a_step_of_its_group(columns: int, group: int) -> None:
    exact = weights(48, columns) + 0.1
    stored = store(exact, Format.INT4)
    assert (stored.format, stored.group, stored.shape) == (Format.INT4, group, (48, columns))
    assert stored.weight.numel() == 24 * columns
    pieces = exact.unflatten(1, (-1, group))
    step = (pieces.amax(-1) - pieces.amin(-1)) / 15
    slack = pieces.abs().amax(-1) * 2**-7  # the offset is kept in bf16
    error = (stored.dense(torch.float32).unflatten(1, (-1, group)) - pieces).abs().amax(-1)
    assert (error <= step * 0.52 + slack).all()


@pytest.mark.parametrize("shape", [(48, 80), (35, 64)])
def test_what_does_not_suit_int4_is_int8(shape: tuple[int, int]) -> None:
    assert store(weights(*shape), Format.INT4).format is Format.INT8


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("wanted", list(Format))
@pytest.mark.parametrize("rows", [1, 2, 40])
def test_a_product_is_that_of_the_stored_numbers(
    dtype: torch.dtype, wanted: Format, rows: int
) -> None:
    stored = store(weights(48, 128, dtype), wanted)
    product = bind(stored, dtype)
    x = torch.randn(rows, 128, generator=torch.Generator().manual_seed(1)).to(dtype)
    base = torch.randn(rows, 48, generator=torch.Generator().manual_seed(2)).to(dtype)
    expected = x.double() @ stored.dense(torch.float32).double().t()
    size = expected.abs().amax(0).clamp_min(1e-6)
    bound = 1e-5 if dtype == torch.float32 else 0.02
    assert float(((product(x).double() - expected).abs() / size).max()) <= bound
    onto = product.add_to(base.clone(), x).double() - expected - base.double()
    assert float((onto.abs() / (size + 1)).max()) <= bound


@pytest.mark.parametrize("wanted", list(Format))
def test_stored_matrices_survive_a_file(wanted: Format) -> None:
    stored = store(weights(32, 64, torch.bfloat16), wanted)
    tensors = {"other": torch.zeros(1), **stored.tensors("a.b")}
    again = Stored.of(tensors, "a.b")
    assert torch.equal(again.dense(torch.float32), stored.dense(torch.float32))
    assert again.shape == stored.shape


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_a_quantised_decoder_computes_with_the_rounded_weights(precision: str) -> None:
    torch.set_num_threads(1)
    model, reference = random_model(), random_model()
    model.precision = precision
    own = Precision(precision)
    for name, weight in matrices(reference).items():
        stored = store(weight, own.heads if "head" in name else own.layers)
        weight.copy_(stored.dense(torch.float32))
    # What is folded into the table is not rounded, so the projection is the same in both.
    rounded, exact = (
        EagerDecoder(reference, Sampling(), 0),
        EagerDecoder(random_model(), Sampling(), 0),
    )
    decoder, context = static_decoder(model), frames(8)
    release(model)
    for each in (decoder, rounded, exact):
        each.read(TEXT, context)
    codes = frames(1, seed=5)[0]
    got = decoder.force(codes)
    assert abs(got - rounded.force(codes)).max() < 1e-4
    assert 1e-3 < abs(got - exact.force(codes)).max() < (0.1 if precision == "int8" else 1.0)


def test_a_released_model_keeps_nothing_of_its_matrices() -> None:
    model = random_model()
    release(model)
    left = {name for name, weight in model.named_parameters() if weight.numel()}
    assert {name for name in left if not name.endswith(".scale")} == {
        "text_embedding.weight",
        "audio_embedding.weight",
        "projection.weight",
    }
    assert (model.dtype, model.device) == (torch.float32, CPU)


def test_fusing_leaves_the_model_as_it_is() -> None:
    model, untouched = random_model(), random_model()
    fused = matrices(model)
    again = matrices(model)
    assert all(one.data_ptr() == again[name].data_ptr() for name, one in fused.items())
    for ours, theirs in zip(model.parameters(), untouched.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    storages = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    assert {one.untyped_storage().data_ptr() for one in fused.values()} <= storages


def test_precision_is_chosen_for_the_device_and_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda")
    assert pick_precision("auto", CPU, 10_000_000) is Precision.FP32
    monkeypatch.setattr(library, "reason", lambda: "")
    assert pick_precision("auto", CPU, 1_500_000_000) is Precision.INT8
    monkeypatch.setattr(library, "reason", lambda: "It is not built.")
    assert pick_precision("auto", CPU, 1_500_000_000) is Precision.BF16
    assert pick_precision("auto", cuda, 10_000_000) is Precision.BF16
    assert pick_precision("int4", CPU, 1) is Precision.INT4
    with pytest.raises(DeviceError, match="'fp16' is not supported: use auto, fp32, bf16, int8 or"):
        pick_precision("fp16", CPU, 1)
    assert precision_of(random_model()) is Precision.FP32
    assert precision_of(random_model().bfloat16()) is Precision.BF16


def test_bytes_of_a_frame_are_those_of_the_published_shape() -> None:
    """4.49 G weights are read per frame, the depth decoder's 31 times (see the class of sizes)."""
    assert bytes_per_frame(CSM_1B, Precision.BF16) / 1e9 == pytest.approx(8.98, abs=0.01)
    assert bytes_per_frame(CSM_1B, Precision.FP32) == 2 * bytes_per_frame(CSM_1B, Precision.BF16)
    assert bytes_per_frame(CSM_1B, Precision.INT8) / 1e9 == pytest.approx(4.50, abs=0.01)
    assert bytes_per_frame(CSM_1B, Precision.INT4) / 1e9 == pytest.approx(2.56, abs=0.01)
    assert group_of(CSM_NANO.depth.ffn) == 32


def test_what_is_counted_is_what_there_is() -> None:
    """The sizes that are added up for a frame are those of the model's own matrices."""
    with torch.device("meta"):
        model = CsmModel(CSM_NANO)
    steps = CSM_NANO.codebooks - 1
    weights = model.projection.weight.numel()
    for name, weight in matrices(model).items():
        weights += weight.numel() * (steps if name.startswith("depth.") else 1)
    assert bytes_per_frame(CSM_NANO, Precision.FP32) == 4 * weights
