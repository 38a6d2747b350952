"""How a direction of the codec runs on a card: as CUDA graphs that were captured when it was loaded.

There is one graph for each size in ``PIECES``, on a stream of their own, so that the sound of a frame
is made while the next one is drawn; that stream goes first where both want the card, because its work
is short and awaited. Everything lies at fixed addresses: the memory of the stream, what goes in, what
comes out, and the pinned pages between them and the host, which waits once a call.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.errors import DeviceError
from engine.mimi.memory import StreamMemory

PIECES: Final = (4, 2, 1)
"""Frames of a graph, the largest first; more are made one piece after the other."""

_WARM_UPS: Final = 2
"""Runs before a capture: libraries choose kernels and allocate workspaces in the first."""

_RING_MULTIPLE: Final = 16
"""Attention on a card copies its mask, layer after layer, unless rows are a multiple of this."""

_BLOCK_FRAMES: Final = 32
"""Frames of the pinned pages; the host waits once for so many."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a network takes, or makes, of one frame."""

    width: int
    dtype: torch.dtype

    def rows(self, frames: int, device: torch.device | str = "cpu") -> Tensor:
        """Zeros (frames, width)."""
        return torch.zeros((frames, self.width), dtype=self.dtype, device=device)


class Network(Protocol):
    """A direction of the codec: static shapes, and a memory that is only written in place."""

    device: torch.device
    given: Rows
    made: Rows

    def memory(self, frames: int, multiple: int = 1) -> StreamMemory:
        """Memory of a new stream that is given up to ``frames`` frames a call."""
        ...

    def __call__(self, given: Tensor, memory: StreamMemory, /) -> Tensor:
        """What it makes (T, out) of the next frames (T, in), on the device; waits for nothing."""
        ...


class Runner(Protocol):
    """Runs a network on one memory."""

    memory: StreamMemory

    def on(self) -> Any:
        """A context in which everything about the memory happens."""
        ...

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """What the network makes (T, out) of the next frames (T, in)."""
        ...


def pieces(frames: int) -> list[tuple[int, int]]:
    """``frames`` cut into ``PIECES``: where each begins, and its size."""
    cut: list[tuple[int, int]] = []
    first = 0
    for size in PIECES:
        while frames - first >= size:
            cut.append((first, size))
            first += size
    return cut


class Direct:
    """Runs it as it is, in the very pieces of the graphs: what those are held to."""

    def __init__(self, network: Network) -> None:
        self.memory = network.memory(PIECES[0], _RING_MULTIPLE)
        self._network = network

    @contextmanager
    def on(self) -> Generator[None, None, None]:
        """See ``Runner.on``."""
        with torch.inference_mode():
            yield

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """See ``Runner.run``."""
        network, made = self._network, self._network.made.rows(len(given))
        for first, size in pieces(len(given)):
            part = torch.from_numpy(given[first : first + size]).to(network.device)
            made[first : first + size] = network(part, self.memory)
        return made.numpy()


@dataclass(frozen=True, slots=True, eq=False)
class _Shot:
    """One graph, and the tensors that it reads and writes."""

    graph: Any
    given: Tensor
    made: Tensor


class Graphs:
    """Replays it on a stream of its own.

    Raises:
        DeviceError: when the card has no memory for it.
    """

    def __init__(self, network: Network) -> None:
        device = network.device
        self._stream = torch.cuda.Stream(device, priority=-1)
        self._arrived = torch.cuda.Event()
        self._given = network.given.rows(_BLOCK_FRAMES).pin_memory()
        self._made = network.made.rows(_BLOCK_FRAMES).pin_memory()
        try:
            torch.cuda.synchronize(device)  # the weights may still be on their way, elsewhere
            with self.on():
                self.memory = network.memory(PIECES[0], _RING_MULTIPLE)
                self._shots = self._captured(network)
                self.memory.reset()
                self._stream.synchronize()
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f"The codec does not fit into the memory of {device} with its graphs: free some, "
                "choose int8 or int4 for the speech model, or use the CPU."
            ) from error

    @contextmanager
    def on(self) -> Generator[None, None, None]:
        """See ``Runner.on``."""
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            yield

    def run(self, given: NDArray[Any]) -> NDArray[Any]:
        """See ``Runner.run``."""
        made = np.empty((len(given), self._made.shape[1]), self._made.numpy().dtype)
        for first in range(0, len(given), _BLOCK_FRAMES):
            block = given[first : first + _BLOCK_FRAMES]
            self._given.numpy()[: len(block)] = block
            for start, size in pieces(len(block)):
                shot, end = self._shots[size], start + size
                shot.given.copy_(self._given[start:end], non_blocking=True)
                shot.graph.replay()
                self._made[start:end].copy_(shot.made, non_blocking=True)
            self._arrived.record()
            self._arrived.synchronize()
            made[first : first + len(block)] = self._made.numpy()[: len(block)]
        return made

    def _captured(self, network: Network) -> dict[int, _Shot]:
        """One graph of each size. They never run at the same time, so they share one pool."""
        pool, shots = torch.cuda.graph_pool_handle(), dict[int, _Shot]()
        for size in PIECES:
            given = network.given.rows(size, network.device)
            for _ in range(_WARM_UPS):
                network(given, self.memory)
            self._stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            # Other threads of the program may use the card meanwhile.
            with torch.cuda.graph(
                graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"
            ):
                made = network(given, self.memory)
            shots[size] = _Shot(graph, given, made)
        return shots
