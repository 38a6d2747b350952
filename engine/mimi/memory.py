"""What a stream remembers: a few tensors that are only ever written in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

_NEVER: Final = -(1 << 40)
"""Position of a place in the ring that nothing was written to: too far back for any attention."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of all that one direction of a stream remembers."""

    values: Tensor
    places: Tensor


class StreamMemory:
    """The convolutions' last inputs, the attention's ring of keys and values, and the position.

    Args:
        contexts: shape (rows, channels) of each convolution's memory, in order.
        layers: attention layers.
        capacity: places in the ring, at least.
        multiple: the ring has a multiple of so many.
        entry: what one layer keeps per place: heads (of keys, then of values) and their size.
        device: where the tensors are.

    Attributes:
        contexts: one tensor per convolution.
        ring: (layers, heads, capacity, size).
        now: (1,), the position of the next step, on the device.
        held: (capacity,), the position that each place of the ring holds.
    """

    def __init__(
        self,
        contexts: Sequence[tuple[int, int]],
        *,
        layers: int,
        capacity: int,
        multiple: int,
        entry: tuple[int, int],
        device: torch.device,
    ) -> None:
        capacity = -(-capacity // multiple) * multiple
        heads, size = entry
        sizes = [rows * channels for rows, channels in contexts] + [
            layers * capacity * heads * size
        ]
        self._values = torch.empty(sum(sizes), device=device)
        self._places = torch.empty(1 + capacity, dtype=torch.int64, device=device)
        *parts, ring = self._values.split(sizes)
        self.contexts = [part.view(shape) for part, shape in zip(parts, contexts, strict=True)]
        self.ring = ring.view(layers, heads, capacity, size)
        self.now, self.held = self._places.split([1, capacity])
        self.reset()

    def reset(self) -> None:
        """As new."""
        self._values.zero_()
        self._places.fill_(_NEVER)
        self.now.zero_()

    def save(self) -> Snapshot:
        """A copy to come back to."""
        return Snapshot(self._values.clone(), self._places.clone())

    def restore(self, snapshot: Snapshot) -> None:
        """Be as when ``snapshot`` was taken, exactly."""
        self._values.copy_(snapshot.values)
        self._places.copy_(snapshot.places)
