"""How the frame function runs: as it is, or as CUDA graphs that were captured when it was loaded.

A graph is the whole frame: the embedding of the last one, the backbone's step, the head, the depth
decoder, the sampling and the test for the end. One is captured per length bucket, and one that only
draws, for the frame after a prefill. They share one memory pool, which is safe because they never
run at the same time and nothing but ``StaticFrame``'s own buffers outlives a replay.

The noise is not drawn inside: it is drawn by the decoder's generator right before a replay, into the
buffer that the graph reads. That costs one small kernel a frame, and makes its state a number that
the host knows without waiting, in the very order and kernel of the plain decoder, so that the same
seed draws the same codes and a frame that ran ahead can be taken back exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from engine.errors import DeviceError
from engine.runtime.static import StaticFrame
from engine.types import CodeArray

if TYPE_CHECKING:
    from engine.runtime.static_branches import BranchStage

_WARM_UPS = 2
"""Runs before a capture: libraries choose kernels and allocate workspaces in the first."""


class Runner(Protocol):
    """Runs the frame function and hands over what it wrote, in the order of the calls."""

    runs_ahead: bool
    """Whether a frame is computed while the host does something else."""

    def on(self) -> Any:
        """A context in which everything about the frame happens."""
        ...

    def draw(self) -> None:
        """``StaticFrame.draw``."""
        ...

    def frame(self, bucket: int) -> None:
        """``StaticFrame.frame``."""
        ...

    def send(self, slot: int) -> None:
        """Begin to copy ``StaticFrame.out`` into one of two slots."""
        ...

    def receive(self, slot: int) -> CodeArray:
        """(K + 1,): what ``send`` copied into ``slot``."""
        ...


class Direct:
    """Runs it as it is: on a CPU."""

    def __init__(self, frame: StaticFrame, *, runs_ahead: bool = False) -> None:
        self.runs_ahead = runs_ahead
        self._frame = frame
        self._slots = [torch.zeros_like(frame.out, device="cpu") for _ in range(2)]

    @contextmanager
    def on(self) -> Generator[None, None, None]:
        """See ``Runner.on``."""
        with torch.inference_mode():
            yield

    def draw(self) -> None:
        """See ``Runner.draw``."""
        self._frame.draw()

    def frame(self, bucket: int) -> None:
        """See ``Runner.frame``."""
        self._frame.frame(bucket)

    def send(self, slot: int) -> None:
        """See ``Runner.send``."""
        self._slots[slot].copy_(self._frame.out)

    def receive(self, slot: int) -> CodeArray:
        """See ``Runner.receive``."""
        return self._slots[slot].numpy().copy()


class Graphs:
    """Replays it on a stream of its own, so that the codec need not wait for a frame that runs ahead.

    Raises:
        DeviceError: when the card has no memory for it.
    """

    runs_ahead = True

    def __init__(self, frame: StaticFrame) -> None:
        device = frame.out.device
        self._stream = torch.cuda.Stream(device)
        self._slots = [torch.zeros(frame.out.shape, dtype=torch.int64).pin_memory() for _ in (0, 1)]
        self._arrived = [torch.cuda.Event() for _ in (0, 1)]
        self._out = frame.out
        # It plans anew for every length of a prefill, which takes longer than the prefill.
        torch.backends.cuda.enable_cudnn_sdp(False)
        with room_on(device), torch.cuda.device(device), torch.inference_mode():
            self._capture(frame)
            self._read_some(frame)

    @contextmanager
    def on(self) -> Generator[None, None, None]:
        """See ``Runner.on``."""
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            yield

    def draw(self) -> None:
        """See ``Runner.draw``."""
        self._draw.replay()

    def frame(self, bucket: int) -> None:
        """See ``Runner.frame``."""
        self._frames[bucket].replay()

    def send(self, slot: int) -> None:
        """See ``Runner.send``."""
        self._slots[slot].copy_(self._out, non_blocking=True)
        self._arrived[slot].record()

    def receive(self, slot: int) -> CodeArray:
        """See ``Runner.receive``."""
        self._arrived[slot].synchronize()
        return self._slots[slot].numpy().copy()

    def _capture(self, frame: StaticFrame) -> None:
        pool = torch.cuda.graph_pool_handle()
        torch.cuda.synchronize()  # the weights may still be on their way, on another stream

        def captured(run: Callable[[], None]) -> torch.cuda.CUDAGraph:
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_UPS):
                    frame.position.zero_()
                    run()
            self._stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            # Other threads of the program may use the card meanwhile.
            with torch.cuda.graph(
                graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"
            ):
                run()
            return graph

        self._draw = captured(frame.draw)
        self._frames = {
            bucket: captured(lambda bucket=bucket: frame.frame(bucket)) for bucket in frame.buckets
        }
        self._stream.synchronize()

    def _read_some(self, frame: StaticFrame) -> None:
        """The first prefill of its kind loads kernels from the driver, which takes a while."""
        width, end = frame.hidden.shape[1], frame.kv.shape[3]
        with torch.cuda.stream(self._stream):
            for start, time in ((0, 1), (0, 200), (200, 30), (230, 1)):
                if start + time <= end:
                    x = torch.zeros(time, width, device=frame.hidden.device)
                    frame.prefill(x.to(frame.hidden.dtype), start)
        self._stream.synchronize()


class Stage:
    """The one set of buffers of a model, and which decoder's positions are in it.

    Graphs are captured at fixed addresses, so a model has one stage for all its conversations. Whoever
    comes on it when another was there pays for copying the positions of both.
    """

    def __init__(self, frame: StaticFrame, runner: Runner) -> None:
        self.frame, self.runner = frame, runner
        self.branches: BranchStage | None = None  # where they were asked for
        self.owner: object | None = None
        self.sampling: object | None = None  # what the frame's buffers were set to last
        self.may_end: bool | None = None
        self.position = -1  # of the frame's buffer, -1 when unknown
        self._slot = 0

    def next_slot(self) -> int:
        """The slot that is not being read."""
        self._slot = 1 - self._slot
        return self._slot

    def move_to(self, position: int) -> None:
        """Where the next ``advance`` writes."""
        if self.position != position:
            self.frame.position.fill_(position)
            self.position = position


@contextmanager
def room_on(device: torch.device) -> Generator[None, None, None]:
    """A card without enough memory is told in one sentence.

    Raises:
        DeviceError: in place of PyTorch's own.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"The speech model does not fit into the memory of {device} with its graphs: free "
            "some, choose int8 or int4, or use the CPU."
        ) from error


def noise_state(state: bytes) -> Tensor:
    """A generator's state from what ``state_bytes`` gave."""
    return torch.frombuffer(bytearray(state), dtype=torch.uint8)


def state_bytes(state: Tensor) -> bytes:
    """The other way."""
    return state.numpy().tobytes()


def same_frame(first: CodeArray | None, second: CodeArray) -> bool:
    """Whether both are the same codes."""
    return first is not None and bool(np.array_equal(first, second))
