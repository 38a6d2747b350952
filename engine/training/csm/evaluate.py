"""Listening while training: speak held-out sentences and compare them with espeak's own rendering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.csm.model import CsmModel
from engine.evaluation.dtw import log_mel_frames, warped_distance
from engine.mimi.codec import MimiCodec
from engine.nn.kv_cache import KVCache
from engine.training.csm.sequences import Piece, lay_out
from engine.training.csm.store import Line
from engine.training.csm.text import segment_ids


@dataclass(frozen=True, slots=True)
class Sampling:
    """Temperature per codebook (0: greedy); for more codebooks than given the last one holds."""

    temperatures: tuple[float, ...] = (0.0,)
    top_k: int = 50

    def temperature(self, codebook: int) -> float:
        """Of this codebook."""
        return self.temperatures[min(codebook, len(self.temperatures) - 1)]


@torch.no_grad()
def speak(
    model: CsmModel,
    context: Sequence[Piece],
    text: str,
    speaker: int = 0,
    sampling: Sampling | None = None,
    seed: int = 0,
) -> tuple[NDArray[np.uint16], bool]:
    """Codes (T, K) of `text` after the segments of `context`, and whether an EOS frame ended them.

    A plain loop without the guards of the real generator: it shows what the model does by itself.
    """
    sampling = sampling or Sampling()
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    ids = segment_ids(text, speaker)
    prefix = np.zeros((len(ids), config.codebooks + 1), np.int64)
    prefix[:, -1] = ids
    audio = np.zeros(len(ids), bool)
    if context:
        past = lay_out(list(context), config.codebooks)
        prefix, audio = np.concatenate([past.frames, prefix]), np.concatenate([past.audio, audio])
    mask = np.concatenate([np.repeat(audio[:, None], config.codebooks, 1), ~audio[:, None]], 1)
    longest = min(12 + 2 * len(text), config.backbone.max_positions - len(prefix) - 1)
    cache = KVCache(config.backbone, 1, model.device, model.dtype, len(prefix) + longest + 1)
    x = model.embed(torch.from_numpy(prefix)[None], torch.from_numpy(mask)[None])
    hidden = model.backbone(x, cache)[:, -1]
    frames: list[list[int]] = []
    while len(frames) < longest:
        codes = _frame(model, hidden, sampling, generator)
        if not any(codes):
            return np.array(frames, np.uint16).reshape(-1, config.codebooks), True
        frames.append(codes)
        hidden = model.backbone(model.embed_audio(torch.tensor([[codes]])), cache)[:, -1]
    return np.array(frames, np.uint16), False


def _frame(
    model: CsmModel, hidden: Tensor, sampling: Sampling, generator: torch.Generator
) -> list[int]:
    codes = [_pick(model, model.codebook0_head(hidden), 0, sampling, generator)]
    cache = KVCache(model.config.depth, 1, model.device, model.dtype)
    logits = model.depth_start(hidden, torch.tensor(codes), cache)
    for codebook in range(1, model.config.codebooks):
        codes.append(_pick(model, logits, codebook, sampling, generator))
        if codebook + 1 < model.config.codebooks:
            logits = model.depth_step(torch.tensor(codes[-1:]), codebook, cache)
    return codes


def _pick(
    model: CsmModel, logits: Tensor, codebook: int, sampling: Sampling, generator: torch.Generator
) -> int:
    values = logits[0].float()
    values[model.config.mimi.codebook_size :] = -torch.inf
    temperature = sampling.temperature(codebook)
    if temperature <= 0:
        return int(values.argmax())
    top = values.topk(min(sampling.top_k, len(values)))
    drawn = torch.multinomial((top.values / temperature).softmax(0), 1, generator=generator)
    return int(top.indices[drawn])


def dtw_distance(made: NDArray[np.float32], real: NDArray[np.float32]) -> float:
    """Mean log-mel L1 along the best alignment of two waves (24 kHz)."""
    return warped_distance(log_mel_frames(made), log_mel_frames(real))


@dataclass(frozen=True, slots=True)
class Figures:
    """What a listening test found."""

    sentences: int
    ended: float
    duration_ratio: float
    duration_within_15_percent: float
    dtw_l1: float
    codec_dtw_l1: float


def listen(
    model: CsmModel,
    codec: MimiCodec,
    references: Sequence[tuple[Line, NDArray[np.float32]]],
    prompts: dict[int, Line],
    sampling: Sampling | None = None,
) -> tuple[Figures, list[NDArray[np.float32]]]:
    """Speak each reference line in its group's voice; also returns the sounds."""
    ended: list[bool] = []
    ratios: list[float] = []
    distances: list[float] = []
    floors: list[float] = []
    sounds: list[NDArray[np.float32]] = []
    for number, (line, wave) in enumerate(references):
        context = [Piece(prompts[line.group], 0)]
        codes, stopped = speak(model, context, line.text, 0, sampling, number)
        made = codec.decode(codes.astype(np.int64))
        sounds.append(made)
        ended.append(stopped)
        ratios.append(len(codes) / line.frames)
        if len(made):
            distances.append(dtw_distance(made, wave))
        floors.append(dtw_distance(codec.decode(line.codes.astype(np.int64)), wave))
    within = [abs(ratio - 1) <= 0.15 for ratio in ratios]
    return (
        Figures(
            len(references),
            float(np.mean(ended)),
            float(np.median(ratios)),
            float(np.mean(within)),
            float(np.mean(distances)),
            float(np.mean(floors)),
        ),
        sounds,
    )
