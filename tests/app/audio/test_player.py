"""The player puts out every sample once, in order, and knows to the sample what was heard."""

from __future__ import annotations

import random
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audio.player import RingPlayer
from tests.fakes.loudspeaker import RATES, Bench, numbered, speech


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


def test_holds_three_seconds_ahead_and_no_more() -> None:
    bench = Bench(48_000)
    assert bench.player.space() == 72_000
    assert bench.player.write(speech(100_000)) == 72_000
    assert bench.player.write(speech(10)) == 0
    bench.run(0.5)
    assert bench.player.space() == 12_000


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
