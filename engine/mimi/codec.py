"""The codec's interface: sound to codes and back, whole or in a stream.

All arrays are NumPy at this border: sound float32 mono (N,) at ``sample_rate_hz``, codes int64 (T, K).
Streams of one codec share its weights and keep their own state, so a reply can be decoded while the
user's voice is encoded; calls from several threads wait for one another.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch
from moshi.models.compression import MimiModel
from moshi.modules.streaming import StreamingModule
from moshi.modules.transformer import RingKVCache
from moshi.utils.compile import no_compile
from torch import Tensor

from engine.config import MimiConfig
from engine.mimi.modules import build_mimi
from engine.mimi.state import load_mimi_state, transformers_state_of
from engine.types import CodeArray, FloatArray

CHUNK_FRAMES: Final = 16
"""Frames that go through the networks at once in a stream; longer input is cut up, unheard."""

_WHOLE_FRAMES: Final = 250
"""Longest input that is done in one piece; attention over more would need memory by its square."""


class MimiCodec:
    """A Mimi with its weights on one device.

    Fresh weights are random (codebooks zero) until ``load_state``.
    """

    def __init__(self, config: MimiConfig, device: torch.device | str = "cpu") -> None:
        self.config = config
        self.device = torch.device(device)
        self.model = build_mimi(config, self.device)
        self._networks = _Networks(self.model, config, self.device)

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the weights from ``tensors``, named as transformers or as Kyutai names them.

        Raises:
            ModelError: naming the tensor that is missing or does not fit.
        """
        with self._networks.lock, torch.no_grad():
            load_mimi_state(self.model, self.config, tensors)

    def encode(self, audio: FloatArray) -> CodeArray:
        """Codes (T, K) of ``audio`` (N,), its last frame filled up with silence."""
        size = self.config.frame_samples
        frames = -(-audio.shape[0] // size)
        padded = np.zeros(frames * size, np.float32)
        padded[: audio.shape[0]] = audio
        if frames > _WHOLE_FRAMES or not frames:
            return self.stream().encode(padded)
        with self._networks.running():
            return self._networks.encode(padded)

    def decode(self, codes: CodeArray) -> FloatArray:
        """Sound (T·frame_samples,) of ``codes`` (T, K).

        Raises:
            ValueError: when the shape is another or an id is none of the codec's.
        """
        self._networks.check(codes)
        if codes.shape[0] > _WHOLE_FRAMES or not codes.shape[0]:
            return self.stream().decode(codes)
        with self._networks.running():
            return self._networks.decode(codes)

    def stream(self) -> MimiStream:
        """A new stream, at its beginning in both directions."""
        return MimiStream(self._networks)


class MimiStream:
    """One sound decoded, and one encoded, piece by piece: the pieces join to what the whole gives.

    Made by ``MimiCodec.stream``.
    """

    def __init__(self, networks: _Networks) -> None:
        self._networks = networks
        model: Any = networks.model
        config = networks.config
        slack = CHUNK_FRAMES * round(config.encoder_rate_hz / config.frame_rate_hz)
        encoder = [model.encoder, model.encoder_transformer, model.downsample.conv]
        decoder = [model.upsample.convtr, model.decoder_transformer, model.decoder]
        self._encoder = _State(encoder, slack)
        self._decoder = _State(decoder, slack)

    def decode(self, codes: CodeArray) -> FloatArray:
        """The next T·frame_samples of sound for the next codes (T, K).

        Raises:
            ValueError: when the shape is another or an id is none of the codec's.
        """
        self._networks.check(codes)
        with self._networks.running(), self._decoder.entered():
            sounds = [
                self._networks.decode(codes[first : first + CHUNK_FRAMES])
                for first in range(0, codes.shape[0], CHUNK_FRAMES)
            ]
        return np.concatenate(sounds) if sounds else np.zeros(0, np.float32)

    def encode(self, samples: FloatArray) -> CodeArray:
        """The next codes (T, K) for the next T·frame_samples of sound.

        Raises:
            ValueError: when the samples are not whole frames.
        """
        config = self._networks.config
        if samples.shape[0] % config.frame_samples:
            raise ValueError(
                f"a stream takes whole frames of {config.frame_samples} samples, "
                f"not {samples.shape[0]}"
            )
        size = config.frame_samples * CHUNK_FRAMES
        with self._networks.running(), self._encoder.entered():
            codes = [
                self._networks.encode(samples[first : first + size])
                for first in range(0, samples.shape[0], size)
            ]
        return np.concatenate(codes) if codes else np.zeros((0, config.codebooks), np.int64)

    def reset(self) -> None:
        """Begin anew in both directions, as a fresh stream would."""
        with self._networks.lock:
            self._encoder.forget()
            self._decoder.forget()


class _Networks:
    """The two directions through the modules, in whatever streaming state these are."""

    def __init__(self, model: MimiModel, config: MimiConfig, device: torch.device) -> None:
        self.model = model
        self.config = config
        self.lock = threading.RLock()
        self._device = device

    @contextmanager
    def running(self) -> Generator[None]:
        """One caller at a time, without gradients and without the compiler that moshi would start."""
        with self.lock, torch.inference_mode(), no_compile():
            yield

    def check(self, codes: CodeArray) -> None:
        """Refuse what would read beside the codebooks."""
        if codes.ndim != 2 or codes.shape[1] != self.config.codebooks:
            raise ValueError(
                f"codes must be (T, {self.config.codebooks}), not {tuple(codes.shape)}"
            )
        if codes.size and not 0 <= codes.min() <= codes.max() < self.config.codebook_size:
            raise ValueError(
                f"code ids run from 0 to {self.config.codebook_size - 1}, but "
                f"{int(codes.min())}..{int(codes.max())} came: reserved ids must not be sampled"
            )

    def encode(self, samples: FloatArray) -> CodeArray:
        """Whole frames of sound to codes."""
        model: Any = self.model
        sound = torch.from_numpy(np.ascontiguousarray(samples, np.float32)).to(self._device)
        latent = model.encoder(sound[None, None])
        (latent,) = model.encoder_transformer(latent)
        codes = model.quantizer.encode(model.downsample(latent))
        return codes[0].T.to("cpu", torch.int64).contiguous().numpy()

    def decode(self, codes: CodeArray) -> FloatArray:
        """Codes to sound."""
        model: Any = self.model
        ids = torch.from_numpy(np.ascontiguousarray(codes.T, np.int64)).to(self._device)
        latent = model.upsample(model.quantizer.decode(ids[None]))
        (latent,) = model.decoder_transformer(latent)
        return model.decoder(latent)[0, 0].to("cpu", torch.float32).numpy()


class _State:
    """What a chain of streaming modules remembers for one stream, lent to them while they work."""

    def __init__(self, modules: list[StreamingModule[Any]], slack_steps: int) -> None:
        self._modules = modules
        self._slack_steps = slack_steps
        self._kept: list[dict[str, Any]] | None = None

    def forget(self) -> None:
        self._kept = None

    @contextmanager
    def entered(self) -> Generator[None]:
        """Within, the modules continue this stream; outside, they know nothing of it."""
        if self._kept is None:
            self._kept = [self._fresh(module) for module in self._modules]
        for module, state in zip(self._modules, self._kept, strict=True):
            module.set_streaming_state(state)
        try:
            yield
        finally:
            for module in self._modules:
                module.set_streaming_state(dict.fromkeys(module.get_streaming_state()))

    def _fresh(self, module: StreamingModule[Any]) -> dict[str, Any]:
        with module.streaming(1):
            states = module.get_streaming_state()
        for state in states.values():
            cache: RingKVCache | None = getattr(state, "kv_cache", None)
            if cache is not None:
                state.kv_cache = self._roomy(cache)
        return states

    def _roomy(self, cache: RingKVCache) -> RingKVCache:
        """A ring that still holds what the first step of a chunk may see when the last is written.

        A ring of just the context would have lost it by then, and the sound would depend on how
        the stream was cut.
        """
        _, batch, heads, context, size = cache.cache.shape
        return RingKVCache(
            batch,
            heads,
            size,
            context + self._slack_steps - 1,
            device=cache.cache.device,
            dtype=cache.cache.dtype,
        )


def transformers_state(codec: MimiCodec) -> dict[str, Tensor]:
    """The codec's weights under transformers' names (flat), contiguous fp32 on the CPU."""
    return transformers_state_of(codec.model, codec.config)
