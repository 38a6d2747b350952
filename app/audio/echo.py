"""The loudspeaker's sound taken out of the microphone's, and how well that works.

Three parts: a long linear model of the room (``linear_echo.py``), WebRTC's canceller AEC3 behind it for
what a linear model cannot know, and a judge of what the model left (``echo_gate.py``). While the judge
hears echo alone, AEC3 may silence it; while somebody speaks, the linear model's sound is taken.

WebRTC comes from pywebrtc-audio 0.2.0. Compared with livekit 1.2.0 (``rtc.AudioProcessingModule``) on
the virtual device, 4 rooms x 3 levels, 19 s of the assistant's voice, noise at -65 dBFS, ERLE after
3 s for echo at -30, -20 and -10 dB:

    ==============  =====================  =====================
                    pywebrtc-audio 0.2.0   livekit 1.2.0
    ==============  =====================  =====================
    desk            20.1   25.9   33.4     20.9   30.9   37.8
    living room     13.4   14.2   14.7     17.2   17.6   19.4
    kitchen         16.8   21.4   22.0     17.8   19.3   19.6
    laptop          18.8   28.8   38.5     19.8   29.8   39.7
    per 10 ms       0.09 ms                0.09 ms
    installed       0.9 MB, numpy          30 MB, protobuf, aiofiles
    ==============  =====================  =====================

The same engine behind both, so the small package wins: it takes float samples and lets go of the
interpreter's lock, has wheels for Linux, macOS and Windows on Python 3.10 to 3.14, and starts no
runtime of its own; livekit brings a whole media server's client. Neither reaches 25 dB in the two rooms
that echo long, and AEC3 alone hides a user who speaks beside a loud echo: at -10 dB voice activity
finds him after 0.1 to 0.7 s, after 1.1 to 1.5 s or not at all when he speaks softly. With all three
parts it finds him as soon as with headphones (0.1 to 0.23 s), and ERLE (noise at -75 dBFS, the
built-in voices; ``pytest -m slow -s tests/app/audio/test_echo.py``) is

    ==============  =====  =====  =====
    echo at         -30    -20    -10 dB
    ==============  =====  =====  =====
    desk            26.0   30.2   31.7
    living room     25.3   29.4   28.6
    kitchen         26.0   26.3   25.7
    laptop          22.8   22.8   20.3
    ==============  =====  =====  =====

The price: a loudspeaker that is driven into distortion (laptop), where AEC3 alone did better. Two
clocks that part by 50 ppm cost 6 to 11 dB in the rooms that echo long. All three take 0.4 ms
for 10 ms of sound while something is played, 0.2 ms otherwise.

What the linear model leaves is also compared with what it usually leaves (``echo_left.py``, 0.03 ms): so
it is known at once that somebody began, before anything can tell who.

AEC3 finds the delay by itself up to 400 ms and more; told the delay it did no better, so it is not
told. What the linear model knows of a room is kept for the next session (``echo_memory.py``); a new
loudspeaker is greeted by a sound to learn by (``chime.py``). Noise suppression is off: it took no more
echo away, and with noise up to -45 dBFS neither it nor AEC3 moved the built-in recogniser's errors by
more than one word in 49. There is no gain control.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.audio.echo_gate import EchoGate
from app.audio.echo_state import EchoState
from app.audio.echo_trial import Trial
from app.audio.linear_echo import DELAY_SAMPLES, LinearEcho
from app.core.errors import SoundError
from app.core.live_ports import BLOCK_S, BLOCK_SAMPLES, SESSION_RATE_HZ
from app.core.types import FloatArray

if TYPE_CHECKING:
    from pywebrtc_audio import AudioProcessor

SETTLED_DB = 15.0
"""So much taken away is enough to trust what is left."""
_UNSETTLED_DB = 8.0
_LOST_DB = 3.0
_PLAYING = 1e-6
# An echo stays in the room: 60 dB in 0.4 s, per block.
_LINGERS = 10 ** (-6.0 * BLOCK_S / 0.4)
_FOLLOWS = 0.6
_LONG_S = 2.0
_SHORT_S = 0.5
_SURE_S = 0.3
_SETTLE_S = 1.0
_RESET_EVERY_S = 5.0
_ECHO_S = 0.3
_LATELY_S = 30.0
"""Echo for 0.3 s of the last half minute of playback is an echo."""
_FADE = 0.25
_JUDGE_BLOCKS = 3
_NOTE_BLOCKS = 50
_SOMEBODY = 0.3
_ECHO_ALONE = 0.6
# What AEC3 gives out at 48 kHz is so much late (measured with noise).
_WEBRTC_SAMPLES = 430
_NOISE_RISE = 10 ** (0.2 * BLOCK_S)


class NoEcho:
    """The ``EchoCanceller`` for headphones: lets the microphone through."""

    def process(self, near: FloatArray, far: FloatArray) -> FloatArray:
        """The microphone as it is."""
        return near

    def explained(self) -> float:
        """Nothing ever is."""
        return 0.0

    @property
    def unexplained_db(self) -> float:
        """There is no echo beside which anything could stand out."""
        return 0.0

    @property
    def erle_db(self) -> float | None:
        """There is no echo to measure."""
        return None

    @property
    def settled(self) -> bool:
        """Always."""
        return True

    def reset(self) -> None:
        """Nothing to forget."""


class WebRtcEcho:
    """The ``EchoCanceller`` for loudspeakers. One thread; the properties may be read from any.

    The cleaned sound is 11 ms late.
    """

    def __init__(self) -> None:
        self._webrtc: AudioProcessor | None = None
        self._linear = LinearEcho()
        self._gate = EchoGate()
        self._far_tail = np.zeros(DELAY_SAMPLES, np.float32)
        self._left_tail = np.zeros(_WEBRTC_SAMPLES, np.float32)
        self._measure = _Measure()
        self._changes = 0
        self._since_reset_s = 0.0
        self._believed = 0.0
        self._echo_alone = False
        self._unjudged = 0
        self._trial: Trial | None = None
        self._recalled = EchoState()
        self._learnt: EchoState | None = None
        self._unnoted = 0

    def load(self) -> None:
        """Load the canceller; ``process`` does it by itself when needed.

        Raises:
            SoundError: when the package is missing or does not run on this machine.
        """
        try:
            from pywebrtc_audio import AudioProcessor

            self._webrtc = AudioProcessor(sample_rate=SESSION_RATE_HZ, echo_cancellation=True)
        except (ImportError, OSError, RuntimeError) as error:
            raise SoundError(
                "The echo canceller cannot be loaded: run `make setup` again, or use headphones."
            ) from error

    def process(self, near: FloatArray, far: FloatArray) -> FloatArray:
        """10 ms of each at 48 kHz (480,); the cleaned microphone (480,)."""
        if self._webrtc is None:
            self.load()
        assert self._webrtc is not None
        line = np.concatenate([self._far_tail, far])
        self._far_tail = line[BLOCK_SAMPLES:]
        left = self._without_echo(near, far)
        cancelled = self._webrtc.process(np.clip(left, -1.0, 1.0), line[:BLOCK_SAMPLES])
        left_line = np.concatenate([self._left_tail, left])
        self._left_tail = left_line[BLOCK_SAMPLES:]
        self._gate.push(near, left, far)
        self._judge()
        self._note_down()
        clean = self._chosen(left_line[:BLOCK_SAMPLES], cancelled)
        self._measure.block(near, clean, far, self._gate.follows)
        self._since_reset_s += BLOCK_S
        if self._linear.failing and self._gate.follows > _FOLLOWS:
            self._linear.loosen()
        lost = self._measure.lost or self._linear.changes > self._changes
        if lost and self._since_reset_s > _RESET_EVERY_S:
            self._begin_again()
        return clean

    def _judge(self) -> None:
        """Ask the gate every 30 ms whether what the linear stage left is echo or somebody."""
        self._unjudged += 1
        if self._unjudged < _JUDGE_BLOCKS:
            return
        self._unjudged = 0
        limit = _SOMEBODY if self._echo_alone else _ECHO_ALONE
        self._echo_alone = self._measure.expects_echo and self._gate.explained() >= limit

    def _chosen(self, left: FloatArray, cancelled: FloatArray) -> FloatArray:
        """AEC3's sound where there is echo alone, else what it was given then, faded in 40 ms.

        AEC3 now and then takes whoever speaks beside the loudspeaker for echo and mutes him for a
        second or two, with headphones as a rule. The linear stage cannot: it only takes away what
        was played, and what it leaves beside a voice is 20 dB down.
        """
        before = self._believed
        wanted = 1.0 if self._echo_alone else 0.0
        self._believed += float(np.clip(wanted - before, -_FADE, _FADE))
        if before == self._believed == 1.0:
            return cancelled
        share = np.linspace(before, self._believed, BLOCK_SAMPLES, dtype=np.float32)
        return np.asarray(left + share * (cancelled - left), np.float32)

    def explained(self) -> float:
        """How much of the last 450 ms of the microphone the loudspeaker explains, 0 to 1."""
        return self._gate.explained()

    @property
    def unexplained_db(self) -> float:
        """How much the last block stands out of what is usually left of an echo (``LeftOver``).

        0 where there is none, and while a remembered room is on trial.
        """
        sure = self._trial is None and self._measure.expects_echo
        return self._linear.unexplained_db if sure else 0.0

    @property
    def erle_db(self) -> float | None:
        """Echo taken away over the last seconds of playback, in dB; None before any was heard."""
        return self._measure.erle_db

    @property
    def settled(self) -> bool:
        """Whether it takes enough away to trust what is left, or there is no echo at all."""
        return self._measure.settled

    @property
    def delay_s(self) -> float:
        """By how much echoes lag behind what is played, as far as is known."""
        return self._gate.delay_s

    def state(self) -> EchoState | None:
        """What was learnt, to be remembered for these devices; None where that is nothing yet."""
        if self._learnt is not None:
            return self._learnt
        return EchoState() if self._measure.echo_free else None

    def _note_down(self) -> None:
        """Keep what is known while it is known to be good: echo alone is heard, and taken away."""
        self._unnoted += 1
        if self._unnoted < _NOTE_BLOCKS or not self._echo_alone or self._trial is not None:
            return
        room = self._linear.learnt
        if room is not None:
            self._unnoted = 0
            self._learnt = EchoState(*room, *self._gate.learnt)

    def recall(self, state: EchoState) -> None:
        """Begin with what was learnt another time. Where it is wrong, it is soon given up."""
        self._trial, self._recalled = None, state
        if state.room is not None and state.doubt is not None:
            self._linear.reset()
            self._trial = Trial(state.room, state.doubt, self._linear)

    def _without_echo(self, near: FloatArray, far: FloatArray) -> FloatArray:
        """The linear stage; a remembered room is tried beside one that is learnt from nothing."""
        trial, state = self._trial, self._recalled
        if trial is None:
            return self._linear.process(near, far)
        left = trial.process(near, far)
        if trial.better is not None:
            self._trial = None
            if trial.better is not self._linear:
                self._linear = trial.better
                self._changes = self._linear.changes
                if state.leak_db is not None and state.fits is not None:
                    self._gate.remember(state.leak_db, state.fits)
        return left

    def reset(self) -> None:
        """Forget the room, after a gap or a change of device."""
        self._trial = self._learnt = None
        self._unnoted = 0
        self._linear.reset()
        self._begin_again()
        self._gate.reset()
        self._far_tail = np.zeros(DELAY_SAMPLES, np.float32)
        self._left_tail = np.zeros(_WEBRTC_SAMPLES, np.float32)
        self._believed = 0.0
        self._echo_alone = False
        self._unjudged = 0

    def _begin_again(self) -> None:
        """The canceller lost its hold: the room changed, or the two clocks slipped."""
        if self._webrtc is not None:
            self._webrtc.reset()
        if self._linear.changes == self._changes:
            self._linear.loosen()
        self._changes = self._linear.changes
        self._measure = _Measure()
        self._since_reset_s = 0.0


class _Measure:
    """How much of the echo is taken away, from blocks in which the microphone hears mostly echo."""

    def __init__(self) -> None:
        self._lingering = 0.0
        # Near and clean: smoothed over 100 ms, and the least of that of late.
        self._smooth = [0.0, 0.0]
        self._noise = [1.0, 1.0]
        self._played_s = 0.0
        self._echo_s = 0.0
        self._echo_lately_s = 0.0
        self._quiet_s = 0.0
        self._near = [1e-12, 1e-12]
        self._clean = [1e-12, 1e-12]
        self._worked = False
        self.settled = False

    def block(self, near: FloatArray, clean: FloatArray, far: FloatArray, follows: float) -> None:
        """Take in 10 ms. ``follows``: how well the microphone followed the loudspeaker of late."""
        heard, left, played = (float(each @ each) / BLOCK_SAMPLES for each in (near, clean, far))
        for place, power in enumerate((heard, left)):
            self._smooth[place] += 0.1 * (power - self._smooth[place])
            least = min(self._noise[place] * _NOISE_RISE, self._smooth[place])
            self._noise[place] = max(least, 1e-12)
        self._lingering = max(played, self._lingering * _LINGERS)
        if self._lingering < _PLAYING:
            return
        self._played_s += BLOCK_S
        self._echo_lately_s *= 1 - BLOCK_S / _LATELY_S
        if follows > _FOLLOWS:
            self._echo_s += BLOCK_S
            self._echo_lately_s += BLOCK_S
            for place, memory_s in enumerate((_LONG_S, _SHORT_S)):
                kept = 1 - BLOCK_S / memory_s
                self._near[place] = self._near[place] * kept + heard
                self._clean[place] = self._clean[place] * kept + left
        elif self._smooth[0] < 4 * self._noise[0]:
            self._quiet_s += BLOCK_S
        self._settle()

    @property
    def echo_free(self) -> bool:
        """Whether the loudspeaker was played for a while and never heard."""
        return self.settled and self._echo_s < _SURE_S

    @property
    def expects_echo(self) -> bool:
        """Whether the microphone has heard the loudspeaker of late."""
        return self._echo_lately_s > _ECHO_S

    @property
    def erle_db(self) -> float | None:
        """Over the last two seconds of echo; None before 0.3 s of it."""
        return self._ratio_db(0) if self._echo_s >= _SURE_S else None

    @property
    def lost(self) -> bool:
        """Whether it once worked and now, echo being heard, takes nothing away."""
        return self._worked and self._echo_s >= _SETTLE_S and self._ratio_db(1) < _LOST_DB

    def _ratio_db(self, place: int) -> float:
        return float(10 * np.log10(self._near[place] / self._clean[place]))

    def _settle(self) -> None:
        """Echo that is taken away, that is gone in the noise, or that never was."""
        if self._echo_s < _SETTLE_S:
            none = self._quiet_s >= _SETTLE_S and self._echo_s < 0.1 * self._played_s
            self.settled = self.settled or none
            return
        erle_db = self._ratio_db(0)
        # A sum that forgets over two seconds: its weight in blocks.
        mean = self._clean[0] * BLOCK_S / _LONG_S
        limit_db = _UNSETTLED_DB if self.settled else SETTLED_DB
        self.settled = erle_db >= limit_db or mean < 2.5 * self._noise[1]
        self._worked = self._worked or erle_db >= SETTLED_DB
