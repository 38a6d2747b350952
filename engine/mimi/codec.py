"""The codec's interface: sound to codes and back, whole or in a stream.

All arrays are NumPy at this border: sound float32 mono (N,) at ``sample_rate_hz``, codes int64 (T, K).
Streams of one codec share its weights and keep their own memory, so a reply can be decoded while the
user's voice is encoded, each in a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from engine.config import MimiConfig
from engine.mimi.decoder import Decoder, codebooks
from engine.mimi.encoder import Encoder
from engine.mimi.graphs import Graphs
from engine.mimi.lanes import Lane, OwnLane, SharedLane, Stage
from engine.mimi.memory import Snapshot
from engine.mimi.modules import build_mimi
from engine.mimi.packed import Precision
from engine.mimi.state import load_mimi_state, transformers_state_of
from engine.types import CodeArray, FloatArray

T = TypeVar("T")

_HALF_FROM: Final = 8_000_000
"""With this many weights a decoder outgrows the processor's cache, and ``auto`` takes fp16."""


class MimiCodec:
    """A Mimi with its weights on one device.

    Fresh weights are random (codebooks zero) until ``load_state``. ``model`` is the module that owns
    them, in the memory of the host; what runs is a copy in the order that the device likes, made when
    it is first needed and again when the weights have changed since.

    Args:
        config: sizes.
        device: where it runs.
        precision: of the decoder's large weights on a CPU; the encoder's are never rounded.
    """

    def __init__(
        self,
        config: MimiConfig,
        device: torch.device | str = "cpu",
        precision: Precision = "auto",
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self.precision: Precision = precision
        self.model = build_mimi(config)
        self._lock = threading.Lock()
        self._ready: tuple[object, _Networks] | None = None

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the weights from ``tensors``, named as transformers or as Kyutai names them.

        Raises:
            ModelError: naming the tensor that is missing or does not fit.
        """
        with self._lock, torch.no_grad():
            load_mimi_state(self.model, self.config, tensors)

    def encode(self, audio: FloatArray) -> CodeArray:
        """Codes (T, K) of ``audio`` (N,), its last frame filled up with silence."""
        size = self.config.frame_samples
        padded = np.zeros(-(-audio.shape[0] // size) * size, np.float32)
        padded[: audio.shape[0]] = audio
        return self.stream().encode(padded)

    def decode(self, codes: CodeArray) -> FloatArray:
        """Sound (T·frame_samples,) of ``codes`` (T, K).

        Raises:
            ValueError: when the shape is another or an id is none of the codec's.
        """
        return self.stream().decode(codes)

    def stream(self) -> MimiStream:
        """A new stream, at its beginning in both directions, with the weights as they are now."""
        return MimiStream(self._networks())

    def _networks(self) -> _Networks:
        with self._lock:
            state = {name: tensor.detach() for name, tensor in self._tensors()}
            stamp = tuple((tensor.data_ptr(), tensor._version) for _, tensor in self._tensors())
            if self._ready is None or self._ready[0] != stamp:
                networks = _Networks(state, self.config, self.device, self._half(state))
                self._ready = (stamp, networks)
            return self._ready[1]

    def _tensors(self) -> Iterable[tuple[str, Tensor]]:
        return self.model.state_dict(keep_vars=True).items()

    def _half(self, state: Mapping[str, Tensor]) -> bool:
        if self.precision != "auto":
            return self.precision == "fp16"
        sizes = (tensor.numel() for name, tensor in state.items() if name.startswith("decoder"))
        return sum(sizes) >= _HALF_FROM


class MimiStream:
    """One sound decoded, and one encoded, piece by piece: the pieces join to what the whole gives.

    Made by ``MimiCodec.stream``. The two directions may work at the same time, each in one thread.
    """

    def __init__(self, networks: _Networks) -> None:
        self._config = networks.config
        self._heard, self._said = networks.lanes()

    def decode(self, codes: CodeArray) -> FloatArray:
        """The next T·frame_samples of sound for the next codes (T, K).

        Raises:
            ValueError: when the shape is another or an id is none of the codec's.
        """
        _check(codes, self._config)
        return self._said.run(np.ascontiguousarray(codes, np.int64)).reshape(-1)

    def encode(self, samples: FloatArray) -> CodeArray:
        """The next codes (T, K) for the next T·frame_samples of sound.

        Raises:
            ValueError: when the samples are not whole frames.
        """
        size = self._config.frame_samples
        if samples.shape[0] % size:
            raise ValueError(
                f"a stream takes whole frames of {size} samples, not {samples.shape[0]}"
            )
        return self._heard.run(np.ascontiguousarray(samples, np.float32).reshape(-1, size))

    def reset(self) -> None:
        """Begin anew in both directions, as a fresh stream would."""
        for lane in (self._heard, self._said):
            lane.reset()

    def save(self) -> StreamState:
        """A copy of where the stream is, in both directions."""
        return StreamState(self._heard.save(), self._said.save())

    def restore(self, state: StreamState) -> None:
        """Go back to (or on to) where ``state`` was saved, exactly; it may be used again."""
        self._heard.restore(state.heard)
        self._said.restore(state.said)


@dataclass(frozen=True, slots=True)
class StreamState:
    """Where a stream was, as ``MimiStream.save`` gives it; ``None`` for an unused direction."""

    heard: Snapshot | None
    said: Snapshot | None


class _Networks:
    """Both directions with the weights of one moment; each is laid out when first asked for."""

    def __init__(
        self, state: Mapping[str, Tensor], config: MimiConfig, device: torch.device, half: bool
    ) -> None:
        self.config, self._device = config, device
        there = _There(state, device)
        tables = codebooks(there, config)
        self._encoder = _Once(lambda: Encoder(there, tables, config))
        self._decoder = _Once(lambda: Decoder(there, tables, config, half=half))
        self._hearing = _Once(lambda: Stage(Graphs(self._encoder())))
        self._saying = _Once(lambda: Stage(Graphs(self._decoder())))

    def lanes(self) -> tuple[Lane, Lane]:
        """Those of a new stream: what encodes, and what decodes."""
        if self._device.type == "cuda":
            return SharedLane(self._hearing), SharedLane(self._saying)
        return OwnLane(self._encoder), OwnLane(self._decoder)


class _There(Mapping[str, Tensor]):
    """Weights that come to a device one by one, as they are asked for: a card never holds them twice."""

    def __init__(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        self._state, self._device = state, device

    def __getitem__(self, name: str) -> Tensor:
        return self._state[name].to(self._device)

    def __iter__(self) -> Iterator[str]:
        return iter(self._state)

    def __len__(self) -> int:
        return len(self._state)


class _Once(Generic[T]):
    """Makes something when it is first asked for, and never again; in any thread."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._made: T | None = None

    def __call__(self) -> T:
        with self._lock, torch.inference_mode():
            if self._made is None:
                self._made = self._make()
            return self._made


def _check(codes: CodeArray, config: MimiConfig) -> None:
    """Refuse what would read beside the codebooks."""
    if codes.ndim != 2 or codes.shape[1] != config.codebooks:
        raise ValueError(f"codes must be (T, {config.codebooks}), not {tuple(codes.shape)}")
    if codes.size and not 0 <= codes.min() <= codes.max() < config.codebook_size:
        raise ValueError(
            f"code ids run from 0 to {config.codebook_size - 1}, but "
            f"{int(codes.min())}..{int(codes.max())} came: reserved ids must not be sampled"
        )


def transformers_state(codec: MimiCodec) -> dict[str, Tensor]:
    """The codec's weights under transformers' names (flat), contiguous fp32 on the CPU."""
    return transformers_state_of(codec.model, codec.config)
