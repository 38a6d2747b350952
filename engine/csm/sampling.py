"""Drawing a code from logits, in fp32 whatever the model's number format.

Order as in CSM's own generation: divide by the temperature, keep the ``top_k`` likeliest (ties
kept), then take the argmax of probability over exponential noise, which draws from the
distribution without a synchronising ``multinomial``. The noise goes by rank, the likeliest id
first, so a frame needs one small draw, the same on every backend.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

TIES = 14
"""Ids that may tie with the ``top_k``-th and are kept too; bf16 logits tie often."""


def candidates(vocab: int, top_k: int) -> int:
    """How many of the likeliest of ``vocab`` ids are looked at: all where ``top_k`` ≤ 0."""
    return min(vocab, top_k + TIES) if top_k > 0 else vocab


def frame_noise(generator: torch.Generator, codebooks: int, count: int) -> Tensor:
    """Exponential noise of one frame, (codebooks, count) on the generator's device."""
    noise = torch.empty(codebooks, count, device=generator.device)
    noise.exponential_(1.0, generator=generator)
    # exponential_ can return 0 in fp32, and 0/0 would win the argmax as NaN.
    return noise.clamp_min_(torch.finfo(noise.dtype).tiny)


class BranchNoise:
    """Noise of several readings of a line: a source for each, which the others do not touch.

    All are seeded by one number from the conversation's ``generator``: its state decides them, and a
    reading's noise does not depend on how many there are.
    """

    def __init__(self, generator: torch.Generator, count: int) -> None:
        device = generator.device
        seed = int(torch.randint(2**62, (1,), generator=generator, device=device))
        self._sources = [torch.Generator(device).manual_seed(seed + n) for n in range(count)]

    def state(self, branch: int) -> bytes:
        """State of one source, as ``Decoder.noise`` has it."""
        return self._sources[branch].get_state().numpy().tobytes()

    def frames(self, branches: Sequence[int], codebooks: int, count: int) -> Tensor:
        """``frame_noise`` of some branches, (B, codebooks, count)."""
        return torch.stack([frame_noise(self._sources[n], codebooks, count) for n in branches])


def mask_ids(logits: Tensor, codes: int, *, forbid_zero: bool = False) -> Tensor:
    """Forbid the ids that the codec does not have.

    The heads have a few ids more than the codec has codes (2051 and 2048 in csm-1b); one of them
    in a frame would index outside the codec's tables.

    Args:
        logits: (..., V), returned as a new fp32 tensor.
        codes: how many ids the codec has.
        forbid_zero: forbid code 0 too (codebook 0 only: no end of line at this frame).
    """
    out = logits.float().clone()
    out[..., codes:] = -torch.inf
    if forbid_zero:
        out[..., 0] = -torch.inf
    return out


def sample(logits: Tensor, temperature: float, top_k: int, noise: Tensor) -> Tensor:
    """Draw one id per row.

    Args:
        logits: (B, V); -inf forbids an id.
        temperature: 0 takes the likeliest id and uses no noise.
        top_k: how many ids may be drawn; 0 or less leaves all.
        noise: (C,) or (B, C) exponential, for the ``candidates`` in descending order.

    Returns:
        (B,) int64.
    """
    logits = logits.float()
    if temperature <= 0.0:
        return logits.argmax(-1)
    best, ids = (logits / temperature).topk(noise.shape[-1], dim=-1)
    if 0 < top_k < best.shape[-1]:
        best = best.masked_fill(best < best[..., top_k - 1 : top_k], -torch.inf)
    rank = (best.softmax(-1) / noise).argmax(-1, keepdim=True)
    return ids.gather(-1, rank).squeeze(-1)
