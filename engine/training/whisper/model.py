"""The Whisper network in our own PyTorch code, with the extra outputs that its training losses
need.

The same architecture as Whisper (convolutional stem, pre-norm encoder and decoder, tied output),
fused projections for speed; `export.py` renames the weights. Letters as in config.py; D is the
width, H heads.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.training.whisper.config import MEL_BANDS, Shape
from engine.training.whisper.speech import PhonemeTable


class Encoded(NamedTuple):
    """Encoder output (B, P, D) and the hidden state that the phoneme loss reads (B, P, D)."""

    output: Tensor
    middle: Tensor


class Decoded(NamedTuple):
    """Next-token logits (B, L, V) and log attention of the guided heads (B, guided heads, L, P)."""

    logits: Tensor
    log_attention: Tensor


class Attention(nn.Module):
    """Multi-head attention; `memory` None means self-attention. The key has no bias, as in
    Whisper.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def split(self, x: Tensor) -> Tensor:
        """(B, N, D) to (B, H, N, D / H)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(
        self, x: Tensor, memory: Tensor | None = None, causal: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Attend from `x` (B, N, D) to itself or to `memory` (B, M, D).

        Returns the mixture and the raw scores (B, H, N, M). Written out, because the fused CPU
        kernel took a quarter of the whole step in bfloat16 at these sizes and this takes a tenth.
        """
        source = x if memory is None else memory
        query, key = self.split(self.query(x)), self.split(self.key(source))
        scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-1, -2)
        if causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(later, -1e4)
        value = self.split(self.value(source))
        mixed = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype) @ value
        return self.out(mixed.transpose(1, 2).flatten(2)), scores


class FeedForward(nn.Module):
    """Norm, widen, GELU, narrow."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, inner)
        self.narrow = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) to (B, N, D), without the residual."""
        return self.narrow(functional.gelu(self.widen(self.norm(x))))


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, pre-norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(shape.width)
        self.attention = Attention(shape.width, shape.heads)
        self.feed_forward = FeedForward(shape.width, shape.feed_forward)

    def forward(self, x: Tensor) -> Tensor:
        """(B, P, D) to (B, P, D)."""
        x = x + self.attention(self.norm(x))[0]
        return x + self.feed_forward(x)


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the encoder, feed-forward, pre-norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(shape.width)
        self.attention = Attention(shape.width, shape.heads)
        self.cross_norm = nn.LayerNorm(shape.width)
        self.cross = Attention(shape.width, shape.heads)
        self.feed_forward = FeedForward(shape.width, shape.feed_forward)

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """`x` (B, L, D), `memory` (B, P, D); returns the output and the cross scores (B, H, L,
        P).
        """
        x = x + self.attention(self.norm(x), causal=True)[0]
        mixed, scores = self.cross(self.cross_norm(x), memory)
        x = x + mixed
        return x + self.feed_forward(x), scores


class Recogniser(nn.Module):
    """whisper-nano while it is trained: the network plus a CTC head and a phoneme head."""

    positions: Tensor

    def __init__(self, shape: Shape, vocabulary: int) -> None:
        super().__init__()
        self.shape = shape
        self.conv1 = nn.Conv1d(MEL_BANDS, shape.width, 3, padding=1)
        self.conv2 = nn.Conv1d(shape.width, shape.width, 3, stride=2, padding=1)
        self.register_buffer("positions", sinusoids(shape.max_positions, shape.width), False)
        self.encoder = nn.ModuleList([EncoderLayer(shape) for _ in range(shape.encoder_layers)])
        self.encoder_norm = nn.LayerNorm(shape.width)
        self.tokens = nn.Embedding(vocabulary, shape.width)
        self.token_positions = nn.Parameter(torch.zeros(shape.max_tokens, shape.width))
        self.decoder = nn.ModuleList([DecoderLayer(shape) for _ in range(shape.decoder_layers)])
        self.decoder_norm = nn.LayerNorm(shape.width)
        self.ctc_head = nn.Linear(
            shape.width, 256 + shape.merges + 4
        )  # the last symbol is the blank
        self.phoneme_head = nn.Linear(shape.width, PhonemeTable.SIZE)
        nn.init.normal_(self.tokens.weight, std=0.02)
        nn.init.normal_(self.token_positions, std=0.01)

    def encode(self, features: Tensor) -> Encoded:
        """Normalised features (B, T, MEL_BANDS) to positions; T must be even."""
        x = functional.gelu(self.conv1(features.transpose(1, 2)))
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        x = x + self.positions[: x.shape[1]].to(x.dtype)
        middle = x
        for index, layer in enumerate(self.encoder, start=1):
            x = layer(x)
            if index == self.shape.phoneme_layer:
                middle = x
        return Encoded(self.encoder_norm(x), middle)

    def decode(self, tokens: Tensor, memory: Tensor) -> Decoded:
        """Teacher-forced decoding of ids (B, L) against the encoder output (B, P, D)."""
        x = self.tokens(tokens) + self.token_positions[: tokens.shape[1]]
        scores: Tensor | None = None
        for layer in self.decoder:
            x, scores = layer(x, memory)
        assert scores is not None
        guided = scores[:, : self.shape.guided_heads].float()
        logits = functional.linear(self.decoder_norm(x), self.tokens.weight)
        return Decoded(logits, functional.log_softmax(guided, dim=-1))


def sinusoids(length: int, width: int) -> Tensor:
    """Whisper's fixed positions (length, width): sines then cosines, wavelengths 2π to 20,000π."""
    step = math.log(10_000.0) / (width // 2 - 1)
    rates = torch.exp(-step * torch.arange(width // 2, dtype=torch.float32))
    angles = torch.arange(length, dtype=torch.float32)[:, None] * rates[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)
