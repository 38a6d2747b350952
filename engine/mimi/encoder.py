"""Sound to codes, block after block: the mirror of the decoder, built of the same rows.

No weight is rounded here: the codes are what the model was trained on, and a block has many rows.
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
from engine.mimi.rows import Conv, Residual, Weights, conv, down_conv, residual


class Encoder:
    """The encoding half of a Mimi, with weights of its own layout.

    Args:
        weights: the codec's tensors under Kyutai's names; they are copied.
        tables: their ``codebooks``.
        config: sizes.
    """

    def __init__(self, weights: Weights, tables: Tensor, config: MimiConfig) -> None:
        self._config, self.device = config, tables.device
        self.given = Rows(config.frame_samples, torch.float32)
        self.made = Rows(config.codebooks, torch.int64)
        self._first, self._blocks, self._last = _seanet(weights, config)
        self._transformer = RingTransformer(weights, "encoder_transformer", config, half=False)
        self._gather = down_conv(weights, "downsample.conv.conv.conv", rows=2)
        names = [f"quantizer.rvq_{part}.input_proj.weight" for part in ("first", "rest")]
        self._project = Packed(torch.cat([weights[name][..., 0] for name in names]))
        self._tables = tables.unbind()
        self._nearness = [Packed(table, -0.5 * table.square().sum(1)) for table in self._tables]

    def memory(self, frames: int, multiple: int = 1) -> StreamMemory:
        """Memory of a new stream that is given up to ``frames`` frames a call.

        Its ring has a ``multiple`` of so many places.
        """
        config = self._config
        contexts = [self._first.context]
        for residuals, down in self._blocks:
            contexts += [*(block.narrow.context for block in residuals), down.context]
        steps = self._gather.channels // config.width
        return StreamMemory(
            [*contexts, self._last.context, self._gather.context],
            layers=config.layers,
            capacity=config.context + frames * steps - 1,
            multiple=multiple,
            entry=self._transformer.entry,
            device=self.device,
        )

    def __call__(self, sound: Tensor, memory: StreamMemory) -> Tensor:
        """The next codes (T, K) of the next ``sound`` (T, frame_samples), on the device."""
        contexts = iter(memory.contexts)
        rows = self._first(sound.reshape(-1, 1), next(contexts))
        for residuals, down in self._blocks:
            for block in residuals:
                rows = block(rows, next(contexts))
            rows = down(functional.elu_(rows).view(-1, down.channels), next(contexts))
        rows = self._last(functional.elu_(rows), next(contexts))
        fresh = memory.now == 0
        rows = self._transformer(rows, memory)
        before = next(contexts)
        steps = before.shape[1] // rows.shape[1]
        before.copy_(torch.where(fresh, rows[:1].repeat(1, steps), before))  # the first repeats
        return self._quantise(self._gather(rows.reshape(-1, before.shape[1]), before))

    def _quantise(self, latents: Tensor) -> Tensor:
        """Codes (T, K): each codebook takes the row nearest to what those before it left."""
        first = self._config.semantic_codebooks
        semantic, acoustic = self._project(latents).chunk(2, 1)
        codes: list[Tensor] = []
        for index, (table, nearness) in enumerate(zip(self._tables, self._nearness, strict=True)):
            rest = acoustic if index >= first else semantic
            nearest = nearness(rest).argmax(1)
            codes.append(nearest)
            if index >= first:
                acoustic = acoustic - table[nearest]
            else:
                semantic = semantic - table[nearest]
        return torch.stack(codes, 1)


def _seanet(
    weights: Weights, config: MimiConfig
) -> tuple[Conv, list[tuple[list[Residual], Conv]], Conv]:
    """SEANet's encoder: the first convolution, the blocks that each lower the rate, the last."""
    steps, index = config.frame_samples, 0
    first = conv(weights, "encoder.model.0.conv.conv", rows=steps)
    blocks: list[tuple[list[Residual], Conv]] = []
    for ratio in reversed(config.ratios):
        residuals: list[Residual] = []
        for layer in range(config.residual_layers):
            index += 1
            dilation = config.dilation_base**layer
            name = f"encoder.model.{index}"
            residuals.append(residual(weights, name, rows=steps, dilation=dilation))
        steps //= ratio
        index += 2  # an activation lies between
        down = down_conv(weights, f"encoder.model.{index}.conv.conv", rows=steps)
        blocks.append((residuals, down))
    last = conv(weights, f"encoder.model.{index + 2}.conv.conv", rows=steps)
    return first, blocks, last
