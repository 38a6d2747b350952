"""The fused kernels in Triton's interpreter, which runs them on the processor.

The interpreter is chosen before Triton is imported, so this runs in a process of its own:

    TRITON_INTERPRET=1 python -m tests.engine.runtime.interpreted trial
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace

import torch
from torch import Tensor

from engine.config import CSM_1B, CsmConfig, tiny
from engine.csm.model import CsmModel
from engine.runtime.ahead import StaticDecoder
from engine.runtime.fused import fuse
from engine.runtime.graphs import Direct, Stage
from engine.runtime.kernel_trial import Noise, added, attentions, gated, product, trial
from engine.runtime.kernels import Kernels, drawing_buffers
from engine.runtime.plain import PlainKernels
from engine.runtime.precision import Format, Precision
from engine.runtime.quantise import store
from engine.runtime.static import StaticFrame
from engine.runtime.triton_kernels import TritonKernels
from engine.types import Sampling
from tests.engine.decoder_cases import SAMPLINGS, TEXT, ending_model, frames

CPU = torch.device("cpu")


def trial_of_every_format() -> None:
    """All kernels against PyTorch, at odd sizes, for one to three rows."""
    for dtype, precision, rows in (
        (torch.float32, Precision.FP32, 1),
        (torch.bfloat16, Precision.BF16, 3),
        (torch.bfloat16, Precision.INT8, 1),
        (torch.float32, Precision.INT4, 2),
    ):
        kernels = TritonKernels(tiny(), CPU)
        assert trial(kernels, tiny(), CPU, dtype, precision, rows), (dtype, precision, rows)


def attention_at_the_published_sizes() -> None:
    """The longest cache, in 32 shares, and every key of a depth decoder."""
    both = TritonKernels(CSM_1B, CPU), PlainKernels(CSM_1B, CPU, torch.bfloat16)
    assert all(attentions(both, Noise(CPU, torch.bfloat16), CSM_1B, 1))


def products_at_the_published_widths() -> None:
    """Few outputs, but all the inputs of csm-1b and of its largest relative."""
    both = TritonKernels(CSM_1B, CPU), PlainKernels(CSM_1B, CPU, torch.bfloat16)
    noise = Noise(CPU, torch.bfloat16)
    for wanted in (Format.BF16, Format.INT8, Format.INT4):
        assert product(both, noise, (16, 1024), wanted, 4, normed=True), wanted
        assert gated(both, noise, (16, 2048), wanted, 2), wanted
        assert added(both, noise, (8, 8192), wanted, 2), wanted
        assert added(both, noise, (8, 14_336), wanted, 1), wanted


def products_of_many_rows() -> None:
    """A prefill unpacks what is quantised."""
    kernels = TritonKernels(tiny(), CPU)
    noise = torch.Generator().manual_seed(0)
    x, base = torch.randn(11, 96, generator=noise), torch.randn(11, 32, generator=noise)
    for wanted in (Format.FP32, Format.INT8, Format.INT4):
        stored = store(torch.randn(32, 96, generator=noise), wanted)
        matrix, exact = kernels.bind(stored, torch.float32), stored.dense(torch.float32)
        torch.testing.assert_close(matrix(x), x @ exact.t(), atol=1e-4, rtol=1e-4)
        both = matrix.add_to(base.clone(), x)
        torch.testing.assert_close(both, base + x @ exact.t(), atol=1e-4, rtol=1e-4)


def draws_at_the_published_size() -> None:
    """2051 logits, with ties in bf16: the order is by value, then by id."""
    config = replace(tiny(), audio_vocab=CSM_1B.audio_vocab, mimi=CSM_1B.mimi)
    noise = torch.Generator().manual_seed(1)
    for dtype, top_k, heat, may_end in (
        (torch.bfloat16, 50, 0.9, True),
        (torch.bfloat16, 7, 0.0, True),
        (torch.float32, 50, 1.1, False),
        (torch.float32, 1, 0.7, True),
    ):
        kernels, rows = TritonKernels(config, CPU), 2
        drawing = drawing_buffers(config, rows, CPU)
        drawing.noise.exponential_(1.0, generator=noise)
        drawing.temperature.fill_(heat)
        drawing.last_kept.fill_(top_k - 1)
        drawing.ranks[top_k + 14 :] = -torch.inf
        drawing.first_mask[0] = 0.0 if may_end else -torch.inf
        table = torch.randn(config.codebooks * config.audio_vocab, 24, generator=noise).to(dtype)
        logits = torch.randn(config.codebooks, rows, config.audio_vocab, generator=noise).to(dtype)
        logits[0, 1, 0] = 30.0  # ends, where it may
        logits[:, 0, 100:300] = logits[:, 0].amax()  # more ties than there are candidates
        for book in range(config.codebooks):
            following = kernels.pick(logits[book], drawing, book, table)
            if following is not None:
                at = drawing.codes[:, book] + book * config.audio_vocab
                assert torch.equal(following, table[at])
        ended = drawing.codes[:, 0] == 0
        assert ended.tolist() == [False, may_end]
        assert torch.equal(drawing.ending, ended.long())
        for row in range(rows):
            for book in range(config.codebooks):
                hot = 0.0 if book and ended[row] else heat
                mask = drawing.mask if book else drawing.first_mask
                exact = logits[book, row].float() + mask
                code = likeliest(exact, hot, top_k, drawing.noise[row, book])
                code = 0 if book == 0 and ended[row] else code
                assert int(drawing.codes[row, book]) == code, (dtype, top_k, row, book)
        assert torch.equal(drawing.out[:, :-1], drawing.codes)
        over = ended & (drawing.codes == 0).all(1)
        assert torch.equal(drawing.out[:, -1], over.long())


def likeliest(logits: Tensor, heat: float, top_k: int, noise: Tensor) -> int:
    """The rule of ``engine.csm.sampling``, with an order among equals."""
    values, ids = logits.sort(descending=True, stable=True)
    if heat <= 0:
        return int(ids[0])
    best = values[: top_k + 14] / heat
    best = torch.where(best >= best[top_k - 1], best, -torch.inf)
    return int(ids[(best.softmax(0) / noise[: len(best)]).argmax()])


def nothing_but_numbers_is_needed() -> None:
    """A model gone wrong draws some code: no table is read beyond its end."""
    kernels, drawing = TritonKernels(tiny(), CPU), drawing_buffers(tiny(), 1, CPU)
    table = torch.zeros(tiny().codebooks * tiny().audio_vocab, 8)
    for value in (torch.nan, torch.inf, -torch.inf):
        kernels.pick(torch.full((1, tiny().audio_vocab), value), drawing, 0, table)
        assert 0 <= int(drawing.codes[0, 0]) < tiny().mimi.codebook_size


def whole_frames() -> None:
    """The same codes as PyTorch's, whatever the sampling, in whole lines."""
    for model, samplings in ((small_model(), SAMPLINGS), (small_ending_model(), SAMPLINGS[:2])):
        static = [
            StaticFrame(fuse(model, kernels), kernels)
            for kernels in (TritonKernels(model.config, CPU), plain(model.config))
        ]
        for sampling in samplings:
            drawn = [line(frame, sampling) for frame in static]
            assert drawn[0] == drawn[1], (sampling, drawn)


