"""How much of what a linear canceller leaves its echo cannot explain, 10 ms at a time.

Beside a loud echo a voice raises the level of the microphone by little, and what a canceller leaves
of an echo rises and falls with it, so neither tells that somebody begins. But what was taken away is
known, band by band, and what is usually left of that: the leak, learnt while the loudspeaker plays.
What stands out of leak and noise in many bands at once is not the loudspeaker's, in the first
hundredths of a second and be it much quieter than the echo.

An echo that begins after a pause is no surprise: its prediction begins with it. One that is not known
yet is: for the first half second of a room nothing is told.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.core.types import FloatArray

_SIZE = 320
# Band edges in bins of 50 Hz: 100 Hz wide at first, 1.5 kHz at last, up to 7 kHz.
_EDGES = np.array([2, 4, 6, 8, 10, 12, 14, 17, 20, 24, 28, 33, 39, 46, 54, 64, 76, 90, 110, 140])
_BANDS = len(_EDGES) - 1
_WIDTHS = np.diff(_EDGES)
_MOST_DB = 15.0
"""A band stands out by no more, so that no single one decides."""
_TOLD_BANDS = 7
"""It is told how the bands do that stand out most: an "s" is in few of them, and all of it high."""
_ACROSS = 1e-3
"""So much of the whole echo is expected in each band: loudspeakers distort."""
_LINGERS = 0.6
"""What is left of an echo fades by so much per block at most."""
_LEAK_DB = -10.0
_MOST_LEAK_DB = 6.0
_QUANTILE = 0.9
_STEP_DB = 0.3
_SLOW = 0.1
"""What is not explained teaches so much less: it may be a voice, or a room that has changed."""
_SLOW_FROM_DB = 3.0
"""In the mean over all bands."""
_HEARD = 10.0
"""Times the noise: from there on a band's echo teaches."""
_MARGIN = 4.0
_NOISE_RISE = 1.01
_NOISE_RISE_YOUNG = 1.1
_SMOOTHING = 0.2
_LEAST = 2e-6
"""Noise in each bin below which nothing is worth telling: -79 dBFS over all."""
_YOUNG_BLOCKS = 50

_Bands = npt.NDArray[np.float64]


class LeftOver:
    """Takes what was taken away and what was left, 160 samples each at 16 kHz; one thread."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """The room is not known any more."""
        self._leak_db = np.full(_BANDS, _LEAK_DB)
        self._echo = np.zeros(_BANDS)
        self._noise = _LEAST * _WIDTHS
        self._smooth = self._noise.copy()
        self._young = _YOUNG_BLOCKS
        self._unexplained_db = 0.0

    @property
    def unexplained_db(self) -> float:
        """By how much the last block stood out in its seven most striking bands, in the mean, 0 to 15.

        0 while the room is unknown.
        """
        return 0.0 if self._young else self._unexplained_db

    def quiet(self, near: FloatArray) -> None:
        """10 ms of the microphone while nothing is played: they tell of the noise."""
        self._track_noise(_band_powers(near))
        self._echo[:] = 0.0
        self._unexplained_db = 0.0

    def block(self, echo: FloatArray, left: FloatArray) -> None:
        """10 ms of what was taken away, and of what was left."""
        taken, kept = _band_powers(echo), _band_powers(left)
        self._echo = np.maximum(taken + _ACROSS * taken.sum(), _LINGERS * self._echo)
        expected = 10 ** (self._leak_db / 10) * self._echo + _MARGIN * self._noise
        above_db = 10 * np.log10((kept + 1e-12) / expected)
        above_db = np.sort(np.clip(above_db, 0.0, _MOST_DB))
        self._unexplained_db = float(above_db[-_TOLD_BANDS:].mean())
        self._learn(kept, strange=above_db.mean() > _SLOW_FROM_DB)
        self._track_noise(kept)
        self._young -= self._young > 0

    def _learn(self, kept: _Bands, *, strange: bool) -> None:
        """Follow what is left at most nine times out of ten."""
        leak_db = 10 * np.log10((kept + 1e-12) / (self._echo + 1e-12))
        step_db = _STEP_DB
        if strange and not self._young:
            step_db *= _SLOW
        step = np.where(leak_db > self._leak_db, _QUANTILE, _QUANTILE - 1.0) * step_db
        step[self._echo < _HEARD * self._noise] = 0.0
        self._leak_db = np.minimum(self._leak_db + step, _MOST_LEAK_DB)

    def _track_noise(self, kept: _Bands) -> None:
        """Follow the quiet: falls at once, rises 4 dB a second."""
        self._smooth += _SMOOTHING * (kept - self._smooth)
        rise = _NOISE_RISE_YOUNG if self._young else _NOISE_RISE
        least = np.minimum(rise * self._noise, self._smooth)
        self._noise = np.maximum(least, _LEAST * _WIDTHS)


def _band_powers(samples: FloatArray) -> _Bands:
    spectrum = np.fft.rfft(samples, _SIZE)[: _EDGES[-1]]
    return np.add.reduceat(spectrum.real**2 + spectrum.imag**2, _EDGES[:-1])
