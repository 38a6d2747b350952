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
    """Draws frames in plain PyTorch, with a depth cache of its own."""

    def __init__(self, model: CsmModel, batch: int) -> None:
        self._model = model
        self._codes = model.config.mimi.codebook_size
        self._depth_cache = KVCache(
            model.config.depth, batch, model.device, model.dtype, model.config.codebooks
        )

    @torch.inference_mode()
    def draw(
        self,
        hidden: Tensor,
        sampling: Sampling,
        noise: Tensor,
        *,
        may_end: bool,
        logits: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The frames that follow ``hidden`` (B, D), each by itself.

        Args:
            hidden: post-norm backbone states of the last positions.
            sampling: how the codes are drawn.
            noise: (B, K, C), of every frame (see ``engine.csm.sampling``).
            may_end: False forbids the end of the line in this frame.
            logits: gets those (B, V) of each codebook, as the model gives them.

        Returns:
            Codes (B, K), and whether they mean the end of the line (B,).
        """
        config, top_k = self._model.config, sampling.top_k
        seen: list[Tensor] = [] if logits is None else logits
        seen.append(self._model.codebook0_head(hidden))
        masked = mask_ids(seen[-1], self._codes, forbid_zero=not may_end)
        code0 = sample(masked, sampling.temperature, top_k, noise[:, 0])
        # Where the end is forbidden, code 0 has no probability.
        code0 = code0.masked_fill(masked.softmax(-1)[:, 0] > END_PROBABILITY, 0)
        ending = code0 == 0
        temperature = sampling.depth_temperature
        if temperature is None:
            temperature = sampling.temperature
        cache, codes = self._depth_cache, [code0]
        cache.rollback(0)
        seen.append(self._model.depth_start(hidden, code0, cache))
        for codebook in range(1, config.codebooks):
            masked = mask_ids(seen[-1], self._codes)
            code = sample(masked, temperature, top_k, noise[:, codebook])
            if may_end:
                code = torch.where(ending, masked.argmax(-1), code)
            codes.append(code)
            if codebook + 1 < config.codebooks:
                seen.append(self._model.depth_step(code, codebook, cache))
        frame = torch.stack(codes, dim=-1)
        return frame, ending & ~frame[:, :END_CODES].any(-1)
