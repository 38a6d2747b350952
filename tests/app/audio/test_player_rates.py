"""The player at the rates of devices, also when one takes the place of another."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from tests.fakes.loudspeaker import Bench, speech


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
