"""A linear model of the way from loudspeaker to microphone, learnt while the loudspeaker plays.

What it takes away is sound of the loudspeaker alone, so a user who speaks meanwhile stays as he is.
It reaches 400 ms back, where WebRTC's own linear stage ends after some 50, and knows nothing of
loudspeakers that distort: what it leaves is for the canceller behind it.

A partitioned frequency-domain Kalman filter: G. Enzner, P. Vary, "Frequency-domain adaptive Kalman
filter for acoustic echo control in hands-free telephones", Signal Processing 86, 2006; in parts, as
in F. Kuech et al., "State-space architecture of the partitioned-block-based acoustic echo
controller", ICASSP 2014. It weighs by itself how much to learn: little while the user speaks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from app.audio.echo_left import LeftOver
from app.core.live_ports import BLOCK_SAMPLES
from app.core.types import FloatArray

_RATIO = 3
_SIZE = BLOCK_SAMPLES // _RATIO
"""It works at 16 kHz, on 160 samples at a time: a loudspeaker's voice has little above 8 kHz."""
_PARTS = 40
_BINS = _SIZE + 1
_HALF = 48
_TAPS = 2 * _HALF + 1
DELAY_SAMPLES = 2 * _HALF
"""What comes out is so much late, 2 ms."""
_CUT_HZ = 7_400.0
# What a room is expected to do before anything is known: its echo begins within 100 ms, at about
# -20 dB in each part, and falls by a tenth with every later part of 10 ms.
_PRIOR = 0.01
_PRIOR_PARTS = 10
_PRIOR_FALL = 0.9
# By how much the room is expected to change from block to block; clocks that drift apart by 20 ppm
# are followed without loss.
_STAYS = 0.998
_NEAR_SMOOTHING = 0.8
_LEAST = 1e-6
# Adding more than it takes away, over about 100 ms, is worse than doing nothing.
_WORSE = 1.6
# ... unless it is nothing that could be heard: -67 dBFS, as the energy of a block.
_UNHEARD = 3e-5
_SMOOTHING = 0.05
# ... and before it has heard so many blocks of the loudspeaker.
_YOUNG_BLOCKS = 10
# Blocks so much above the quietest tell how it works; the others are noise.
_ABOVE = 30.0
# It took away so much, and now less than that: the room has changed. In powers.
_WORKED = 0.1
_FAILS = 0.4
# A remembered room is doubted so much of what an unknown one is: the devices may have been moved.
_MOVED = 0.1

_Complex = npt.NDArray[np.complex64]


