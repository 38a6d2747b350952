# ruff: noqa: T201  (a table is printed)
"""What only a card can tell, in one go: are the fused kernels right there, and how fast is each.

    python -m tests.engine.runtime.on_card --model csm-1b

First the trial, per precision and number of rows; then every product of a frame alone, against
PyTorch's own and against what the card copies; then whole captured frames. Every time is that of a
replayed CUDA graph, over weights that do not fit the cache.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice

import torch

from engine.config import CsmConfig, preset, tiny
from engine.csm.model import CsmModel
from engine.runtime.fused import STORED, fuse, stored_matrices
from engine.runtime.kernel_trial import trial
from engine.runtime.kernels import Kernels, Norm
from engine.runtime.plain import PlainKernels
from engine.runtime.precision import Precision, bytes_per_frame, reads
from engine.runtime.quantise import Stored, store
from engine.runtime.static import StaticFrame
from engine.runtime.triton_kernels import TritonKernels, card_of
from engine.runtime.triton_launch import Card
from engine.types import Sampling

_REPEATS, _REPLAYS = 64, 20
_MORE_THAN_A_CACHE = 256 * 2**20


def timed_us(device: torch.device, run: Callable[[], object], repeats: int) -> float:
    """Microseconds of one of ``repeats`` that ``run`` does, in a graph; the least of some replays."""
    if device.type != "cuda":
        began = time.perf_counter()
        run()
        return (time.perf_counter() - began) / repeats * 1e6
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        run()
        run()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        run()
    least = float("inf")
    for _ in range(_REPLAYS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        with torch.cuda.stream(stream):
            start.record()
            graph.replay()
            end.record()
        end.synchronize()
        least = min(least, start.elapsed_time(end) * 1000)
    return least / repeats


def copy_gb_s(device: torch.device) -> float:
    """Bytes read and written per second by a plain copy."""
    size = 2**30 if device.type == "cuda" else 2**22
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * size / timed_us(device, lambda: target.copy_(source), 1) / 1e3


def trials(config: CsmConfig, device: torch.device, card: Card) -> None:
    """Whether every kernel is right, for every precision and one to four rows."""
    for precision in Precision:
        for rows in (1, 2, 4):
            began = time.perf_counter()
            kernels = TritonKernels(config, device, card)
            right = trial(kernels, config, device, precision.dtype, precision, rows)
            took = time.perf_counter() - began
            print(f"  {precision:5s} T={rows}: {'right' if right else 'WRONG'} ({took:.1f} s)")


def products(config: CsmConfig, device: torch.device, cards: list[Card]) -> None:
    """Every matrix of a frame, alone."""
    for precision in (Precision.BF16, Precision.INT8, Precision.INT4):
        for read in sorted(set(reads(config, precision)), key=lambda one: one.bytes):
            shape, per_copy = (read.rows, read.width), read.bytes // read.times
            copies = max(2, min(64, _MORE_THAN_A_CACHE // per_copy if device.type == "cuda" else 2))
            one = torch.randn(shape, device=device).to(torch.bfloat16)
            stored = store(one, read.format)
            ways: list[tuple[str, Kernels]] = [
                ("PyTorch", PlainKernels(config, device, torch.bfloat16)),
                *((_name(card), TritonKernels(config, device, card)) for card in cards),
            ]
            for name, kernels in ways:
                run = _run(kernels, stored, copies, device)
                took = timed_us(device, run, _REPEATS)
                speed = per_copy / took / 1e3
                print(
                    f"  {precision:5s} {read.rows:6d} x {read.width:<5d} {name:16s}"
                    f"{took:8.2f} us {speed:7.0f} GB/s, {read.times} a frame"
                )


def _run(kernels: Kernels, stored: Stored, copies: int, device: torch.device) -> Callable[[], None]:
    """A chain: each product waits for the one before, as in a frame."""
    bound = [kernels.bind(_copied(stored), torch.bfloat16) for _ in range(copies)]
    width = stored.shape[1]
    x = torch.randn(1, width, device=device).to(torch.bfloat16)
    norm = Norm(torch.ones(width, device=device, dtype=torch.bfloat16), 1e-5)

    def run() -> None:
        for matrix in islice(cycle(bound), _REPEATS):
            kernels.product(x, matrix, norm)

    return run


def _copied(stored: Stored) -> Stored:
    tensors = {name: one.clone() for name, one in stored.tensors("one").items()}
    return Stored.of(tensors, "one")


def whole_frames(config: CsmConfig, device: torch.device, cards: list[Card], gb_s: float) -> None:
    """Milliseconds of a captured frame, at a third of the largest bucket."""
    for precision in (Precision.BF16, Precision.INT8, Precision.INT4):
        with device:
            model = CsmModel(config).eval().to(torch.bfloat16)
        stored = stored_matrices(model, precision)
        limit = bytes_per_frame(config, precision) / gb_s / 1e6
        for name, kernels, rows in _ways(config, device, cards):
            model.derived[STORED] = stored
            frame = StaticFrame(fuse(model, kernels), kernels, rows)
            frame.set_sampling(Sampling())
            run = _frame(frame)
            took = timed_us(device, run, 1) / 1e3
            print(
                f"  {precision:5s} {name:16s} T={rows}: {took:7.3f} ms a frame,"
                f" {100 * limit / took:3.0f} % of what a copy reads"
            )


def _ways(
    config: CsmConfig, device: torch.device, cards: list[Card]
) -> Iterator[tuple[str, Kernels, int]]:
    yield "PyTorch", PlainKernels(config, device, torch.bfloat16), 1
    for card in cards:
        for rows in (1, 2, 4):
            yield _name(card), TritonKernels(config, device, card), rows


def _frame(frame: StaticFrame) -> Callable[[], None]:
    def run() -> None:
        with torch.inference_mode():
            frame.position.fill_(frame.buckets[-1] // 3)
            frame.frame(frame.buckets[-1])

    return run


def _name(card: Card) -> str:
    return "fused, overlap" if card.overlaps else "fused"


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="csm-1b")
    parser.add_argument("--device", default="cuda")
    given = parser.parse_args()
    device = torch.device(given.device)
    config = tiny() if given.model == "tiny" else preset(given.model)
    both = [card_of(device, overlaps=overlaps) for overlaps in (False, True)]
    cards = both if both[1].overlaps else both[:1]
    gb_s = copy_gb_s(device)
    print(f"torch {torch.__version__}; a copy moves {gb_s:.0f} GB/s")
    with torch.inference_mode():
        for card in cards:
            print(f"trial, {_name(card)}:")
            trials(config, device, card)
        print("products:")
        products(config, device, cards)
    print("whole frames:")
    whole_frames(config, device, cards, gb_s)


if __name__ == "__main__":
    main()
