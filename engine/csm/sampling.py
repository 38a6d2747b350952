"""Drawing a code from logits, in fp32 whatever the model's number format.

Order as in CSM's own generation: divide by the temperature, keep the ``top_k`` likeliest (ties
kept), then take the argmax of probability over exponential noise, which draws from the
distribution without a synchronising ``multinomial``.
"""

from __future__ import annotations

import torch
from torch import Tensor


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


def sample(
    logits: Tensor, temperature: float, top_k: int, generator: torch.Generator | None
) -> Tensor:
    """Draw one id per row.

    Args:
        logits: (B, V); -inf forbids an id.
        temperature: 0 takes the likeliest id and uses no randomness.
        top_k: how many ids may be drawn; 0 or less leaves all.
        generator: source of the noise, on the logits' device.

    Returns:
        (B,) int64.
    """
    logits = logits.float()
    if temperature <= 0.0:
        return logits.argmax(-1)
    logits = logits / temperature
    if 0 < top_k < logits.shape[-1]:
        smallest = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < smallest, -torch.inf)
    probability = logits.softmax(-1)
    noise = torch.empty_like(probability).exponential_(1.0, generator=generator)
    # exponential_ can return 0 in fp32, and 0/0 would win the argmax as NaN.
    return (probability / noise.clamp_min(torch.finfo(noise.dtype).tiny)).argmax(-1)
