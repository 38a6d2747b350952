"""Codes to sound, a few frames a call: static shapes, few operations, all memory written in place.

The sum of the codebooks' rows goes through the two output projections as one product, is spread
over the encoder's rate, passes the transformer, and SEANet's decoder makes samples of it. Nothing
waits for the device and no shape depends on values, so a call of any fixed number of frames can be
captured as a CUDA graph.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from engine.config import MimiConfig
from engine.mimi.attention import RingTransformer
from engine.mimi.graphs import Rows
from engine.mimi.memory import StreamMemory
from engine.mimi.packed import Packed
from engine.mimi.rows import Conv, Residual, Weights, conv, residual, up_conv


class Decoder:
    """The decoding half of a Mimi, with weights of its own layout.

    Args:
        weights: the codec's tensors under Kyutai's names; they are copied.
        tables: their ``codebooks``.
        config: sizes.
        half: whether weights whose reading takes the time may be rounded to fp16.
    """

    def __init__(self, weights: Weights, tables: Tensor, config: MimiConfig, *, half: bool) -> None:
        self._config, self.device = config, tables.device
        self.given = Rows(config.codebooks, torch.int64)
        self.made = Rows(config.frame_samples, torch.float32)
        self._table = tables.flatten(0, 1)
        self._starts = torch.arange(config.codebooks, device=tables.device) * config.codebook_size
        names = [f"quantizer.rvq_{part}.output_proj.weight" for part in ("first", "rest")]
        self._project = Packed(torch.cat([weights[name][..., 0] for name in names], 1), half=half)
        spread = weights["upsample.convtr.convtr.convtr.weight"][:, 0].T.contiguous()
        self._spread_now, self._spread_before = spread.chunk(2)
        self._transformer = RingTransformer(weights, "decoder_transformer", config, half=half)
        self._first, self._blocks, self._last = _seanet(weights, config, half)

    def memory(self, frames: int, multiple: int = 1) -> StreamMemory:
        """Memory of a new stream that is given up to ``frames`` frames a call.

        Its ring has a ``multiple`` of so many places.
        """
        config = self._config
        contexts = [(1, config.width), self._first.context]
        for up, residuals in self._blocks:
            contexts += [up.context, *(block.narrow.context for block in residuals)]
        return StreamMemory(
            [*contexts, self._last.context],
            layers=config.layers,
            capacity=config.context + frames * self._spread_now.shape[0] - 1,
            multiple=multiple,
            entry=self._transformer.entry,
            device=self.device,
        )

    def __call__(self, ids: Tensor, memory: StreamMemory) -> Tensor:
        """The next sound (T, frame_samples) for the next codes ``ids`` (T, K), on the device."""
        contexts = iter(memory.contexts)
        rows = self._transformer(self._spread(self._latents(ids), next(contexts)), memory)
        rows = self._first(rows, next(contexts))
        for up, residuals in self._blocks:
            channels = rows.shape[1] // 2
            rows = up(functional.elu_(rows), next(contexts)).view(-1, channels)
            for block in residuals:
                rows = block(rows, next(contexts))
        return self._last(functional.elu_(rows), next(contexts)).view(ids.shape[0], -1)

    def _latents(self, ids: Tensor) -> Tensor:
        """(T, width) of codes (T, K)."""
        chosen = self._table[ids + self._starts]
        first = self._config.semantic_codebooks
        sums = (chosen[:, :first].sum(1), chosen[:, first:].sum(1))
        return self._project(torch.cat(sums, 1))

    def _spread(self, latents: Tensor, before: Tensor) -> Tensor:
        """(T · steps a frame, width): the transposed convolution of each channel for itself."""
        joined = torch.cat((before, latents))
        before.copy_(latents[-1:])
        now = joined[1:, None] * self._spread_now
        return now.addcmul_(joined[:-1, None], self._spread_before).flatten(0, 1)


def codebooks(weights: Weights, config: MimiConfig) -> Tensor:
    """All codebooks' rows (K, size, dim), semantic ones first."""
    rest = config.codebooks - config.semantic_codebooks
    stems = [f"quantizer.rvq_first.vq.layers.{k}" for k in range(config.semantic_codebooks)]
    stems += [f"quantizer.rvq_rest.vq.layers.{k}" for k in range(rest)]
    tables: list[Tensor] = []
    for stem in stems:
        used = weights[f"{stem}._codebook.cluster_usage"].clamp(min=1e-5)
        tables.append(weights[f"{stem}._codebook.embedding_sum"] / used[:, None])
    return torch.stack(tables)


def _seanet(
    weights: Weights, config: MimiConfig, half: bool
) -> tuple[Conv, list[tuple[Conv, list[Residual]]], Conv]:
    """SEANet's decoder: the first convolution, the blocks that each raise the rate, the last."""
    steps, index = round(config.encoder_rate_hz / config.frame_rate_hz), 0
    first = conv(weights, "decoder.model.0.conv.conv", rows=steps, half=half)
    blocks: list[tuple[Conv, list[Residual]]] = []
    for ratio in config.ratios:
        index += 2  # an activation lies between
        name = f"decoder.model.{index}.convtr.convtr"
        up = up_conv(weights, name, rows=steps, half=half)
        steps *= ratio
        residuals: list[Residual] = []
        for layer in range(config.residual_layers):
            index += 1
            dilation = config.dilation_base**layer
            name = f"decoder.model.{index}"
            residuals.append(residual(weights, name, rows=steps, dilation=dilation))
        blocks.append((up, residuals))
    last = conv(weights, f"decoder.model.{index + 2}.conv.conv", rows=steps)
    return first, blocks, last
