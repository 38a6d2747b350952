"""How far one decoder's predictions are from another's, led through the same frames.

Teacher forcing: at every frame and codebook, the Kullback-Leibler divergence from the reference's
distribution over codes to the other's (nats, temperature 1), whether both would say the same likeliest
code, and the size of the difference of the logits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.csm.prompt import Prepared
from engine.runtime.decoder import Decoder
from engine.types import CodeArray, FloatArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Taught:
    """Frames that decoders are led through.

    Attributes:
        before: what is read first: the voice's prompt, as a whole segment.
        ids: the line's text.
        codes: (T, K) the line's frames; the last is all zeros where the line ended by itself.
    """

    before: Prepared | None
    ids: tuple[int, ...]
    codes: CodeArray


@dataclass(slots=True)
class Tally:
    """One array (K,) per frame and figure."""

    kl: list[Doubles] = field(default_factory=list[Doubles])
    same: list[NDArray[np.bool_]] = field(default_factory=list[NDArray[np.bool_]])
    error: list[Doubles] = field(default_factory=list[Doubles])

    def add(self, reference: FloatArray, other: FloatArray) -> None:
        """Compare the logits (K, V) of one frame; V only has ids that the codec has."""
        self.kl.append(divergence(reference, other))
        self.same.append(reference.argmax(-1) == other.argmax(-1))
        self.error.append(relative_error(reference, other))

    def summary(self) -> Divergence:
        """The figures over all frames (at least one)."""
        kl, same, error = np.stack(self.kl), np.stack(self.same), np.stack(self.error)
        return Divergence(
            frames=len(kl),
            codebooks=[
                Codebook(
                    kl_mean=float(kl[:, k].mean()),
                    kl_p95=float(np.percentile(kl[:, k], 95)),
                    same=float(same[:, k].mean()),
                    error=float(error[:, k].mean()),
                )
                for k in range(kl.shape[1])
            ],
            kl_mean=float(kl.mean()),
            kl_p95=float(np.percentile(kl, 95)),
            same=float(same.mean()),
            error=float(error.mean()),
        )


@dataclass(frozen=True, slots=True)
class Codebook:
    """Figures of one codebook: divergence in nats, share of equal likeliest codes, and the length of
    the difference of the logits over that of the reference's own (each less its mean).
    """

    kl_mean: float
    kl_p95: float
    same: float
    error: float


@dataclass(frozen=True, slots=True)
class Divergence:
    """One precision against the reference; the figures beside ``codebooks`` are over all of them."""

    frames: int
    codebooks: list[Codebook]
    kl_mean: float
    kl_p95: float
    same: float
    error: float


def compare(expected: Iterable[FloatArray], other: Decoder, taught: Iterable[Taught]) -> Divergence:
    """Lead ``other`` through ``taught``; ``expected`` has the reference's logits of each line.

    Raises:
        ValueError: when there are no frames.
    """
    tally = Tally()
    for wanted, line in zip(expected, taught, strict=True):
        for reference, logits in zip(wanted, force_through(other, line), strict=True):
            tally.add(reference, logits)
    if not tally.kl:
        raise ValueError("there are no frames to compare")
    return tally.summary()


def force_through(decoder: Decoder, line: Taught) -> FloatArray:
    """Logits (T, K, V) of a line's frames, ids that the codec lacks left out; from an empty cache."""
    known = decoder.config.mimi.codebook_size
    begin(decoder, line)
    found: list[FloatArray] = []
    for number, codes in enumerate(line.codes):
        found.append(decoder.force(codes)[:, :known].copy())
        if number + 1 < len(line.codes):
            decoder.feed()
    return np.stack(found)


def begin(decoder: Decoder, line: Taught) -> None:
    """Read what comes before the frames of ``line``, from an empty cache."""
    decoder.rollback(0)
    if line.before is not None:
        end = np.zeros((1, decoder.config.codebooks), np.int64)
        decoder.read(line.before.ids, np.concatenate((line.before.codes, end)))
    decoder.read(line.ids, line.codes[:0])


def divergence(reference: FloatArray, other: FloatArray) -> Doubles:
    """KL(reference || other) in nats over the last axis of logits."""
    p, q = _log_softmax(reference), _log_softmax(other)
    return np.maximum((np.exp(p) * (p - q)).sum(-1), 0.0)


def relative_error(reference: FloatArray, other: FloatArray) -> Doubles:
    """Length of the difference over the length of the reference, each less its mean."""
    wanted = reference.astype(np.float64)
    wanted -= wanted.mean(-1, keepdims=True)
    found = other.astype(np.float64)
    found -= found.mean(-1, keepdims=True)
    size = np.maximum(np.linalg.norm(wanted, axis=-1), 1e-30)
    return np.asarray(np.linalg.norm(found - wanted, axis=-1) / size)


def _log_softmax(logits: FloatArray) -> Doubles:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
