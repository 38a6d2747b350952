"""Orders to the player while it plays: pause and go on, lower, flush; none of them clicks or loses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.loudspeaker import RATES, Bench, numbered, speech


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
