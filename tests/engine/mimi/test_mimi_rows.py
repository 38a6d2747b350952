"""The pieces of the codec's networks against torch's own convolutions and products."""

from __future__ import annotations

from collections.abc import Generator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from engine.mimi.packed import Packed, reads_half
from engine.mimi.rows import Conv, conv, down_conv, up_conv

HALF = pytest.mark.skipif(not reads_half(), reason="no faster fp16 on this processor")


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> Generator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def weights(*shape: int, outputs: int) -> dict[str, Tensor]:
    return {"c.weight": torch.randn(shape), "c.bias": torch.randn(outputs)}


def through(layer: Conv, rows: Tensor, sizes: list[int]) -> Tensor:
    context = torch.zeros(layer.context)
    return torch.cat([layer(part, context) for part in rows.split(sizes)])


@pytest.mark.parametrize("sizes", [[12], [1] * 12, [5, 1, 6]])
@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (3, 1), (3, 4), (7, 1)])
def test_convolution(kernel: int, dilation: int, sizes: list[int]) -> None:
    given = weights(5, 3, kernel, outputs=5)
    rows = torch.randn(12, 3)
    padded = functional.pad(rows.T, ((kernel - 1) * dilation, 0))
    wanted = functional.conv1d(padded[None], given["c.weight"], given["c.bias"], dilation=dilation)[
        0
    ].T
    got = through(conv(given, "c", rows=12, dilation=dilation), rows, sizes)
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sizes", [[6], [1] * 6, [2, 3, 1]])
@pytest.mark.parametrize("stride", [1, 2, 5])
def test_convolution_with_a_stride(stride: int, sizes: list[int]) -> None:
    given = weights(5, 3, 2 * stride, outputs=5)
    rows = torch.randn(6 * stride, 3)
    padded = functional.pad(rows.T, (stride, 0))
    wanted = functional.conv1d(padded[None], *given.values(), stride=stride)[0].T
    got = through(down_conv(given, "c", rows=6), rows.view(6, -1), sizes)
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sizes", [[6], [1] * 6, [2, 3, 1]])
@pytest.mark.parametrize("stride", [1, 2, 5])
def test_transposed_convolution(stride: int, sizes: list[int]) -> None:
    given = weights(3, 5, 2 * stride, outputs=5)
    rows = torch.randn(6, 3)
    wanted = functional.conv_transpose1d(rows.T[None], *given.values(), stride=stride)[0].T
    got = through(up_conv(given, "c", rows=6), rows, sizes).view(-1, 5)
    torch.testing.assert_close(got, wanted[: 6 * stride], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("half", "tolerance"), [(False, 1e-5), pytest.param(True, 3e-3, marks=HALF)]
)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), [(3, 5), (300, 400)])
def test_packed_weights(
    inputs: int, outputs: int, bias: bool, half: bool, tolerance: float
) -> None:
    weight = torch.randn(outputs, inputs) * inputs**-0.5
    added = torch.randn(outputs) if bias else None
    packed = Packed(weight, added, rows=2, half=half)
    for rows in (1, 2, 37):
        given, base = torch.randn(rows, inputs), torch.randn(rows, outputs)
        wanted = functional.linear(given, weight, added)
        torch.testing.assert_close(packed(given), wanted, rtol=0, atol=tolerance)
        kept = base.clone()
        torch.testing.assert_close(packed.onto(given, base), base + wanted, rtol=0, atol=tolerance)
        torch.testing.assert_close(base, kept, rtol=0, atol=0)


@HALF
def test_weights_too_great_for_fp16_stay_whole() -> None:
    weight = torch.full((300, 300), 1e5)
    torch.testing.assert_close(
        Packed(weight, half=True)(torch.ones(1, 300)), torch.full((1, 300), 3e7)
    )


@HALF
def test_weights_stored_in_16_bits_are_read_so_and_lose_nothing() -> None:
    weight = torch.randn(300, 400).to(torch.float16).to(torch.float32)
    rows, base, scale = torch.randn(2, 400), torch.randn(2, 300), torch.randn(300)
    packed = Packed(weight)
    assert packed._kind == "half"
    assert Packed(weight + 1e-5)._kind != "half"
    wanted = functional.linear(rows, weight)
    torch.testing.assert_close(packed(rows), wanted, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(
        packed.onto(rows, base, scale), base + wanted * scale, rtol=1e-5, atol=1e-4
    )
