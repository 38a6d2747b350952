"""How a product is spread over a card, for every matrix of the models that are known by name."""

from __future__ import annotations

import pytest

from engine.config import PRESETS, CsmConfig
from engine.runtime.precision import Format, Precision, Read, reads

products = pytest.importorskip("engine.runtime.triton_products", reason="needs triton")

BITS = {Format.FP32: 32, Format.BF16: 16, Format.INT8: 8, Format.INT4: 4}


def plan(read: Read, processors: int) -> tuple[int, int]:
    return products.plan(read.rows, read.width, 1, BITS[read.format], processors)


@pytest.mark.parametrize("config", PRESETS, ids=lambda config: config.name)
@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("processors", [28, 132, 170])
def test_a_card_is_filled_and_registers_suffice(
    config: CsmConfig, precision: Precision, processors: int
) -> None:
    for read in set(reads(config, precision)):
        rows, warps = plan(read, processors)
        held = rows * read.width / (32 * warps)
        assert held <= 128, read
        assert rows == 1 or -(-read.rows // rows) >= 2 * processors, read
        assert warps == 1 or held * BITS[read.format] >= 8 * 16 // 2, read


def test_what_is_known_of_the_published_shapes() -> None:
    """Rows and warps on an H200: the depth decoder's products, of which a frame has 600."""
    sizes = {(1536, 1024): (4, 2), (1024, 1024): (2, 2), (1024, 8192): (2, 8)}
    for (outputs, inputs), wanted in sizes.items():
        assert products.plan(outputs, inputs, 1, 16, 132) == wanted
    assert products.plan(8192, 1024, 2, 16, 132) == (4, 2)
