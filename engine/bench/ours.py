"""Our side of the bench: the very parts that ``generator.py`` uses, with the end forbidden."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
from torch.profiler import record_function

from engine.bench.build import Wanted, load, precision_for, shape, use_threads
from engine.bench.memory import finish
from engine.bench.profiling import Part, profiled
from engine.bench.rows import About, Round
from engine.csm.model import CsmModel
from engine.runtime.ahead import StaticDecoder
from engine.runtime.decoders import make_decoder, stage_of
from engine.runtime.precision import bytes_per_frame
from engine.types import Sampling

CONTEXT_POSITIONS = 500
TEXT_POSITIONS = 40
TRIALS = 3
"""Times that the start of a line is measured in each round."""


class Ours:
    """One precision of ours, loaded and warmed up."""

    def __init__(self, wanted: Wanted) -> None:
        started = time.perf_counter()
        config = shape(wanted)
        use_threads(wanted, config)
        model, codec = load(wanted)
        self._device = model.device
        self._stream = codec.stream()
        self._decoder = make_decoder(model, Sampling(), 0)
        precision = precision_for(wanted, config)
        noise = np.random.default_rng(0)
        size = config.mimi.codebook_size
        self._codes = noise.integers(1, size, (CONTEXT_POSITIONS, config.codebooks), np.int64)
        self._text: list[int] = noise.integers(1, config.text_vocab, TEXT_POSITIONS).tolist()
        self._decoder.read(self._text, self._codes[:8])  # the first calls allocate and pick kernels
        self._decoder.draw(at_least=1)
        for _ in range(2):
            self._frame()
        finish(self._device)
        load_s = time.perf_counter() - started
        if self._device.type == "cuda":  # the first of each size loads its kernels
            self.round(2)
        halved = replace(config, backbone=replace(config.backbone, layers=0))
        backbone = bytes_per_frame(config, precision) - bytes_per_frame(halved, precision)
        self.about = About(
            name=f"parley {config.name}",
            precision=precision.value,
            device=str(self._device),
            rate_hz=config.mimi.frame_rate_hz,
            frame_bytes=bytes_per_frame(config, precision),
            feed_bytes=None if type(self._decoder) is StaticDecoder else backbone,
            load_s=load_s,
            decoder=type(self._decoder).__name__,
            note=_not_compiled() if self._device.type == "cpu" else _not_fused(model),
        )

    def round(self, frames: int) -> Round:
        """Both ways to begin a line, then ``frames`` frames with the sound of each."""
        decoder, stream = self._decoder, self._stream
        first_s: list[float] = []
        text_s: list[float] = []
        decoder.rollback(0)
        finish(self._device)
        began = time.perf_counter()
        decoder.read((), self._codes)
        decoder.read(self._text, self._codes[:0])
        finish(self._device)
        all_s = time.perf_counter() - began
        for _ in range(TRIALS):
            decoder.rollback(CONTEXT_POSITIONS)
            stream.reset()
            began = time.perf_counter()
            decoder.read(self._text, self._codes[:0])
            finish(self._device)
            text_s.append(time.perf_counter() - began)
            codes, _ = decoder.draw(at_least=1)
            stream.decode(codes[None])
            first_s.append(time.perf_counter() - began)
        parts: dict[str, list[float]] = defaultdict(list)
        frame_s: list[float] = []
        for _ in range(frames):
            ticks = self._frame()
            frame_s.append(ticks[3] - ticks[0])
            for name, start, end in zip(("feed", "draw", "mimi"), ticks, ticks[1:], strict=False):
                parts[name].append(end - start)
        return Round(frame_s, dict(parts), first_s, text_s, [all_s])

    def profile(self, frames: int = 8) -> list[Part]:
        """Where the time of a frame goes, by operation; after a round."""
        frame = self._frame if self._device.type == "cuda" else self._named_frame
        return profiled(frame, frames, self._device)

    def _named_frame(self) -> None:
        """A frame whose parts show in a profile: their own time is what is not torch's."""
        with record_function("feed, outside torch"):
            self._decoder.feed()
        with record_function("draw, outside torch"):
            codes, _ = self._decoder.draw(at_least=1)
        with record_function("Mimi, outside torch"):
            self._stream.decode(codes[None])

    def _frame(self) -> tuple[float, float, float, float]:
        """From the sound of one frame to the next: when each part began, and the end.

        Nothing waits for the card but what needs its results, as in a conversation.
        """
        began = time.perf_counter()
        self._decoder.feed()
        fed = time.perf_counter()
        codes, _ = self._decoder.draw(at_least=1)
        drawn = time.perf_counter()
        self._stream.decode(codes[None])
        return began, fed, drawn, time.perf_counter()


def _not_fused(model: CsmModel) -> str:
    """Whether a card runs PyTorch's kernels; '' where it runs fused ones."""
    if stage_of(model).frame.fused:
        return ""
    return "Kernels are PyTorch's: Triton is not there, or its kernels failed their trial."


def _not_compiled() -> str:
    """Why the CPU's compiled engine is not at work here; '' where it is."""
    from engine.native.library import reason

    return reason()
