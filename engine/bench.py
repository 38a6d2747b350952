"""How fast the engine is on this machine: one row per model, precision and peer.

The frames are made by the very parts that ``generator.py`` uses, with the end of the line
forbidden so that every run makes the same number of frames. ``limit_share`` is the time that
reading each weight once per use would take at the measured memory bandwidth, over the time taken.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.config import CsmConfig, TransformerConfig, preset
from engine.csm.model import CsmModel
from engine.errors import ModelError
from engine.mimi.codec import MimiCodec, MimiStream
from engine.runtime.decoder import Decoder
from engine.runtime.decoders import make_decoder
from engine.runtime.device import pick_device, pick_dtype
from engine.types import Sampling

TEXT_POSITIONS = 40
CONTEXT_POSITIONS = 250


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Times in milliseconds, memory in GB (process peak on a CPU)."""

    name: str
    precision: str
    device: str
    rtf: float
    frame_ms_p50: float
    frame_ms_p99: float
    first_audio_ms: float
    peak_memory_gb: float | None
    limit_share: float
    load_s: float
    frames: int


def run(
    *,
    model: Path | str,
    random_weights: bool = False,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    frames: int = 100,
    peer: str | None = None,
) -> dict[str, Any]:
    """Measure and return ``{"rows": [...], ...}``.

    Args:
        model: folder of a model, or a preset's name with ``random_weights``.
        random_weights: build the preset's shapes without any checkpoint.
        device: as for ``SpeechEngine.load``.
        precision: as for ``SpeechEngine.load``.
        threads: as for ``SpeechEngine.load``.
        frames: frames per measurement.
        peer: ``transformers`` adds a row for its eager CSM with the same weights and context.

    Raises:
        EngineError: when the model cannot be loaded, or the peer is unknown or not installed.
    """
    if peer not in (None, "transformers"):
        raise ModelError(f"The peer '{peer}' is unknown: use transformers.")
    started = time.perf_counter()
    network, codec = _build(model, random_weights, device, precision, threads)
    load_s = time.perf_counter() - started
    longest = network.config.backbone.max_positions - CONTEXT_POSITIONS - TEXT_POSITIONS - 2
    if frames > longest:
        raise ModelError(f"{frames} frames do not fit the model's window: use at most {longest}.")
    rows = [_measure(network, codec, frames, load_s)]
    if peer == "transformers":
        from engine.bench_peer import measure_transformers

        rows.append(measure_transformers(network, codec, frames))
    return {
        "rows": [asdict(row) for row in rows],
        "bandwidth_gb_s": copy_bandwidth(network.device) / 1e9,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def _build(
    model: Path | str, random_weights: bool, device: str, precision: str, threads: int | None
) -> tuple[CsmModel, MimiCodec]:
    if not random_weights:
        from engine.runtime.load import load_parts

        network, codec, _, _ = load_parts(
            Path(model), device=device, precision=precision, threads=threads
        )
        return network, codec
    try:
        config = preset(str(model))
    except KeyError as error:
        raise ModelError(
            f"'{model}' is not a known shape: use csm-1b or csm-nano with --random-weights."
        ) from error
    where = pick_device(device)
    if threads is not None:
        torch.set_num_threads(threads)
    dtype = pick_dtype(precision, where, weights_read(config))
    with torch.device(where):
        previous = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            network = CsmModel(config).eval()
        finally:
            torch.set_default_dtype(previous)
    return network, MimiCodec(config.mimi, where)


@dataclass(slots=True)
class _Run:
    """The generation loop without text and end: one frame a call."""

    decoder: Decoder
    stream: MimiStream

    def frame(self) -> None:
        codes, _ = self.decoder.draw(at_least=1)
        self.stream.decode(codes[None])
        self.decoder.feed()


def _begin(model: CsmModel, codec: MimiCodec) -> tuple[_Run, float]:
    """Prefill a context, then time the text of a line and its first frame (seconds)."""
    config = model.config
    noise = np.random.default_rng(0)
    codes = noise.integers(
        1, config.mimi.codebook_size, (CONTEXT_POSITIONS, config.codebooks), np.int64
    )
    text = noise.integers(1, config.text_vocab, TEXT_POSITIONS).tolist()
    decoder = make_decoder(model, Sampling(), 0)
    decoder.read((), codes)
    run = _Run(decoder, codec.stream())
    started = time.perf_counter()
    decoder.read(text, codes[:0])
    run.frame()
    _finish(model.device)
    return run, time.perf_counter() - started


def _measure(model: CsmModel, codec: MimiCodec, frames: int, load_s: float) -> Row:
    _begin(model, codec)  # warm-up: the first calls allocate and pick kernels
    run, first_s = _begin(model, codec)
    times: list[float] = []
    for _ in range(frames):
        started = time.perf_counter()
        run.frame()
        _finish(model.device)
        times.append(time.perf_counter() - started)
    config = model.config
    floor_s = bytes_read(config, model.dtype) / copy_bandwidth(model.device)
    return Row(
        name=f"parley {config.name}",
        precision={torch.bfloat16: "bf16", torch.float32: "fp32"}[model.dtype],
        device=str(model.device),
        rtf=float(np.mean(times)) * config.mimi.frame_rate_hz,
        frame_ms_p50=float(np.percentile(times, 50)) * 1000,
        frame_ms_p99=float(np.percentile(times, 99)) * 1000,
        first_audio_ms=first_s * 1000,
        peak_memory_gb=peak_memory_gb(model.device),
        limit_share=floor_s / float(np.mean(times)),
        load_s=load_s,
        frames=frames,
    )


def weights_read(config: CsmConfig) -> int:
    """Weights read to make one frame, the depth decoder's once per codebook."""

    def layers(part: TransformerConfig) -> int:
        attention = part.width * part.head_dim * 2 * (part.heads + part.kv_heads)
        return part.layers * (attention + 3 * part.width * part.ffn)

    steps = config.codebooks - 1
    heads = config.audio_vocab * (config.backbone.width + steps * config.depth.width)
    projection = config.codebooks * config.backbone.width * config.depth.width
    return layers(config.backbone) + steps * layers(config.depth) + heads + projection


def bytes_read(config: CsmConfig, dtype: torch.dtype) -> int:
    """``weights_read`` in bytes."""
    return weights_read(config) * dtype.itemsize


def copy_bandwidth(device: torch.device, size: int = 1 << 28) -> float:
    """Bytes a second that a plain copy reads and writes, best of five."""
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(5):
        _finish(device)
        started = time.perf_counter()
        target.copy_(source)
        _finish(device)
        best = min(best, time.perf_counter() - started)
    return 2 * size / best


def peak_memory_gb(device: torch.device) -> float | None:
    """Most memory so far: of the card, or of this process; None where it is not told."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
