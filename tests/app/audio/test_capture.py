"""The two sides are laid beside each other by their own counts, and stay there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.capture import Assembler, Capture, Earliest, Pairing, Track
from app.audio.ring import Ring
from app.core.types import FloatArray


@given(
    late=st.lists(st.floats(0.0, 0.2), min_size=150, max_size=300),
    ppm=st.floats(-300, 300),
)
@settings(max_examples=12)
def test_the_earliest_callback_tells_when_counting_began(late: list[float], ppm: float) -> None:
    earliest = Earliest()
    start_s, rate = 50.0, 1 + ppm * 1e-6
    for number, late_s in enumerate(late):
        on_time = 0.0 if number % 40 == 0 else late_s
        count_s = 0.01 * number
        earliest.note(count_s, start_s + count_s / rate + on_time)
    # It follows the drift of the last two seconds and none of the lateness.
    drift_s = 0.01 * len(late) * abs(1 / rate - 1)
    assert earliest.start_s == pytest.approx(start_s, abs=drift_s + 1e-6)


def test_before_the_first_callback_there_is_no_time() -> None:
    assert Earliest().start_s == float("inf")


@given(st.floats(-250, 250), st.floats(0, 1e6))
@settings(max_examples=15)
def test_a_drifting_clock_is_followed_one_sample_at_a_time(ppm: float, begin: float) -> None:
    pairing, last, off = Pairing(), None, 0.0
    for number in range(6000):  # a minute
        wanted = begin + 480 * number * (1 + ppm * 1e-6)
        start = pairing.next(wanted)
        if last is not None and number > 300:
            assert abs(start - last - 480) <= 1
            off = max(off, abs(start - wanted))
        last = start
    assert off <= 50
    assert pairing.slips >= abs(ppm) * 1e-6 * 480 * 5700 - 60


def test_a_clock_that_jumped_is_laid_anew() -> None:
    pairing = Pairing()
    for number in range(400):
        pairing.next(480.0 * number)
    assert pairing.next(480.0 * 400 + 9000) == 480 * 400 + 9000
    assert pairing.jumps == 1


def test_channels_are_averaged_and_zeros_noticed() -> None:
    capture = Capture(48_000, lambda: 7.0)
    capture.called(np.zeros((480, 2), np.float32), 0.0, False)
    assert capture.loud_at == 0
    stereo = np.tile(np.array([[0.2, 0.4]], np.float32), (10_000, 1))
    capture.called(stereo, 0.0, True)
    assert capture.ring.between(480, 10_480) == pytest.approx(np.full(10_000, 0.3), abs=1e-6)
    assert capture.loud_at == 10_480
    assert capture.xruns == 1
    assert capture.stamp == (10_480, 7.0)


def test_a_track_says_when_its_source_ran_away() -> None:
    ring = Ring(1000)
    track = Track(ring, 48_000)
    ring.put(np.ones(900, np.float32))
    assert track.pull()
    assert track.ring.end == 900
    ring.put(np.ones(900, np.float32))
    ring.put(np.ones(900, np.float32))
    assert not track.pull()


class TwoSides:
    """A loudspeaker and a microphone that hears it ``delay_s`` later, on their own clocks."""

    def __init__(self, near_hz: int, far_hz: int, delay_s: float, ppm: float = 0.0) -> None:
        self.now_s = 10.0
        self.near_hz, self.far_hz, self.ppm = near_hz, far_hz, ppm
        self.capture = Capture(near_hz, lambda: self.now_s)
        self.reference = Ring(4 * far_hz)
        self.delay_s = delay_s
        self.assembler = Assembler(self.capture, self.reference, far_hz, 0.02)
        rng = np.random.default_rng(3)
        # What is played, as a function of time: slow enough to be looked up at any rate.
        self.knots = np.convolve(rng.standard_normal(40_000), np.hanning(9), "same")
        self.heard_s = self.played_s = 0.0
        self.played = (0, 0.0)

    def wave(self, second: FloatArray | np.ndarray) -> FloatArray:
        return np.interp(second * 1000.0, np.arange(len(self.knots)), self.knots).astype(np.float32)

    def step(self) -> list[tuple[FloatArray, FloatArray]]:
        self.now_s += 0.01
        count = self.far_hz // 100
        self.played = (self.reference.end, self.now_s)
        self.reference.put(self.wave(self.played_s + np.arange(count) / self.far_hz))
        self.played_s += count / self.far_hz
        count = self.near_hz // 100
        step_s = (1 - self.ppm * 1e-6) / self.near_hz
        # What is handed over at the end of a step leaves the loudspeaker in the next.
        near = self.wave(self.heard_s - 0.01 - self.delay_s + np.arange(count) * step_s)
        self.heard_s += count * step_s
        self.capture.called(near[:, None], 0.0, False)
        # The microphone's callback comes when its sound is there, on its own clock.
        self.capture.stamp = (self.capture.ring.end, 10.0 + self.heard_s)
        return [(pair.near, pair.far) for pair in self.assembler.pairs(self.played)]


def lag_ms(near: FloatArray, far: FloatArray) -> float:
    """By how much ``near`` comes after ``far``."""
    size = 1 << (2 * len(near) - 1).bit_length()
    product = np.fft.rfft(near, size) * np.conj(np.fft.rfft(far, size))
    found = int(np.argmax(np.fft.irfft(product, size)))
    return (found - size if found > size // 2 else found) / 48.0


@pytest.mark.parametrize(
    ("near_hz", "far_hz"), [(48_000, 48_000), (44_100, 48_000), (16_000, 44_100)]
)
def test_the_loudspeaker_comes_before_its_echo(near_hz: int, far_hz: int) -> None:
    sides = TwoSides(near_hz, far_hz, delay_s=0.045)
    blocks = [pair for _ in range(300) for pair in sides.step()]
    assert 295 <= len(blocks) <= 300
    near = np.concatenate([block[0] for block in blocks[100:]])
    far = np.concatenate([block[1] for block in blocks[100:]])
    # 45 ms to the ear of the microphone, less the 20 ms by which the far side is moved.
    assert lag_ms(near, far) == pytest.approx(25.0, abs=1.5)


@pytest.mark.parametrize("ppm", [-400.0, 400.0])
def test_it_stays_there_while_the_clocks_drift(ppm: float) -> None:
    sides = TwoSides(48_000, 48_000, delay_s=0.045, ppm=ppm)
    blocks = [pair for _ in range(1500) for pair in sides.step()]

    def lag_at(first: int) -> float:
        part = blocks[first : first + 150]
        return lag_ms(np.concatenate([b[0] for b in part]), np.concatenate([b[1] for b in part]))

    assert lag_at(1300) == pytest.approx(lag_at(150), abs=1.6)
    assert sides.assembler.pairing.slips > 100
    assert sides.assembler.pairing.jumps == 0


def test_a_loudspeaker_that_stood_still_is_laid_anew() -> None:
    """It stops asking for 400 ms, as after an underrun, and then plays on where it was."""
    clock = [10.0]
    capture, reference = Capture(48_000, lambda: clock[0]), Ring(200_000)
    assembler = Assembler(capture, reference, 48_000, 0.02)
    noise = np.random.default_rng(5).uniform(-0.3, 0.3, 600 * 480).astype(np.float32)
    air = np.zeros(48 * 60, np.float32)  # 60 ms on the way to the microphone
    played, blocks = (0, 0.0), []
    for number in range(600):
        clock[0] += 0.01
        stands = 200 <= number < 240
        sound = noise[reference.end : reference.end + 480] * (not stands)
        capture.called(air[:480][:, None], 0.0, False)
        air = np.concatenate([air[480:], sound])
        if not stands:
            played = (reference.end, clock[0])
            reference.put(sound)
        blocks += assembler.pairs(played)
    assert len(blocks) >= 600 - 11
    for first in (100, 300, 450):
        part = blocks[first : first + 100]
        near = np.concatenate([pair.near for pair in part])
        far = np.concatenate([pair.far for pair in part])
        assert lag_ms(near, far) == pytest.approx(60.0 - 10.0 - 20.0, abs=1.0)


def test_a_hole_in_the_microphone_is_told_once() -> None:
    sides = TwoSides(48_000, 48_000, delay_s=0.03)
    told = []
    for number in range(700):
        if number == 300:
            sides.heard_s += 0.5  # half a second that never came
            sides.now_s += 0.5
        sides.step()
        hole = sides.assembler.hole_s(sides.now_s)
        if hole:
            told.append(hole)
    assert told == [pytest.approx(0.5, abs=0.02)]
