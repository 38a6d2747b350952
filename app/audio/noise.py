"""Background noise of rooms, made up from seeds, as loops without a seam. Knows no device."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.core.live_ports import SESSION_RATE_HZ
from app.core.types import FloatArray

NoiseKind = Literal["white", "pink", "room", "babble"]
"""``room`` is a fan and far traffic, ``babble`` several people talking at once, no word of it clear."""

_LOOP_S = 20
_TALKERS = 6


def noise_loop(kind: NoiseKind, seed: int = 0) -> FloatArray:
    """20 s of noise at 48 kHz with an RMS of 1 whose end goes on in its beginning.

    Each kind is made once; ``seed`` chooses where in it to begin. Noise is shaped in the frequency
    domain, which makes it periodic. ``babble`` is six buzzing voices with wandering pitch and
    syllables of about 4 Hz, coloured as speech is on average.
    """
    loop = _loop(kind)
    return np.roll(loop, int(np.random.default_rng([seed, 101]).integers(len(loop))))


@cache
def _loop(kind: NoiseKind) -> FloatArray:
    random = np.random.default_rng(101)
    length = _LOOP_S * SESSION_RATE_HZ
    frequency = np.fft.rfftfreq(length, 1 / SESSION_RATE_HZ)
    if kind == "babble":
        shape = np.where(frequency > 90, (1 + (frequency / 500) ** 2) ** -0.75, 0)
        sound = sum(_talker(random, length) for _ in range(_TALKERS))
    else:
        sound = random.standard_normal(length)
        above = np.maximum(frequency, 30.0)
        shape = {
            "white": np.ones_like(frequency),
            "pink": above**-0.5,
            "room": above**-0.5 / (1 + (above / 250) ** 2) ** 0.5,
        }[kind]
    shaped = np.fft.irfft(np.fft.rfft(sound) * shape, length)
    return (shaped / np.sqrt((shaped**2).mean())).astype(np.float32)


def _talker(random: np.random.Generator, length: int) -> npt.NDArray[np.float64]:
    """One voice: a buzz and some breath, in syllables."""
    pitch = random.uniform(90, 230) * np.exp(0.15 * _slow(random, length, 3.0))
    cycles = np.cumsum(pitch) / SESSION_RATE_HZ
    cycles *= round(cycles[-1]) / cycles[-1]
    buzz = 2 * (cycles % 1) - 1
    loud = np.maximum(_slow(random, length, 4.0) + 0.3, 0) ** 1.5
    return (buzz + 0.3 * random.standard_normal(length)) * loud


def _slow(random: np.random.Generator, length: int, highest_hz: float) -> npt.NDArray[np.float64]:
    """A periodic random curve of unit RMS without anything faster than ``highest_hz``."""
    bins = int(highest_hz * length / SESSION_RATE_HZ)
    spectrum = np.zeros(length // 2 + 1, np.complex128)
    spectrum[1 : bins + 1] = random.standard_normal(bins) + 1j * random.standard_normal(bins)
    curve = np.fft.irfft(spectrum, length)
    return curve / np.sqrt((curve**2).mean())
