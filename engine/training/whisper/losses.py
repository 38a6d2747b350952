"""What whisper-nano is trained on: the transcript, and three aids that are dropped at export.

The aids make listening start early: CTC over the encoder (which words, in order), phonemes frame
by frame (from espeak's events) and attention guided to the word that is being written. Their
weights fall over training.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine.training.whisper.batches import IGNORE, Batch
from engine.training.whisper.model import Recogniser

SMOOTHING = 0.05


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the aids against the transcript's cross-entropy."""

    ctc: float
    phonemes: float
    guided: float

    @staticmethod
    def at(progress: float) -> Weights:
        """Linear from the start (progress 0) to the end (1) of training."""

        def between(first: float, last: float) -> float:
            return first + (last - first) * min(max(progress, 0.0), 1.0)

        return Weights(between(0.5, 0.3), between(0.6, 0.06), between(0.3, 0.015))


@dataclass(frozen=True, slots=True)
class Losses:
    """The total (with gradient) and its parts (0-dim tensors, detached)."""

    total: Tensor
    text: Tensor
    ctc: Tensor
    phonemes: Tensor
    guided: Tensor


def compute_losses(model: Recogniser, batch: Batch, weights: Weights) -> Losses:
    """One forward pass. Parts are per token, per CTC symbol, per position and per guided token."""
    with torch.autocast(batch.features.device.type, torch.bfloat16):
        encoded = model.encode(batch.features)
        decoded = model.decode(batch.inputs, encoded.output)
        inside = int(batch.positions.max())
        ctc_logits = model.ctc_head(encoded.output[:, :inside])
        phoneme_logits = model.phoneme_head(encoded.middle[:, :inside])
    logits, targets = decoded.logits.float().flatten(0, 1), batch.targets.flatten()
    log_probabilities = functional.log_softmax(logits, dim=-1)
    text = functional.nll_loss(log_probabilities, targets, ignore_index=IGNORE)
    spread = -log_probabilities.mean(dim=-1)[targets != IGNORE].mean()
    smoothed = (1.0 - SMOOTHING) * text + SMOOTHING * spread
    ctc = _ctc(ctc_logits, batch)
    phonemes = functional.cross_entropy(
        phoneme_logits.float().flatten(0, 1),
        batch.phonemes[:, :inside].flatten(),
        ignore_index=IGNORE,
    )
    guided = guided_loss(decoded.log_attention, batch.spans)
    total = smoothed + weights.ctc * ctc + weights.phonemes * phonemes + weights.guided * guided
    return Losses(total, text.detach(), ctc.detach(), phonemes.detach(), guided.detach())


def _ctc(logits: Tensor, batch: Batch) -> Tensor:
    log_probabilities = functional.log_softmax(logits.float(), dim=-1).transpose(0, 1)
    total = functional.ctc_loss(
        log_probabilities,
        batch.ctc_targets,
        batch.positions,
        batch.ctc_lengths,
        blank=logits.shape[-1] - 1,
        reduction="sum",
        zero_infinity=True,
    )
    return total / batch.ctc_lengths.sum().clamp(min=1)


def guided_loss(log_attention: Tensor, spans: Tensor) -> Tensor:
    """Mean −log of the attention that falls within each token's span.

    `log_attention` (B, G, L, P), `spans` (B, L, 2) first and last position inclusive, −1 where
    there is no word.
    """
    positions = torch.arange(log_attention.shape[-1], device=spans.device)
    inside = (positions >= spans[..., :1]) & (positions <= spans[..., 1:])  # (B, L, P)
    wanted = spans[..., 0] >= 0
    if not bool(wanted.any()):
        return log_attention.sum() * 0.0
    masked = log_attention.masked_fill(~inside[:, None], -30.0)
    mass = masked.logsumexp(dim=-1).mean(dim=1)  # (B, L)
    return -mass[wanted].mean()
