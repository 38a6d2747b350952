"""Can noise be heard beside speech? Two figures that need no listeners, and so prove nothing.

The masking model is Johnston's (IEEE J. Sel. Areas Commun. 6, 1988) with the tonality of each band
for itself, the spreading function of Schroeder, Atal and Hall (JASA 66, 1979) and Terhardt's
threshold in quiet. It is not the model that the mark is fitted by.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.types import FloatArray
from engine.watermark.masking import RATE_HZ, bark_of

_PIECE: Final = 480
_WINDOW: Final = 1024
_BANDS: Final = 23
_LOUDEST_DB: Final = 40.0
"""Only parts of the sound that are at most so far below its loudest count."""
_FULL_SCALE_DB_SPL: Final = 95.0


def segmental_ratio_db(sound: FloatArray, added: FloatArray) -> FloatArray:
    """Of every 20 ms of ``sound`` that are not near silence, its power over that of ``added``."""
    count = len(sound) // _PIECE * _PIECE
    power, noise = (
        np.sum(np.square(part[:count].reshape(-1, _PIECE).astype(np.float64)), axis=1)
        for part in (sound, added)
    )
    audible = power > power.max() * 10 ** (-_LOUDEST_DB / 10)
    ratio = 10 * np.log10(power[audible] / np.maximum(noise[audible], 1e-15))
    return np.asarray(ratio, np.float32)


def noise_to_mask_db(sound: FloatArray, added: FloatArray) -> FloatArray:
    """How far ``added`` is over what ``sound`` hides, by 21 ms and Bark band (T, 23).

    Below 0 the model says that nobody hears it.
    """
    hz = np.asarray(np.fft.rfftfreq(_WINDOW, 1 / RATE_HZ), np.float64)
    member = np.eye(_BANDS)[np.clip(bark_of(hz).astype(int), 0, _BANDS - 1)]
    size = member.sum(axis=0)
    speech, noise = _power(sound), _power(added)
    loud = speech.sum(axis=1)
    audible = loud > loud.max() * 10 ** (-_LOUDEST_DB / 10)
    speech, noise = speech[audible] + 1e-12, noise[audible]
    band = speech @ member
    flatness_db = 10 * np.log10(np.exp(np.log(speech) @ member / size) / (band / size))
    # The periodogram of white noise has a flatness of -2.5 dB.
    tonality = np.clip((flatness_db + 2.5) / -7.5, 0, 1)
    offset_db = tonality * (15.5 + np.arange(_BANDS)) + (1 - tonality) * 5.5
    masked = band * 10 ** (-offset_db / 10) @ _spreading() / _spreading().sum(axis=0)
    threshold = np.maximum(masked, _quiet(member.T @ hz / size))
    return np.asarray(10 * np.log10(noise @ member / threshold + 1e-9), np.float32)


def _power(sound: FloatArray) -> FloatArray:
    padded = np.pad(sound, (0, max(0, _WINDOW - len(sound))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[:: _WINDOW // 2]
    spectra = np.fft.rfft(windows * np.hanning(_WINDOW), axis=1)
    return np.asarray(spectra.real**2 + spectra.imag**2, np.float32)


def _spreading() -> FloatArray:
    """Share of a band's masking that reaches another: (masking band, masked band)."""
    distance = np.arange(_BANDS)[None, :] - np.arange(_BANDS)[:, None] + 0.474
    level_db = 15.81 + 7.5 * distance - 17.5 * np.sqrt(1 + distance**2)
    return np.asarray(10 ** (level_db / 10), np.float32)


def _quiet(centre_hz: FloatArray) -> FloatArray:
    """The threshold in quiet as power by band, a sine of full scale being played at 95 dB."""
    khz = np.maximum(centre_hz, 40) / 1000
    level = 3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4
    sine = 1.5 * (np.hanning(_WINDOW).sum() / 2) ** 2
    return np.asarray(10 ** ((level - _FULL_SCALE_DB_SPL) / 10) * sine, np.float32)
