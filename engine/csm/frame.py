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
from engine.csm.sampling import mask_ids, sample
from engine.nn.kv_cache import KVCache
from engine.types import Sampling

END_PROBABILITY = 0.5
END_CODES = 4


class FrameSampler:
    """Draws frames with its own noise source and depth cache; one per conversation."""

    def __init__(self, model: CsmModel, sampling: Sampling, seed: int) -> None:
        self._model, self.sampling = model, sampling
        self._codes = model.config.mimi.codebook_size
        self._noise = torch.Generator(device=model.device).manual_seed(seed)
        self._depth_cache = KVCache(
            model.config.depth, 1, model.device, model.dtype, model.config.codebooks
        )

    @property
    def noise(self) -> Tensor:
        """State of the noise source, a copy; setting it draws the same noise again."""
        return self._noise.get_state()

    @noise.setter
    def noise(self, state: Tensor) -> None:
        self._noise.set_state(state)

    @torch.inference_mode()
    def draw(self, hidden: Tensor, *, may_end: bool) -> tuple[Tensor, bool]:
        """The frame that follows ``hidden`` (1, D).

        Args:
            hidden: post-norm backbone state of the last position.
            may_end: False forbids the end of the line in this frame.

        Returns:
            Codes (1, K), and whether they mean the end of the line.
        """
        logits = mask_ids(self._model.codebook0_head(hidden), self._codes, forbid_zero=not may_end)
        code0 = self._pick(logits, self.sampling.temperature)
        if may_end and float(logits.softmax(-1)[0, 0]) > END_PROBABILITY:
            code0 = torch.zeros_like(code0)
        ending = may_end and int(code0) == 0
        depth_temperature = self.sampling.depth_temperature
        if ending:
            depth_temperature = 0.0
        elif depth_temperature is None:
            depth_temperature = self.sampling.temperature
        codes = self._depth(hidden, code0, depth_temperature)
        ended = ending and not bool(codes[0, :END_CODES].any())
        return codes, ended

    def _depth(self, hidden: Tensor, code0: Tensor, temperature: float) -> Tensor:
        cache, codes = self._depth_cache, [code0]
        cache.rollback(0)
        logits = self._model.depth_start(hidden, code0, cache)
        for codebook in range(1, self._model.config.codebooks):
            codes.append(self._pick(mask_ids(logits, self._codes), temperature))
            if codebook + 1 < self._model.config.codebooks:
                logits = self._model.depth_step(codes[-1], codebook, cache)
        return torch.stack(codes, dim=-1)

    def _pick(self, logits: Tensor, temperature: float) -> Tensor:
        return sample(logits, temperature, self.sampling.top_k, self._noise)
