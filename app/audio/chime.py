"""The sound that greets through a new loudspeaker, and lets the echo canceller learn the room by it.

Speech teaches a room slowly: one pitch and its harmonics at a time, in the second in which an
interruption may already come. A strummed chord in a breath of noise has something of every frequency
and is over in 0.7 s. What the linear model (``linear_echo.py``) takes away in the first second of a
first answer, in four rooms, echo at -30 and -10 dB: 2 to 6 dB without the sound, 7 to 17 dB with it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.core.types import SPEECH_RATE_HZ, FloatArray

CHIME_S = 0.7
_LEVEL_DB = -24.0
_BREATH_DB = 3.0
# C major with its seventh, strummed upwards.
_NOTES = ((261.63, 0.0), (392.00, 0.04), (523.25, 0.08), (659.26, 0.12), (987.77, 0.16))
_HIGHEST_HZ = 7_400.0
_LOWEST_HZ = 90.0
_HARMONICS = 23
_SEED = 7


def chime() -> FloatArray:
    """The sound at 24 kHz (16800,), as loud as quiet speech; the same every time."""
    random = np.random.default_rng(_SEED)
    count = round(CHIME_S * SPEECH_RATE_HZ)
    at_s = np.arange(count) / SPEECH_RATE_HZ
    chord = np.sum([_string(at_s, hz, begin_s, random) for hz, begin_s in _NOTES], axis=0)
    breath = _pink(count, random) * np.minimum(1, at_s / 0.05) * np.exp(-2 * at_s)
    sound = _loud(chord, 0.0) + _loud(breath, _BREATH_DB)
    sound *= np.minimum(1, (CHIME_S - at_s) / 0.15)
    return _loud(sound, _LEVEL_DB).astype(np.float32)


def _string(
    at_s: npt.NDArray[np.float64], hz: float, begin_s: float, random: np.random.Generator
) -> npt.NDArray[np.float64]:
    """A plucked string: its harmonics, the higher ones a little sharp and sooner gone."""
    since_s = np.maximum(at_s - begin_s, 0)
    rising = np.minimum(1, since_s / 0.006)
    sound = np.zeros(len(at_s))
    for harmonic in range(1, _HARMONICS + 1):
        pitch_hz = hz * harmonic * np.sqrt(1 + 0.0004 * harmonic**2)
        phase = random.uniform(0, 2 * np.pi)
        if pitch_hz < _HIGHEST_HZ:
            fading = harmonic**-0.8 * np.exp(-since_s * (4 + 1.2 * harmonic))
            sound += rising * fading * np.sin(2 * np.pi * pitch_hz * since_s + phase)
    return sound


def _pink(count: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Noise with as much power in every octave that the canceller knows."""
    hz = np.fft.rfftfreq(count, 1 / SPEECH_RATE_HZ)
    weight = np.where((hz > _LOWEST_HZ) & (hz < _HIGHEST_HZ), 1 / np.sqrt(np.maximum(hz, 1)), 0)
    return np.fft.irfft(np.fft.rfft(random.standard_normal(count)) * weight, count)


def _loud(sound: npt.NDArray[np.float64], db: float) -> npt.NDArray[np.float64]:
    """``sound`` with an RMS of ``db``."""
    return sound * (10 ** (db / 20) / np.sqrt(np.mean(sound**2)))
