"""The peer of the bench: transformers' ``CsmForConditionalGeneration``, eager, as its users run it.

Same shapes, number format, context length and number of frames as our own row; its weights are
random, which changes no time and keeps it from ending early.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine.csm.model import CsmModel
from engine.errors import ModelError
from engine.mimi.codec import MimiCodec
from engine.weights.config_write import transformers_config

if TYPE_CHECKING:
    from engine.bench import Row


def measure_transformers(model: CsmModel, codec: MimiCodec, frames: int) -> Row:
    """One row for transformers, with the Mimi decode of our own codec counted in for each frame.

    Raises:
        ModelError: when transformers is not installed.
    """
    from engine.bench import CONTEXT_POSITIONS, Row, bytes_read, copy_bandwidth
    from engine.bench import peak_memory_gb as peak

    try:
        import transformers
    except ImportError as error:
        raise ModelError("The peer needs transformers: pip install transformers.") from error
    library: Any = transformers
    config = model.config
    started = time.perf_counter()
    with torch.device(model.device):
        peer: Any = library.CsmForConditionalGeneration(
            library.CsmConfig.from_dict(transformers_config(config))
        )
    peer = peer.to(dtype=model.dtype).eval()
    load_s = time.perf_counter() - started
    context = torch.randint(
        1, config.mimi.codebook_size, (1, CONTEXT_POSITIONS, config.codebooks)
    ).to(model.device)
    ticks: list[float] = []

    def tick(*_: object) -> None:
        """Each frame begins with one call of the backbone."""
        ticks.append(time.perf_counter())

    peer.backbone_model.register_forward_pre_hook(tick)
    stream = codec.stream()
    for count in (2, frames + 2):  # the first round warms up
        ticks.clear()
        with torch.inference_mode():
            peer.generate(
                input_ids=context,
                max_new_tokens=count,
                do_sample=True,
            )
    sound: list[float] = []
    for _ in range(20):
        begun = time.perf_counter()
        stream.decode(context[0, :1].cpu().numpy())
        sound.append(time.perf_counter() - begun)
    # The first interval holds the prefill of the whole context: transformers keeps no cache between
    # calls, so that is what a user waits for.
    first, *times = np.diff(ticks) + float(np.median(sound))
    floor_s = bytes_read(config, model.dtype) / copy_bandwidth(model.device)
    return Row(
        name=f"transformers {config.name}",
        precision={torch.bfloat16: "bf16", torch.float32: "fp32"}[model.dtype],
        device=str(model.device),
        rtf=float(np.mean(times)) * config.mimi.frame_rate_hz,
        frame_ms_p50=float(np.percentile(times, 50)) * 1000,
        frame_ms_p99=float(np.percentile(times, 99)) * 1000,
        first_audio_ms=float(first) * 1000,
        peak_memory_gb=peak(model.device),
        limit_share=floor_s / float(np.mean(times)),
        load_s=load_s,
        frames=len(times),
    )
