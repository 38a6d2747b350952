"""A frame could be captured: its operations are the same whatever the data, and none asks the host."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch

from engine.config import CSM_1B, tiny
from engine.csm.model import CsmModel
from engine.runtime.fused import fuse
from engine.runtime.static import StaticFrame, buckets
from engine.types import Sampling
from tests.engine.decoder_cases import SAMPLINGS, ending_model, random_model
from tests.engine.runtime.recorder import recorded

ASK_THE_HOST = ("_local_scalar_dense", "nonzero", "masked_select", "_unique", "lift_fresh", "item")
"""A captured stream may run none of them: each waits for a value or brings one from the host."""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def static_frame(model: CsmModel) -> StaticFrame:
    return StaticFrame(fuse(model))


@pytest.mark.parametrize("model", [random_model, ending_model])
def test_no_operation_asks_the_host(model) -> None:
    frame = static_frame(model())
    names = recorded(lambda: frame.frame(256))
    assert len(names) > 100
    assert not {name for name in names if name.startswith(ASK_THE_HOST)}


def test_the_operations_do_not_depend_on_the_data() -> None:
    runs = list[list[str]]()
    for model in (random_model(), ending_model()):
        frame = static_frame(model)
        for sampling in SAMPLINGS[:5]:
            for may_end in (True, False):
                frame.set_sampling(sampling)
                frame.set_may_end(may_end)
                runs.append(recorded(lambda frame=frame: frame.frame(256)))
    assert all(run == runs[0] for run in runs)
    assert frame.out[-1] in (0, 1)


def test_a_frame_of_the_published_depth_is_some_two_thousand_kernels() -> None:
    """Kernels cost about two microseconds each on a card, however small: this is their budget."""
    small = tiny(codebooks=32)
    config = replace(
        small,
        backbone=replace(small.backbone, layers=CSM_1B.backbone.layers),
        depth=replace(small.depth, layers=CSM_1B.depth.layers),
    )
    frame = static_frame(CsmModel(config).eval())
    counted = Counter(recorded(lambda: frame.frame(256)))
    kernels = counted.total() - counted["add_"]  # on a card, part of the product before it
    assert kernels < 2400, counted.most_common(30)


def test_a_bucket_holds_every_position() -> None:
    assert buckets(2048) == (256, 512, 1024, 2048)
    assert buckets(768) == (256, 512, 768)
    assert buckets(256) == (256,)


def test_attention_does_not_see_what_lies_beyond_the_position() -> None:
    frame = static_frame(random_model())
    frame.set_sampling(Sampling(temperature=0.0))
    results = list[torch.Tensor]()
    with torch.inference_mode():
        for beyond in (0.0, 9.0):
            frame.kv.fill_(beyond)
            frame.kv[:, :, :, :5] = 0.5
            frame.position.fill_(5)
            frame.codes.fill_(3)
            frame.advance(256)
            results.append(frame.hidden.clone())
    assert torch.equal(results[0], results[1])
