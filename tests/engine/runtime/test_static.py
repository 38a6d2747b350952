"""A frame could be captured: its operations are the same whatever the data, and none asks the host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from engine.config import CSM_1B, tiny
from engine.csm.model import CsmModel
from engine.runtime.ahead import StaticDecoder
from engine.runtime.eager import EagerDecoder
from engine.runtime.fused import fuse
from engine.runtime.graphs import Direct, Stage
from engine.runtime.precision import Precision
from engine.runtime.static import StaticFrame, buckets
from engine.types import Sampling
from tests.engine.decoder_cases import SAMPLINGS, TEXT, ending_model, frames, random_model
from tests.engine.runtime.recorder import Recorder, recorded

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


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16, Precision.INT8])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_frame_stays_on_its_device(precision: Precision, rows: int) -> None:
    """On a device without memory: whatever is not there was made by the host, or lies with it."""
    with torch.device("meta"):
        model = CsmModel(tiny()).eval().to(precision.dtype)
    model.precision = precision
    frame = StaticFrame(fuse(model), rows=rows)
    with torch.inference_mode(), Recorder() as recorder:
        frame.set_sampling(Sampling())
        frame.set_may_end(False)
        frame.frame(256)
        frame.logits(frame.codes)
        frame.prefill(frame.hidden[:1].expand(3, -1).contiguous(), 2)
        frame.draw()
    assert recorder.devices == {"meta"}


@pytest.mark.parametrize("model", [random_model, ending_model])
def test_every_row_is_a_frame_of_its_own(model: Callable[[], CsmModel]) -> None:
    """Three candidates with noise of their own, and each of them alone."""
    weights = fuse(model())
    together = StaticFrame(weights, rows=3)
    noise = torch.empty(4, *together.noise.shape).exponential_(
        1.0, generator=torch.Generator().manual_seed(3)
    )
    start = torch.randn(5, 48, generator=torch.Generator().manual_seed(4))
    drawn = list[list[torch.Tensor]]()
    with torch.inference_mode():
        for frame, rows in (
            (together, [0, 1, 2]),
            *((StaticFrame(weights), [n]) for n in range(3)),
        ):
            frame.set_sampling(Sampling())
            frame.prefill(start.clone(), 0)
            frame.cache[:] = frame.cache[:, :, :1]
            frame.position.fill_(5)
            drawn.append([])
            for step in range(2):
                frame.drawing.noise.copy_(noise[[row + step for row in rows]])
                frame.draw()
                drawn[-1].append(frame.drawing.out.clone())
                frame.advance(256)
            assert int(frame.position) == 7
    for step in range(2):
        assert torch.equal(drawn[0][step], torch.cat([one[step] for one in drawn[1:]]))


def test_more_candidates_than_a_captured_frame_looks_at() -> None:
    """``top_k`` beyond fifty, or all, of a vocabulary that has more: not captured, but the same codes."""
    config = tiny(audio_vocab=100)
    config = replace(config, mimi=replace(config.mimi, codebook_size=96))
    torch.manual_seed(0)
    model = CsmModel(config).eval()
    for sampling in (Sampling(top_k=60), Sampling(top_k=0, depth_temperature=0.5)):
        frame = StaticFrame(fuse(model))
        tested = StaticDecoder(Stage(frame, Direct(frame, runs_ahead=True)), sampling, 3)
        plain = EagerDecoder(model, sampling, 3)
        for decoder in (tested, plain):
            decoder.read(TEXT, frames(2))
        for left in (4, 3, 2, 1):
            assert tested.draw(left)[0].tolist() == plain.draw(left)[0].tolist()
            tested.feed()
            plain.feed()


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
