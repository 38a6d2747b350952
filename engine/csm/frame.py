"""One frame of codes from one hidden state: codebook 0, then the depth decoder, and the end test.

CSM ends a line with a frame of zeros. With sampling, one slip among the depth codes would lose
that end and the line would run on into silence, so the end is soft: once codebook 0 says zero (or
gives zero more than half of the probability), the rest of the frame is taken greedily, and a few
leading zeros decide.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.csm.model import CsmModel
from engine.csm.sampling import candidates, frame_noise, mask_ids, sample
from engine.nn.kv_cache import KVCache
from engine.types import Sampling

END_PROBABILITY = 0.5
END_CODES = 4


class FrameSampler:
    """Draws frames in plain PyTorch, with its own noise source and depth cache."""

    def __init__(self, model: CsmModel, seed: int) -> None:
        self._model = model
        self._codes = model.config.mimi.codebook_size
        self._noise = torch.Generator(device=model.device).manual_seed(seed)
        self._depth_cache = KVCache(
            model.config.depth, 1, model.device, model.dtype, model.config.codebooks
        )

    @property
    def noise(self) -> bytes:
        """State of the noise source; setting it draws the same noise again."""
        return self._noise.get_state().numpy().tobytes()

    @noise.setter
    def noise(self, state: bytes) -> None:
        self._noise.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))

    @torch.inference_mode()
    def draw(self, hidden: Tensor, sampling: Sampling, *, may_end: bool) -> tuple[Tensor, bool]:
        """The frame that follows ``hidden`` (1, D).

        Args:
            hidden: post-norm backbone state of the last position.
            sampling: how the codes are drawn.
            may_end: False forbids the end of the line in this frame.

        Returns:
            Codes (1, K), and whether they mean the end of the line.
        """
        config, top_k = self._model.config, sampling.top_k
        count = candidates(config.audio_vocab, top_k)
        noise = frame_noise(self._noise, config.codebooks, count)
        logits = mask_ids(self._model.codebook0_head(hidden), self._codes, forbid_zero=not may_end)
        code0 = sample(logits, sampling.temperature, top_k, noise[0])
        if may_end and float(logits.softmax(-1)[0, 0]) > END_PROBABILITY:
            code0 = torch.zeros_like(code0)
        ending = may_end and int(code0) == 0
        temperature = sampling.depth_temperature
        if ending:
            temperature = 0.0
        elif temperature is None:
            temperature = sampling.temperature
        cache, codes = self._depth_cache, [code0]
        cache.rollback(0)
        logits = self._model.depth_start(hidden, code0, cache)
        for codebook in range(1, config.codebooks):
            logits = mask_ids(logits, self._codes)
            codes.append(sample(logits, temperature, top_k, noise[codebook]))
            if codebook + 1 < config.codebooks:
                logits = self._model.depth_step(codes[-1], codebook, cache)
        frame = torch.stack(codes, dim=-1)
        return frame, ending and not bool(frame[0, :END_CODES].any())
