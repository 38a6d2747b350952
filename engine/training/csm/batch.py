"""A batch of sequences as tensors, with the history corrupted.

History corruption cures drift: the model learns to go on sensibly from frames that are partly wrong, as
its own are. Inputs only: targets are always the true codes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.training.csm.sequences import Sequence


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded sequences.

    inputs (B, T, K+1) and mask (B, T, K+1); targets (B, T, K): the true codes of the frame at t+1; weight
    (B, T) of predicting it (0: not scored); end (B, T): whether that frame is EOS; spoken (B, T) and
    span (B, T, 2) as in `Sequence`.
    """

    inputs: Tensor
    mask: Tensor
    targets: Tensor
    weight: Tensor
    end: Tensor
    spoken: Tensor
    span: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch elsewhere."""
        return Batch(*(getattr(self, part.name).to(device) for part in fields(self)))

    @property
    def scored_frames(self) -> int:
        """Audio frames that are predicted."""
        return int((self.weight > 0).sum())


@dataclass(frozen=True, slots=True)
class Corruption:
    """Chance per codebook that an input code is replaced, early and late in training.

    For more codebooks than given the last value holds. `most` bounds the factor drawn per segment.
    """

    early: tuple[float, ...] = (0.08, 0.12, 0.30, 0.50)
    late: tuple[float, ...] = (0.24, 0.30, 0.40, 0.50)
    grown: float = 0.7
    most: float = 1.6

    def chances(self, progress: float, codebooks: int) -> NDArray[np.float64]:
        """(K,) at this share of the training."""
        share = min(1.0, progress / self.grown)

        def stretched(values: tuple[float, ...]) -> NDArray[np.float64]:
            return np.array([values[min(k, len(values) - 1)] for k in range(codebooks)])

        return stretched(self.early) * (1 - share) + stretched(self.late) * share


def corrupt(
    sequence: Sequence, chances: NDArray[np.float64], most: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The sequence's frames with codes replaced by those of random other frames of it.

    Text and EOS frames stay as they are, and the sequence itself is not touched.
    """
    frames = sequence.frames.copy()
    codebooks = frames.shape[1] - 1
    places = np.flatnonzero(sequence.corruption > 0)
    if len(places) == 0:
        return frames
    factors = rng.uniform(0, most, int(sequence.segment.max()) + 1)[sequence.segment[places]]
    factors = factors * sequence.corruption[places]
    hit = rng.random((len(places), codebooks)) < factors[:, None] * chances[None]
    others = places[rng.integers(0, len(places), (len(places), codebooks))]
    codes = sequence.frames[:, :codebooks]
    replaced = np.where(hit, np.take_along_axis(codes, others, 0), codes[places])
    frames[places, :codebooks] = replaced
    return frames


def collate(
    sequences: list[Sequence],
    corruption: Corruption | None,
    progress: float,
    rng: np.random.Generator,
) -> Batch:
    """Pad to the longest; positions of padding have an empty mask and no weight."""
    codebooks = sequences[0].frames.shape[1] - 1
    longest = max(len(sequence.frames) for sequence in sequences)
    shape = (len(sequences), longest)
    inputs = np.zeros((*shape, codebooks + 1), np.int64)
    mask = np.zeros((*shape, codebooks + 1), bool)
    targets = np.zeros((*shape, codebooks), np.int64)
    weight, end = np.zeros(shape, np.float32), np.zeros(shape, bool)
    spoken, span = np.full(shape, -1.0, np.float32), np.zeros((*shape, 2), np.int64)
    for row, sequence in enumerate(sequences):
        time = len(sequence.frames)
        if corruption is None:
            inputs[row, :time] = sequence.frames
        else:
            chances = corruption.chances(progress, codebooks)
            inputs[row, :time] = corrupt(sequence, chances, corruption.most, rng)
        mask[row, :time, :codebooks] = sequence.audio[:, None]
        mask[row, :time, codebooks] = ~sequence.audio
        targets[row, : time - 1] = sequence.frames[1:, :codebooks]
        weight[row, :time] = sequence.weight
        end[row, : time - 1] = sequence.audio[1:] & (sequence.frames[1:, :codebooks] == 0).all(1)
        spoken[row, :time] = sequence.spoken
        span[row, :time] = sequence.span
    return Batch(*(torch.from_numpy(a) for a in (inputs, mask, targets, weight, end, spoken, span)))
