"""The player puts out every sample once, in order, and knows to the sample what was heard."""

from __future__ import annotations

import random
import threading
import tracemalloc

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.player import RingPlayer
from app.core.types import FloatArray

RATES = [32_000, 24_000, 44_100, 48_000, 96_000]


class HandClock:
    """Goes on only when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Bench:
    """A player, and a loudspeaker that asks it for blocks in virtual time."""

    def __init__(self, rate: int = 24_000, latency_s: float = 0.0, edge_s: float = 0.0) -> None:
        self.clock = HandClock()
        self.player = RingPlayer(rate, self.clock, edge_s)
        self.player.latency_s = latency_s
        self.rate = rate
        self.out: list[float] = []

    def render(self, count: int) -> FloatArray:
        block = np.full(count, 9.0, np.float32)
        self.player.render(block)
        self.out.extend(block.tolist())
        self.clock.now_s += count / self.rate
        return block

    def run(self, seconds: float) -> FloatArray:
        blocks = [self.render(self.rate // 100) for _ in range(round(seconds * 100))]
        return np.concatenate([*blocks, np.zeros(0, np.float32)])

    def settle(self) -> None:
        """Let everything be put out and leave the loudspeaker."""
        for _ in range(1000):
            self.render(self.rate // 50)
            if self.player.idle:
                break
        self.render(self.rate // 50)
        self.clock.now_s += self.player.latency_s


def numbered(first: int, count: int) -> FloatArray:
    """Samples that tell which they are; exact in float32."""
    return np.arange(first + 1, first + count + 1, dtype=np.float32)


def speech(count: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, count).astype(np.float32)


@given(
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 700)), max_size=60),
)
def test_is_a_queue(steps: list[tuple[bool, int]]) -> None:
    bench = Bench()
    waiting: list[float] = []
    written = 0
    for write, count in steps:
        if write:
            piece = numbered(written, count)
            assert bench.player.write(piece) == count
            waiting.extend(piece.tolist())
            written += count
        else:
            due, waiting = waiting[:count], waiting[count:]
            assert bench.render(count).tolist() == due + [0.0] * (count - len(due))
    assert bench.player.written == written
    assert bench.player.heard == written - len(waiting)


Step = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 9000)),
    st.tuples(st.just("render"), st.integers(1, 5000)),
    st.tuples(st.just("pause"), st.sampled_from([0, 5, 20])),
    st.tuples(st.just("resume"), st.sampled_from([0, 40, 700, 5000])),
    st.tuples(st.just("flush"), st.sampled_from([0, 10, 30])),
    st.tuples(st.just("gain"), st.sampled_from([-18, 0])),
    st.tuples(st.just("wait"), st.integers(1, 300)),
)


@pytest.mark.parametrize("rate", RATES)
@given(
    steps=st.lists(Step, max_size=40),
    latency_s=st.sampled_from([0.0, 0.013, 0.2]),
    edge_s=st.sampled_from([0.0, 0.002]),
)
@settings(max_examples=40)
def test_heard_never_goes_back_nor_ahead_and_ends_at_written(
    rate: int, steps: list[tuple[str, int]], latency_s: float, edge_s: float
) -> None:
    bench = Bench(rate, latency_s, edge_s)
    player = bench.player
    before = taken = 0
    for what, much in steps:
        match what:
            case "write":
                room = player.space()
                assert player.write(speech(much)) == min(much, room)
                taken += min(much, room)
            case "render":
                bench.render(much)
            case "pause":
                player.pause(much / 1000)
            case "resume":
                player.resume(much / 1000)
            case "flush":
                player.flush(much / 1000)
            case "gain":
                player.gain(float(much), 0.05)
            case _:
                bench.clock.now_s += much / 1000
        assert before <= player.heard <= player.written <= taken
        before = player.heard
    player.resume()
    bench.settle()
    assert player.heard == player.written


@pytest.mark.parametrize("rate", RATES)
def test_heard_is_what_left_the_loudspeaker(rate: int) -> None:
    bench = Bench(rate, latency_s=0.05)
    bench.player.write(speech(24_000))
    bench.run(0.3)
    # 0.3 s were asked for, the last of them 10 ms ago; 50 ms are still on their way.
    assert bench.player.heard == pytest.approx(0.25 * 24_000, abs=2)
    bench.clock.now_s += 0.03
    assert bench.player.heard == pytest.approx(0.28 * 24_000, abs=2)
    bench.clock.now_s += 5.0
    assert bench.player.heard == pytest.approx(0.3 * 24_000, abs=2)


@pytest.mark.parametrize("rate", [24_000, 44_100, 48_000])
def test_what_comes_out_is_the_speech(rate: int) -> None:
    bench = Bench(rate)
    sound = speech(20_000)
    for part in np.split(sound, range(1920, 20_000, 1920)):
        bench.player.write(part)
        bench.render(rate // 50)
    bench.settle()
    whole = soxr.resample(sound, 24_000, rate)
    np.testing.assert_allclose(bench.out[: len(whole)], whole, atol=3e-5)
    assert not any(bench.out[len(whole) + 1 :])


def test_holds_three_seconds_ahead_and_no_more() -> None:
    bench = Bench(48_000)
    assert bench.player.space() == 72_000
    assert bench.player.write(speech(100_000)) == 72_000
    assert bench.player.write(speech(10)) == 0
    bench.run(0.5)
    assert bench.player.space() == 12_000


@given(played=st.integers(10, 300), back=st.integers(0, 1500), silence=st.integers(0, 60))
@settings(max_examples=30)
def test_a_pause_loses_nothing_and_repeats_what_was_asked(
    played: int, back: int, silence: int
) -> None:
    bench = Bench()
    bench.player.write(numbered(0, 72_000))
    bench.run(played / 100)
    bench.player.pause(0.0)
    held = bench.run(silence / 100)
    assert not held.any()
    bench.player.resume(back / 1000, 0.0)
    again = bench.run(0.2)
    stopped = played * 240
    start = stopped - min(back, 1000, played * 10) * 24
    expected = numbered(start, 4800)
    expected[72_000 - start :] = 0.0
    assert again.tolist() == expected.tolist()


def test_heard_stands_still_while_it_is_repeated() -> None:
    bench = Bench()
    bench.player.write(numbered(0, 48_000))
    bench.run(1.0)
    bench.player.pause()
    bench.run(0.1)
    held = bench.player.heard
    assert held == 24_000 + 480  # the fade of 20 ms was heard too
    bench.player.resume(0.5)
    bench.run(0.5)
    assert bench.player.heard == held
    bench.run(0.1)
    assert bench.player.heard == held + 2400


def test_a_fade_has_no_step() -> None:
    bench = Bench(48_000)
    bench.player.write(np.full(48_000, 0.5, np.float32))
    bench.run(0.1)
    bench.player.pause(0.02)
    bench.run(0.1)
    bench.player.resume(0.0, 0.02)
    bench.run(0.1)
    bench.player.gain(-12.0, 0.05)
    bench.run(0.1)
    bench.player.flush(0.01)
    bench.run(0.1)
    steps = np.abs(np.diff(np.asarray(bench.out[480:])))
    assert steps.max() < 0.5 / 480 * 1.6
    assert bench.out[-1] == 0.0


def test_ducking_changes_the_level_and_not_the_place() -> None:
    bench = Bench()
    bench.player.write(np.full(24_000, 0.5, np.float32))
    bench.player.gain(-12.0, 0.05)
    assert bench.run(0.1)[-1] == pytest.approx(0.5 * 10 ** (-12 / 20), rel=1e-5)
    bench.player.gain(0.0, 0.0)
    assert bench.run(0.1)[-1] == pytest.approx(0.5)
    assert bench.player.heard == 4800


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("paused", [False, True])
def test_a_flush_makes_written_what_is_heard(rate: int, paused: bool) -> None:
    bench = Bench(rate, latency_s=0.04)
    bench.player.write(speech(48_000))
    bench.run(0.5)
    if paused:
        bench.player.pause(0.0)
        bench.run(0.1)
    bench.player.flush()
    cut = bench.player.written
    # One block that the device may be asking for just now, and the fade of 10 ms.
    extra_s = 0.0 if paused else 0.02
    assert cut == pytest.approx((0.5 + extra_s) * 24_000, abs=2)
    bench.run(0.1)
    assert bench.player.written == bench.player.heard == cut


def test_what_is_written_after_a_flush_plays_from_its_start() -> None:
    bench = Bench()
    bench.player.write(numbered(0, 24_000))
    bench.run(0.1)
    bench.player.pause()
    bench.run(0.1)
    bench.player.flush()
    bench.player.write(numbered(50_000, 240))
    assert bench.render(240).tolist() == numbered(50_000, 240).tolist()
    # And a resume does not bring back what was flushed.
    bench.player.pause(0.0)
    bench.render(240)
    bench.player.resume(1.0, 0.0)
    assert bench.render(240).tolist() == numbered(50_000, 240).tolist()


def test_flushing_again_and_again_without_a_device_ends_well() -> None:
    bench = Bench()
    for _ in range(20):
        bench.player.write(speech(72_000))
        bench.player.flush()
    assert bench.player.written < 24_000
    bench.settle()
    assert bench.player.heard == bench.player.written
    bench.player.write(numbered(0, 100))
    assert bench.render(100).tolist() == numbered(0, 100).tolist()


def test_running_dry_counts_only_in_the_middle_of_speech() -> None:
    bench = Bench()
    bench.run(0.1)
    bench.player.write(speech(2400))
    assert bench.player.underruns == 0  # silence before the first word
    bench.run(0.3)
    bench.player.write(speech(2400))
    assert bench.player.underruns == 1  # 200 ms late
    bench.run(0.1 + 0.5)
    bench.player.write(speech(2400))
    assert bench.player.underruns == 1  # the next reply
    bench.run(0.05)
    bench.player.flush()
    bench.run(0.05)
    bench.player.write(speech(2400))
    assert bench.player.underruns == 1  # after a stop
    bench.player.pause()
    bench.run(0.2)
    bench.player.write(speech(2400))
    bench.player.resume()
    bench.run(0.1)
    assert bench.player.underruns == 1  # a pause is no underrun


def test_running_dry_does_not_click() -> None:
    bench = Bench(edge_s=0.002)
    bench.player.write(np.full(2400, 0.5, np.float32))
    bench.run(0.2)
    bench.player.write(np.full(2400, 0.5, np.float32))
    bench.run(0.2)
    assert np.abs(np.diff(np.asarray(bench.out))).max() <= 0.5 / 48 + 1e-6


def test_the_reference_is_what_was_put_out() -> None:
    bench = Bench(48_000)
    bench.player.write(speech(24_000))
    bench.player.gain(-6.0, 0.02)
    bench.run(0.2)
    bench.player.pause()
    bench.run(0.1)
    assert bench.player.reference.between(0, 14_400).tolist() == bench.out


def test_a_change_of_rate_goes_on_where_it_was() -> None:
    bench = Bench(48_000)
    tone = (0.5 * np.sin(np.arange(48_000) * 2 * np.pi * 440 / 24_000)).astype(np.float32)
    bench.player.write(tone)
    bench.run(0.5)
    bench.player.gain(-6.0, 0.0)
    bench.player.change_rate(44_100)
    bench.rate = 44_100
    assert bench.player.heard == pytest.approx(12_000, abs=1)
    assert bench.player.written == 48_000
    heard = bench.run(0.5)
    expected = 0.5 * 10 ** (-6 / 20) * np.sin((0.5 + np.arange(22_050) / 44_100) * 2 * np.pi * 440)
    np.testing.assert_allclose(heard[300:], expected[300:], atol=1e-3)
    bench.player.write(tone[:2400])
    bench.settle()
    assert bench.player.heard == bench.player.written == 50_400


@pytest.mark.parametrize("order", ["pause", "flush", "none"])
def test_a_change_of_rate_keeps_the_orders(order: str) -> None:
    bench = Bench(48_000)
    bench.player.write(speech(24_000))
    bench.run(0.2)
    if order != "none":
        getattr(bench.player, order)()
    bench.player.change_rate(24_000)
    bench.rate = 24_000
    put_out = bench.run(0.2)
    assert put_out.any() == (order == "none")
    bench.player.resume()
    bench.settle()
    assert bench.player.heard == bench.player.written


def test_the_callback_takes_no_memory_for_sound() -> None:
    player = RingPlayer(48_000)
    player.write(speech(24_000))
    out = np.zeros(4096, np.float32)
    player.render(out)
    player.gain(-6.0, 0.05)
    player.pause()
    player.resume()
    tracemalloc.start()
    try:
        player.render(out)
        player.render(out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4096


def test_a_callback_of_its_own_thread_disturbs_no_count() -> None:
    player = RingPlayer(48_000)
    over = threading.Event()

    def device() -> None:
        out = np.zeros(480, np.float32)
        while not over.is_set():
            player.render(out)

    thread = threading.Thread(target=device)
    thread.start()
    try:
        chance, sound, before = random.Random(1), speech(24_000), 0
        for _ in range(1500):
            match chance.randrange(6):
                case 0:
                    player.pause(0.001)
                case 1:
                    player.resume(chance.random(), 0.001)
                case 2:
                    player.flush(0.001)
                case _:
                    player.write(sound[: chance.randrange(1, 5000)])
            heard = player.heard
            assert before <= heard <= player.written
            before = heard
        player.flush()
        while not player.idle:
            pass
        player.write(sound)
        while player.heard < player.written:
            pass
    finally:
        over.set()
        thread.join()
    assert player.heard == player.written
