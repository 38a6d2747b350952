"""Mel spectra and STFT losses, in torch, for training and for measuring."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=16)
def mel_matrix(mels: int, n_fft: int, rate_hz: int, low_hz: float = 40.0) -> Tensor:
    """Triangular mel filters (n_fft/2 + 1, mels), each of unit area over the bins it covers."""
    top = _mel(rate_hz / 2)
    points = torch.linspace(_mel(low_hz), top, mels + 2)
    hz = 700.0 * (torch.exp(points / 1127.0) - 1.0)
    bins = torch.linspace(0, rate_hz / 2, n_fft // 2 + 1)[:, None]
    left, centre, right = hz[:-2], hz[1:-1], hz[2:]
    rising = (bins - left) / (centre - left)
    falling = (right - bins) / (right - centre)
    triangles = torch.minimum(rising, falling).clamp(min=0)
    # A filter narrower than a bin would be empty: give it the nearest bin.
    empty = triangles.sum(0) == 0
    nearest = (bins - centre).abs().argmin(0)
    triangles[nearest[empty], empty.nonzero().flatten()] = 1.0
    return triangles / triangles.sum(0)


def _mel(hz: float) -> float:
    return 1127.0 * math.log(1.0 + hz / 700.0)


def magnitudes(waves: Tensor, n_fft: int, hop: int) -> Tensor:
    """STFT magnitudes (B, frames, bins) of waves (B, N): Hann window, centred."""
    window = torch.hann_window(n_fft, device=waves.device)
    spectrum = torch.stft(waves, n_fft, hop, window=window, return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return (power + 1e-9).sqrt().transpose(1, 2)


def log_mel(
    waves: Tensor, mels: int = 80, n_fft: int = 1024, hop: int = 240, rate_hz: int = 24_000
) -> Tensor:
    """Natural-log mel magnitudes (B, frames, mels), floored at 1e-3 (silence is flat, not noisy)."""
    matrix = mel_matrix(mels, n_fft, rate_hz).to(waves.device)
    return (magnitudes(waves, n_fft, hop) @ matrix).clamp(min=1e-3).log()


_RESOLUTIONS = ((256, 64, 40), (512, 128, 64), (1024, 256, 80), (2048, 512, 96))


def multi_resolution_loss(made: Tensor, real: Tensor) -> Tensor:
    """Log-mel L1 plus spectral convergence over four window lengths, for waves (B, N) at 24 kHz."""
    total = made.new_zeros(())
    for n_fft, hop, mels in _RESOLUTIONS:
        a, b = magnitudes(made, n_fft, hop), magnitudes(real, n_fft, hop)
        matrix = mel_matrix(mels, n_fft, 24_000).to(made.device)
        log_a = (a @ matrix).clamp(min=1e-4).log()
        log_b = (b @ matrix).clamp(min=1e-4).log()
        convergence = (a - b).square().sum().sqrt() / (b.square().sum().sqrt() + 1e-6)
        total = total + (log_a - log_b).abs().mean() + convergence
    return total / len(_RESOLUTIONS)
