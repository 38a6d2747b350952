"""Whether what the microphone hears is what the loudspeaker plays. Knows no canceller's inside.

An echo canceller leaves residues that sound like speech, so what is left is judged once more,
in bands over the last 450 ms, by two questions whose answers are multiplied:

- Does the raw microphone rise and fall as the loudspeaker did (correlation of levels in decibels,
  at the delay that fits best)? Frames count by what the canceller left of them, because the
  question is about the sound that got through. A user's voice does not follow the loudspeaker.
- Is what got through as faint as residues of such a loudspeaker usually are? The usual leak of each
  band is learnt while the first answer is yes, so a user is told from an echo also where he is
  quieter than it, once the canceller takes it away.

The first is the idea of correlating envelopes over a search of delays; both were tuned on four rooms
at three levels with synthetic speech on either side (``tests/app/audio/test_echo_gate.py``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.core.live_ports import BLOCK_SAMPLES
from app.core.types import FloatArray

WINDOW_FRAMES = 45
"""Frames of 10 ms that a judgement looks at."""
_LAG_STEP = 2
_LAGS = 26
"""Delays from 0 to 500 ms in steps of 20 ms."""
_HISTORY = WINDOW_FRAMES + _LAG_STEP * (_LAGS - 1)
# Band edges in bins of 100 Hz: about as wide as hearing's below 6 kHz.
_EDGES = np.array([2, 4, 6, 8, 11, 14, 18, 23, 29, 37, 47, 60])
_BANDS = len(_EDGES) - 1
# A loudspeaker's sound stays in the room about so long: 60 dB in 0.4 s, per frame.
_DECAY = 10 ** (-6.0 / 40)
_FAR_FLOOR = 1e-7
_NEAR_FLOOR = 1e-8
_PLAYING = 3e-6
_MARGIN = 10**0.6
_LEAK_STEP_DB = 0.3
_LEAK_QUANTILE = 0.8
_RECENT = 8
_TAKEN_DB = -12.0
_LEARN = 0.55
# Two voices seldom agree so well at any delay, and never for long at the same.
_LEARN_DELAY = 0.7
_BATCH = 8
# What a remembered delay counts for: known, and unlearnt after some tenths of a second.
_REMEMBERED = 3.0
_NOISE_RISE = 10 ** (0.2 / 10 / 10)

_Frames = npt.NDArray[np.float64]


class EchoGate:
    """Takes 10 ms of raw microphone, cleaned microphone and loudspeaker at a time; one thread."""

    def __init__(self) -> None:
        self._waiting = np.zeros((3, _BATCH, BLOCK_SAMPLES), np.float32)
        self._first_lag = np.arange(WINDOW_FRAMES) + _LAG_STEP * np.arange(_LAGS)[:, None]
        self.reset()

    def reset(self) -> None:
        """Forget the room and what was heard."""
        self._count = 0
        self._near = np.full((WINDOW_FRAMES, _BANDS), _NEAR_FLOOR)
        self._clean = np.full((WINDOW_FRAMES, _BANDS), _NEAR_FLOOR)
        self._far = np.full((_HISTORY, _BANDS), 0.0)
        self._noise = np.full(_BANDS, _NEAR_FLOOR)
        self._smooth = np.full(_BANDS, _NEAR_FLOOR)
        self._loud = self._quiet = _NEAR_FLOOR * _BANDS
        self._leak_db = np.zeros(_BANDS)
        self._learnt = 0
        self._fits = np.zeros(_LAGS)
        self._follows = 0.0
        self._explained = 0.0

    @property
    def learnt(self) -> tuple[_Frames, _Frames]:
        """The usual leak of each band (11,) and the evidence for each delay (26,), to be remembered."""
        return self._leak_db.copy(), self._fits.copy()

    def remember(self, leak_db: _Frames, fits: _Frames) -> None:
        """Begin with what was ``learnt`` another time, ready to be told otherwise."""
        self._leak_db = leak_db.copy()
        self._fits = fits * (_REMEMBERED / max(float(fits.max()), _REMEMBERED))

    def push(self, near: FloatArray, clean: FloatArray, far: FloatArray) -> None:
        """10 ms of each, (480,)."""
        waiting = self._waiting[:, self._count]
        waiting[0], waiting[1], waiting[2] = near, clean, far
        self._count += 1
        if self._count == _BATCH:
            self._judge()

    def explained(self) -> float:
        """How much of the last 450 ms the loudspeaker explains: 0 nothing, 1 all."""
        self._judge()
        return self._explained

    @property
    def follows(self) -> float:
        """How well the raw microphone followed the loudspeaker when last judged: -1 to 1."""
        return self._follows

    @property
    def delay_s(self) -> float:
        """By how much the microphone lags behind the loudspeaker, as far as is known."""
        return int(self._fits.argmax()) * _LAG_STEP * 0.01

    def _judge(self) -> None:
        """Take in what waits and answer both questions."""
        count, self._count = self._count, 0
        if not count:
            return
        powers = _band_powers(self._waiting[:, :count])
        self._near = np.concatenate([self._near, powers[0]])[-WINDOW_FRAMES:]
        self._clean = np.concatenate([self._clean, powers[1]])[-WINDOW_FRAMES:]
        self._far = np.concatenate([self._far, self._lingering(powers[2])])[-_HISTORY:]
        self._track_noise(powers[0], powers[1])
        if self._far.sum(axis=1).max() < _PLAYING:
            self._follows = self._explained = 0.0
            return
        correlations = self._correlations()
        if correlations.max() > _LEARN_DELAY:
            self._fits *= 0.98
            self._fits[int(correlations.argmax())] += correlations.max()
        self._follows = self._best(correlations)
        heard = self._far[self._echo_place()]
        low, high = (0.35, 0.65) if self._delay_known else (0.6, 0.8)
        if self._delay_known and float(self._leak_db.mean()) < _TAKEN_DB:
            # So little gets through that how faint it is tells more than how it rises and falls.
            low, high = 0.15, 0.45
        faint = min(self._faint(heard), self._faint(heard, _RECENT))
        self._explained = _ramp(self._follows, low, high) * _ramp(faint, 0.45, 0.75)
        # Also silence teaches: what is played and not heard does not get through.
        silent = self._near[-count:].sum() < 4 * count * self._quiet
        if self._follows > _LEARN or (silent and self._follows < 0.45):
            self._learn(heard, count)

    def _lingering(self, far: _Frames) -> _Frames:
        """Loudspeaker frames (k, B) with the reverberation of what came before."""
        last = self._far[-1]
        out = np.empty_like(far)
        for row, power in enumerate(far):
            last = np.maximum(power, last * _DECAY)
            out[row] = last
        return out

    def _track_noise(self, near: _Frames, clean: _Frames) -> None:
        """Follow the quiet on both sides of the canceller: falls at once, rises 2 dB a second."""
        for loud, power in zip(near.sum(axis=1), clean, strict=True):
            self._loud += 0.2 * (float(loud) - self._loud)
            self._quiet = max(min(self._quiet * _NOISE_RISE, self._loud), 1e-12)
            self._smooth += 0.2 * (power - self._smooth)
            self._noise = np.minimum(self._noise * _NOISE_RISE, self._smooth)
        self._noise = np.maximum(self._noise, 1e-12)

    def _correlations(self) -> _Frames:
        """(26,): how the microphone's levels follow the loudspeaker's at each delay."""
        weight = np.sqrt(self._clean.sum(axis=1))
        total = weight.sum()
        if total <= 0:
            return np.zeros(len(self._first_lag))  # a microphone that delivers exact silence
        weight /= total
        near = 10 * np.log10(self._near + _NEAR_FLOOR)
        near -= weight @ near
        far_db = 10 * np.log10(self._far + _FAR_FLOOR)
        # Row l of the index ends l lag steps before the newest frame.
        far = far_db[self._first_lag[::-1]]
        weighted = weight[:, None] * near
        cross = np.tensordot(far, weighted, axes=([1, 2], [0, 1]))
        # near is centred under the weights, so the far side's mean drops out of the product.
        mean = np.tensordot(far, weight, axes=([1], [0]))
        square = np.tensordot((far * far).sum(axis=2), weight, axes=([1], [0]))
        spread = np.sqrt(np.maximum(square - (mean * mean).sum(axis=1), 0))
        return cross / (spread * np.sqrt((weighted * near).sum()) + 1e-6)

    def _best(self, correlations: _Frames) -> float:
        """The best fit, at the delays near the known one once it is known."""
        if not self._delay_known:
            return float(correlations.max())
        known = int(self._fits.argmax())
        return float(correlations[max(0, known - 3) : known + 4].max())

    @property
    def _delay_known(self) -> bool:
        return bool(self._fits.max() >= 2.0)

    def _echo_place(self) -> slice:
        """Where in the loudspeaker's history the frames lie that the window may hold echoes of."""
        end = _HISTORY - _LAG_STEP * int(self._fits.argmax())
        return slice(end - WINDOW_FRAMES, end)

    def _faint(self, heard: _Frames, last: int = WINDOW_FRAMES) -> float:
        """Share of what got through that is no louder than the usual residue, in amplitudes.

        Of the ``last`` frames: a user who begins is found in few, long before the many say so.
        """
        residue = heard[-last:] * 10 ** (self._leak_db / 10) * _MARGIN
        above = np.maximum(self._clean[-last:] - 4 * self._noise, 0)
        total = np.sqrt(above).sum()
        if total <= 0:
            return 1.0
        return 1.0 - float(np.sqrt(np.maximum(above - residue, 0)).sum() / total)

    def _learn(self, heard: _Frames, count: int) -> None:
        """The room is heard: take in how much gets through."""
        heard, clean = heard[-count:], self._clean[-count:]
        playing = heard.sum(axis=1) > _PLAYING
        if not playing.any():
            return
        ratio_db = 10 * np.log10((clean[playing] + 1e-10) / (heard[playing] + 1e-9))
        above = (ratio_db > self._leak_db).sum(axis=0)
        below = playing.sum() - above
        # Quick at first: the first second decides about the first interruption.
        self._learnt += int(playing.sum())
        step_db = _LEAK_STEP_DB * max(1.0, 5.0 - self._learnt / 40)
        self._leak_db += step_db * (_LEAK_QUANTILE * above - (1 - _LEAK_QUANTILE) * below)
        np.minimum(self._leak_db, 6.0, out=self._leak_db)


def _band_powers(blocks: FloatArray) -> _Frames:
    """Mean power per band of (S, k, 480), as (S, k, B)."""
    spectra = np.fft.rfft(blocks)[..., : _EDGES[-1]]
    power = (spectra.real**2 + spectra.imag**2).astype(np.float64) * (2 / BLOCK_SAMPLES**2)
    return np.add.reduceat(power, _EDGES[:-1], axis=-1)


def _ramp(value: float, low: float, high: float) -> float:
    """0 below ``low``, 1 above ``high``, straight between."""
    return min(1.0, max(0.0, (value - low) / (high - low)))
