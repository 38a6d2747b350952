"""The peer: transformers' ``CsmForConditionalGeneration``, as its users run it.

Same shapes, context, number of frames, temperature and top-k as ours, and its own loop with its own
depth decoder. Its weights are random, which changes no time; without an end-of-line id it never
ends early. A frame of its row has the sound in it as ``generate(output_audio=True)`` makes it: by its
own codec, all frames at once at the end, divided by their number, which is cheaper than frame by frame.
Its first audio is the whole prefill (``generate`` keeps no cache between calls), the first frame, and
the sound of that one frame, as if it could stream.

Its threads wait as those of the assistant do (``OMP_WAIT_POLICY``, PASSIVE unless the user sets it):
on an idle machine ACTIVE saves it a few per cent, on a busy one it would be many times slower.
"""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np
import torch

from engine.bench.build import (
    Wanted,
    default_dtype,
    precision_for,
    randomise,
    shape,
    use_threads,
)
from engine.bench.memory import finish
from engine.bench.ours import CONTEXT_POSITIONS, TEXT_POSITIONS
from engine.bench.profiling import Part, profiled
from engine.bench.rows import About, Round
from engine.errors import ModelError
from engine.runtime.device import pick_device
from engine.runtime.precision import Precision, bytes_per_frame
from engine.types import Sampling
from engine.weights.config_write import transformers_config

EAGER, COMPILED = "transformers eager", "transformers compiled"
_WARM_UP_FRAMES = 2


class Peer:
    """One mode of transformers' CSM, loaded and warmed up."""

    def __init__(self, wanted: Wanted, mode: str, frames: int) -> None:
        if importlib.util.find_spec("transformers") is None:
            raise ModelError("The peer needs transformers: pip install transformers.")
        started = time.perf_counter()
        config = shape(wanted)
        use_threads(wanted, config)
        precision = precision_for(wanted, config)
        if precision.quantised:
            precision = Precision.BF16
        self._device = pick_device(wanted.device)
        self._model = _build(transformers_config(config), self._device, precision.dtype)
        noise = torch.Generator().manual_seed(0)
        size = (1, CONTEXT_POSITIONS + TEXT_POSITIONS, config.codebooks)
        self._context = torch.randint(1, config.mimi.codebook_size, size, generator=noise)
        self._context = self._context.to(self._device)
        self._static, card = mode == COMPILED, self._device.type == "cuda"
        # On a card the first of each size loads its kernels.
        if self._static:  # a graph belongs to one size of the cache: warm up with the very run
            self._model.depth_decoder.generation_config.cache_implementation = "static"
            self._generate(self._context, frames + 1)
        else:
            self._generate(self._context if card else self._context[:, :8], _WARM_UP_FRAMES)
        for count in (1, frames) if card else (_WARM_UP_FRAMES,):
            self._sound(count)
        self.about = About(
            name=mode.replace("transformers", f"transformers {config.name}"),
            precision=precision.value,
            device=str(self._device),
            rate_hz=config.mimi.frame_rate_hz,
            frame_bytes=bytes_per_frame(config, precision),
            load_s=time.perf_counter() - started,
            note="Its sound is its own codec's, all frames at once at the end; its first audio "
            "has the whole prefill.",
        )

    def round(self, frames: int) -> Round:
        """The whole context, then ``frames`` frames after the first, and the sound of all."""
        first, *times = self._generate(self._context, frames + 1)
        one_s, all_s = self._sound(1), self._sound(frames) / frames
        return Round(
            [spent + all_s for spent in times],
            {"mimi": [all_s]},
            [first + one_s],
            (),
            [self._prefill()],
        )

    def profile(self, frames: int = 4) -> list[Part]:
        """Where the time of a frame goes, by operation, a short prefill included.

        Of the compiled mode it is not told: another length would be compiled anew.
        """
        if self._static:
            return []
        short = self._context[:, :8]
        run = profiled(lambda: self._generate(short, frames), 1, self._device)
        return [Part(p.name, p.ms / frames, p.calls / frames, p.share) for p in run]

    def _generate(self, context: torch.Tensor, frames: int) -> list[float]:
        """Seconds for each frame; the first has the prefill in it."""
        sampling = Sampling()
        ticks = _Ticks()
        options: dict[str, Any] = {"cache_implementation": "static"} if self._static else {}
        with torch.inference_mode():
            finish(self._device)
            ticks.at.append(time.perf_counter())
            self._model.generate(
                input_ids=context,
                max_new_tokens=frames,
                do_sample=True,
                temperature=sampling.temperature,
                top_k=sampling.top_k,
                depth_decoder_do_sample=True,
                depth_decoder_temperature=sampling.temperature,
                depth_decoder_top_k=sampling.top_k,
                streamer=ticks,
                **options,
            )
        made = np.diff(ticks.at).tolist()
        if len(made) != frames:
            raise ModelError(
                f"The peer made {len(made)} frames where {frames} were wanted: this version of "
                "transformers generates in another way."
            )
        return made

    def _prefill(self) -> float:
        """The context and text through its backbone alone, in seconds."""
        with torch.inference_mode():
            finish(self._device)
            began = time.perf_counter()
            self._model(input_ids=self._context, use_cache=True, logits_to_keep=1)
            finish(self._device)
            return time.perf_counter() - began

    def _sound(self, frames: int) -> float:
        """Seconds for the sound of so many frames, at once."""
        codes = self._context[:, :1].expand(-1, frames, -1).transpose(1, 2).contiguous()
        with torch.inference_mode():
            finish(self._device)
            began = time.perf_counter()
            self._model.codec_model.decode(codes)
            finish(self._device)
            return time.perf_counter() - began


class _Ticks:
    """A streamer of transformers that notes when each frame is there."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def put(self, value: torch.Tensor) -> None:
        """A frame (1, K) is there, on the CPU by now; the prompt (1, T, K) comes first."""
        if value.dim() == 2:
            self.at.append(time.perf_counter())

    def end(self) -> None:
        """The line is over."""


def _build(config: dict[str, object], device: torch.device, dtype: torch.dtype) -> Any:
    """The model of random weights, without an id that ends a line."""
    import transformers
    from transformers.initialization import no_init_weights

    library: Any = transformers
    library.logging.set_verbosity_error()
    with default_dtype(dtype), torch.device(device), no_init_weights():
        model = library.CsmForConditionalGeneration(library.CsmConfig.from_dict(config))
    model = model.eval()
    randomise(model)
    for part in (model, model.depth_decoder):
        part.generation_config.eos_token_id = None
        part.generation_config.pad_token_id = 0
    return model
