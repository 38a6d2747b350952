"""Branches in compiled code: to the last bit the same however many are drawn, by however many threads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.native.branches import NativeBranches
from engine.native.decoder import NativeDecoder
from engine.runtime.decoder import Drawn
from tests.engine.native.models import CONFIGS, history, make_model, native

pytestmark = pytest.mark.usefixtures("native_path")
ALL = (0, 1, 2, 3)
BOUNDS = {"fp32": 1e-4, "bf16": 0.05, "int8": 1e-4, "int4": 1e-4}
"""Difference of a log-probability from what a decoder says of the same codes."""


def begun(
    name: str, precision: str, threads: int = 1, path: Path | None = None
) -> tuple[NativeDecoder, NativeBranches]:
    model = make_model(CONFIGS[name], torch.bfloat16 if precision == "bf16" else torch.float32)
    decoder = native(model, precision, threads=threads, path=path)
    decoder.read(*history(model.config))
    return decoder, decoder.branch(len(ALL), 6)


def drawn_by(branches: NativeBranches, going: Sequence[int], count: int = 4) -> list[Drawn]:
    """Frames after the first, of those that go on after it."""
    branches.draw(1)
    made = list[Drawn]()
    for _ in range(count):
        branches.feed(going)
        made.append(branches.draw(1))
    return made


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "int4"])
@pytest.mark.parametrize("name", ["odd", "wide"])
def test_one_gets_the_same_bits_whatever_becomes_of_the_others(name: str, precision: str) -> None:
    together = drawn_by(begun(name, precision)[1], ALL)
    for going in ([3], [1, 3], [0, 1, 3]):
        apart = drawn_by(begun(name, precision, threads=len(going))[1], going)
        for ours, theirs in zip(apart, together, strict=True):
            for row, number in enumerate(going):
                assert np.array_equal(ours.codes[row], theirs.codes[number])
                assert np.array_equal(ours.log_probability[row], theirs.log_probability[number])


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_packed_weights_give_a_branch_the_bits_of_a_decoder(precision: str) -> None:
    decoder, branches = begun("wide", precision)
    start = decoder.length
    for _ in range(4):
        frame = branches.draw(1).codes[2]
        branches.feed(branches.alive)
        decoder.read((), frame[None])
    ours, theirs = branches.save(2), decoder.save(start, decoder.length)
    assert torch.equal(ours.keys, theirs.keys)
    assert torch.equal(ours.values, theirs.values)


@pytest.mark.parametrize("precision", BOUNDS)
def test_other_builds_draw_branches_too(precision: str, other_build: Path) -> None:
    """Which build it is decides how a number is rounded, so each is held to its own decoder."""
    decoder, branches = begun("odd", precision, path=other_build)
    alone = drawn_by(begun("odd", precision, path=other_build)[1], [3], 2)
    for ours in [*drawn_by(begun("odd", precision, path=other_build)[1], ALL, 2)]:
        assert np.array_equal(ours.codes[3], alone[0].codes[0])
        assert np.array_equal(ours.log_probability[3], alone.pop(0).log_probability[0])
    for _ in range(3):
        drawn = branches.draw(1)
        branches.feed(branches.alive)
        logits = torch.from_numpy(decoder.force(drawn.codes[1])).log_softmax(-1)
        expected = logits[torch.arange(len(logits)), torch.from_numpy(drawn.codes[1])]
        np.testing.assert_allclose(drawn.log_probability[1], expected, atol=BOUNDS[precision])
        decoder.feed()