class LinearEcho:
    """Takes 10 ms of microphone and loudspeaker at 48 kHz at a time; one thread."""

    def __init__(self) -> None:
        self._low_pass = _low_pass()
        padded = np.concatenate([self._low_pass, np.zeros(_RATIO - 1, np.float32)])
        # (33, 3): taps of each of the three samples between two; newest input last.
        self._between = np.ascontiguousarray(padded.reshape(-1, _RATIO)[::-1] * _RATIO)
        self._left_over = LeftOver()
        self.reset()

    def reset(self) -> None:
        """Forget the room and what was played."""
        self._near_tail = np.zeros(DELAY_SAMPLES, np.float32)
        self._far_tail = np.zeros(_TAPS - 1, np.float32)
        self._echo_tail = np.zeros(len(self._between) - 1, np.float32)
        self._before = np.zeros(_SIZE, np.float32)
        self._far: _Complex = np.zeros((_PARTS, _BINS), np.complex64)
        self._silent = _PARTS + 1
        self._changes = 0
        self._forget(_PRIOR)

    def _forget(self, prior: float) -> None:
        """Nothing is known of the room, except how loud echoes may be."""
        expected = prior * _prior_shape()
        self._room: _Complex = np.zeros((_PARTS, _BINS), np.complex64)
        self._doubt = np.repeat(expected[:, None], _BINS, axis=1)
        self._near_power = np.zeros(_BINS, np.float32)
        self._in = self._out = 0.0
        self._loud_in = self._loud_out = 0.0
        self._least = 1.0
        self._worked = False
        self._sure = False
        self._young = _YOUNG_BLOCKS
        self._left_over.forget()

    @property
    def learnt(self) -> tuple[_Complex, FloatArray] | None:
        """The room (40, 161) and how far each of its numbers is doubted, to be remembered.

        None before anything was learnt that takes echo away.
        """
        if not self._worked or self.failing:
            return None
        return self._room.copy(), self._doubt.astype(np.float32)

    def remember(self, room: _Complex, doubt: FloatArray) -> None:
        """Begin with what was ``learnt`` another time, and keep to it until ``doubtful`` is called."""
        self._forget(_PRIOR)
        self._room = room.astype(np.complex64)
        self._doubt = np.maximum(doubt, _MOVED * _PRIOR * _prior_shape()[:, None])
        self._sure = True

    def doubtful(self) -> None:
        """From now on what makes things worse is given up, as it is without ``remember``."""
        self._sure = False

    def loosen(self) -> None:
        """The room has changed: doubt what was learnt, but begin from it."""
        self._doubt = np.maximum(self._doubt, _PRIOR * _prior_shape()[:, None])
        self._worked = False

    @property
    def changes(self) -> int:
        """How often what had worked turned out wrong, as when the microphone is moved."""
        return self._changes

    @property
    def failing(self) -> bool:
        """Whether it once took 10 dB away and now less than 4: a changed room, or a user's voice."""
        return self._worked and self._loud_out > _FAILS * self._loud_in

    @property
    def unexplained_db(self) -> float:
        """How much what was left of the last block stands out of what is usually left (``LeftOver``)."""
        return self._left_over.unexplained_db

    def process(self, near: FloatArray, far: FloatArray) -> FloatArray:
        """(480,) of each; the microphone (480,) without the echo, ``DELAY_SAMPLES`` late."""
        near_line = np.concatenate([self._near_tail, near])
        far_line = np.concatenate([self._far_tail, far])
        self._near_tail, self._far_tail = near_line[BLOCK_SAMPLES:], far_line[BLOCK_SAMPLES:]
        late = near_line[:BLOCK_SAMPLES]
        low_far = self._lowered(far_line)
        self._silent = 0 if low_far.any() else self._silent + 1
        if self._silent > _PARTS:
            self._before = low_far
            self._far[0] = 0
            self._left_over.quiet(self._lowered(near_line))
            if not self._echo_tail.any():
                return late
            echo = np.zeros(_SIZE, np.float32)
        else:
            low_near = self._lowered(near_line)
            echo = self._learn(low_near, low_far)
            self._left_over.block(echo, low_near - echo)
        line = np.concatenate([self._echo_tail, echo])
        self._echo_tail = line[_SIZE:]
        echo_48k = (sliding_window_view(line, len(self._between)) @ self._between).ravel()
        return np.asarray(late - echo_48k, np.float32)

    def _lowered(self, line: FloatArray) -> FloatArray:
        """480 samples and the 96 before them to (160,) at 16 kHz."""
        return sliding_window_view(line, _TAPS)[::_RATIO] @ self._low_pass

    def _learn(self, near: FloatArray, far: FloatArray) -> FloatArray:
        """The echo (160,) that is expected in ``near``; what it misses is learnt."""
        self._far[1:] = self._far[:-1]
        self._far[0] = np.fft.rfft(np.concatenate([self._before, far]))
        self._before = far
        echo = np.fft.irfft((self._far * self._room).sum(axis=0))[_SIZE:].astype(np.float32)
        error = near - echo
        spectrum = np.fft.rfft(np.concatenate([np.zeros(_SIZE, np.float32), error]))
        power = spectrum.real**2 + spectrum.imag**2
        self._near_power += (1 - _NEAR_SMOOTHING) * (power - self._near_power)
        far_power = self._far.real**2 + self._far.imag**2
        # Half: of a frame of two blocks, one is new.
        expected = 0.5 * (far_power * self._doubt).sum(axis=0) + self._near_power + _LEAST
        gain = self._doubt / expected
        step = gain * self._far.conj() * spectrum
        # Each part is a response of 160 samples: the other half of its frame must stay zero.
        response = np.fft.irfft(step, axis=1)
        response[:, _SIZE:] = 0
        self._room += np.fft.rfft(response, axis=1)
        learnt = self._room.real**2 + self._room.imag**2
        self._doubt *= _STAYS**2 * (1 - 0.5 * gain * far_power)
        self._doubt += (1 - _STAYS**2) * learnt
        return self._trusted(near, echo, error)

    def _trusted(self, near: FloatArray, echo: FloatArray, error: FloatArray) -> FloatArray:
        """``echo``, or nothing and a new beginning when it makes things worse."""
        heard, left = float(near @ near), float(error @ error)
        self._in += _SMOOTHING * (heard - self._in)
        self._out += _SMOOTHING * (left - self._out)
        self._least = max(min(1.002 * self._least, heard), 1e-9)
        if heard > _ABOVE * self._least:
            self._loud_in += _SMOOTHING * (heard - self._loud_in)
            self._loud_out += _SMOOTHING * (left - self._loud_out)
            self._worked = self._worked or self._loud_out < _WORKED * self._loud_in
        self._young -= self._young > 0
        if not self._sure and self._out > _WORSE * self._in + _UNHEARD:
            if self._young:
                # Half an echo was heard so far: what is made of it may well be too much.
                return np.zeros(_SIZE, np.float32)
            # A room that worked has changed; where nothing ever did, there may be no echo at all.
            self._changes += self._worked
            self._forget(_PRIOR if self._worked else 0.1 * _PRIOR)
            return np.zeros(_SIZE, np.float32)
        return echo


def _prior_shape() -> FloatArray:
    """(40,): how much of an echo each part may hold, relative to the first."""
    later = np.maximum(np.arange(_PARTS) - _PRIOR_PARTS, 0)
    return (_PRIOR_FALL**later).astype(np.float32)


def _low_pass() -> FloatArray:
    """(97,): a windowed sinc that keeps what 16 kHz can hold."""
    at = np.arange(-_HALF, _HALF + 1)
    ratio = 2 * _CUT_HZ / 48_000
    taps = ratio * np.sinc(ratio * at) * np.kaiser(_TAPS, 7.0)
    return (taps / taps.sum()).astype(np.float32)