def line(frame: StaticFrame, sampling: Sampling) -> list[object]:
    """Two frames, of which the second may end."""
    decoder = StaticDecoder(Stage(frame, Direct(frame)), sampling, 5)
    decoder.read(TEXT[:3], frames(2))
    drawn = list[object]()
    for at_least in (1, 0):
        codes, over = decoder.draw(at_least)
        drawn.append((codes.tolist(), over))
        decoder.feed()
    return drawn


def small_config() -> CsmConfig:
    """One layer of backbone, two of depth: those that a frame treats differently."""
    config = tiny()
    return replace(config, backbone=replace(config.backbone, layers=1))


def small_model() -> CsmModel:
    torch.manual_seed(0)
    return CsmModel(small_config()).eval()


def small_ending_model() -> CsmModel:
    model, ending = small_model(), ending_model()
    known = ending.state_dict()
    model.load_state_dict({name: known[name] for name in model.state_dict()})
    with torch.no_grad():  # no ties, whose order is free
        steps = torch.arange(model.config.audio_vocab)[1:, None] * 0.01
        model.codebook0_head.weight[1:] -= steps
        model.audio_head[:, 1:] -= steps
    return model


def plain(config: CsmConfig) -> Kernels:
    return PlainKernels(config, CPU, torch.float32)


CASES = {
    "trial": (trial_of_every_format, products_of_many_rows),
    "sizes": (attention_at_the_published_sizes, products_at_the_published_widths),
    "draws": (draws_at_the_published_size, nothing_but_numbers_is_needed),
    "frames": (whole_frames,),
}

if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # numpy's, of infinities
    torch.set_num_threads(1)
    for case in CASES[sys.argv[1]]:
        case()
