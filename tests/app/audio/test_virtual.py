from __future__ import annotations

import threading

import numpy as np
import pytest

from app.audio.room import Room, room
from app.audio.virtual import VirtualDevice
from app.core.live_ports import DuplexBlock
from tests.fakes.voices48 import Feeder, assistant_24k, db, joined, user_48k

TONE_24K = (0.5 * np.sin(2 * np.pi * 440 * np.arange(24_000) / 24_000)).astype(np.float32)


def test_what_is_said_is_delivered_after_the_input_latency_to_the_sample() -> None:
    device = VirtualDevice(input_latency_s=0.02)
    device.step()
    said = (np.arange(1, 1_001) / 2_000).astype(np.float32)
    end_s = device.say(said, at_s=0.1)
    near, _ = joined([device.step() for _ in range(20)])
    assert end_s == pytest.approx(0.1 + 1_000 / 48_000)
    start = round(0.12 * 48_000) - 480  # one block was stepped before
    assert (near[start : start + 1_000] == said).all()
    assert np.abs(near[:start]).max() == 0 and np.abs(near[start + 1_000 :]).max() == 0


def test_sounds_mix_with_gain_and_resampling_and_now_is_now() -> None:
    device = VirtualDevice()
    for _ in range(5):
        device.step()
    device.say(np.full(4_800, 0.1, np.float32), gain_db=6.0206)
    device.say((np.full(1_600, 0.1, np.float32), 16_000))
    near, _ = joined([device.step() for _ in range(12)])
    assert near[960 + 2_400] == pytest.approx(0.3, abs=0.01)
    assert np.abs(near[:960]).max() == 0


def test_a_microphone_overloads_at_full_scale() -> None:
    device = VirtualDevice()
    device.say(np.full(4_800, 3.0, np.float32))
    near, _ = joined([device.step() for _ in range(5)])
    assert near.max() == 1.0


def test_headphones_give_no_echo_and_a_room_does() -> None:
    for acoustics, expected in ((None, False), (room("desk", -20), True)):
        feeder = Feeder(VirtualDevice(room=acoustics), TONE_24K)
        near, far = joined(feeder.steps(1.0))
        assert np.abs(far).max() > 0.4
        assert (np.abs(near).max() > 0.01) == expected


def test_the_far_side_is_never_later_than_its_echo() -> None:
    echo = Room("mirror", 0.0, np.ones(1, np.float32))
    device = VirtualDevice(room=echo, output_latency_s=0.03, input_latency_s=0.02)
    near, far = joined(Feeder(device, TONE_24K).steps(1.0))
    late = round(0.05 * 48_000)
    assert np.abs(near[late:] - far[:-late]).max() < 1e-5
    assert np.abs(near[:late]).max() < 1e-6


def test_heard_is_what_has_left_the_loudspeaker() -> None:
    device = VirtualDevice(output_latency_s=0.03)
    feeder = Feeder(device, TONE_24K)
    far: list[np.ndarray] = []
    played = device.played()
    for _ in range(60):
        far += [block.far for block in feeder.steps(0.01)]
        played = device.played()
        assert len(played) == len(far) * 480
        assert abs(device.player.heard - np.count_nonzero(np.abs(played) > 0) / 2) <= 30
    # What left is what was rendered, 30 ms later.
    rendered = np.concatenate(far)
    assert (played[1_440:] == rendered[:-1_440]).all()
    assert device.player.heard == pytest.approx((0.6 - 0.03) * 24_000, abs=40)


def test_noise_has_its_level_goes_on_without_a_seam_and_stops() -> None:
    for kind in ("white", "pink", "room", "babble"):
        device = VirtualDevice(seed=1)
        device.noise(kind, -50.0)
        near, _ = joined([device.step() for _ in range(2_050)])
        assert db(near) == pytest.approx(-50, abs=0.5)
        seam = 20 * 48_000 + 960
        jump = np.abs(np.diff(near[seam - 48 : seam + 48])).max()
        assert jump <= np.abs(np.diff(near)).max()
        assert (near[960:seam] == np.roll(near, -20 * 48_000)[960:seam])[: 480 * 20].all()
        device.noise(None)
        assert np.abs(device.step().near).max() == 0


def test_kinds_of_noise_differ_in_colour() -> None:
    def share_below_1k(kind: str) -> float:
        device = VirtualDevice()
        device.noise(kind, -30.0)  # type: ignore[arg-type]
        near, _ = joined([device.step() for _ in range(1_000)])
        power = np.abs(np.fft.rfft(near)) ** 2
        return float(power[: 10 * 1_000].sum() / power.sum())

    assert share_below_1k("white") < 0.1
    assert 0.3 < share_below_1k("pink") < 0.8
    assert share_below_1k("room") > 0.8
    assert share_below_1k("babble") > 0.5


def test_lost_input_is_silent_and_counted() -> None:
    device = VirtualDevice()
    device.noise("white", -20.0)
    device.xrun(0.05, blocks=3)
    blocks = [device.step() for _ in range(12)]
    silent = [block.index for block in blocks if not block.near.any()]
    assert silent == [5, 6, 7]
    assert device.xruns == 3
    assert [block.index for block in blocks] == list(range(12))


def test_an_unplugged_device_leaves_a_gap_and_goes_on_where_it_was() -> None:
    device = VirtualDevice(room=room("desk"))
    feeder = Feeder(device, assistant_24k(2.0))
    device.unplug(0.5, for_s=1.5)
    device.say(np.ones(48_000, np.float32), at_s=0.8)
    before = feeder.steps(0.5)
    heard = device.player.heard
    assert heard == pytest.approx(0.47 * 24_000, abs=40)
    after = feeder.steps(0.2)
    assert before[-1].index == 49
    assert [block.gap for block in after] == [150] + [0] * 19
    assert after[0].index == 200 and device.now_s == pytest.approx(2.2)
    assert np.abs(after[0].near).max() == 0  # what was said meanwhile is gone
    # Nothing of the speech was skipped.
    _, far = joined(before + after)
    whole = Feeder(VirtualDevice(), assistant_24k(2.0)).steps(0.7)
    assert (far == joined(whole)[1]).all()
    played = device.played()
    assert np.abs(played[round(0.54 * 48_000) : round(2.02 * 48_000)]).max() == 0


def test_a_sleeping_computer_wakes_hours_later() -> None:
    device = VirtualDevice(keep_s=1.0)
    device.step()
    device.unplug(0.01, for_s=8 * 3600)
    block = device.step()
    assert block.gap == 8 * 360_000 and block.index == block.gap + 1


def test_nothing_is_kept_beyond_what_was_asked_for() -> None:
    device = VirtualDevice(keep_s=0.1)
    device.noise("white", -20.0)
    near, _ = joined([device.step() for _ in range(100)])
    kept = device.delivered()
    assert len(kept) == 48_000
    assert (kept[-4_800:] == near[-4_800:]).all()
    assert np.abs(kept[: 48_000 - 6_000]).max() == 0
    assert (device.delivered(0.95, 0.97) == near[45_600:46_560]).all()


def test_without_a_microphone_there_is_silence_and_advice() -> None:
    device = VirtualDevice(room=room("desk"), microphone=False)
    device.noise("white", -20.0)
    near, far = joined(Feeder(device, TONE_24K).steps(0.3))
    assert np.abs(near).max() == 0 and np.abs(far).max() > 0.1
    assert device.microphone == "" and "type" in device.problem
    assert VirtualDevice().problem == "" and VirtualDevice().microphone


def test_a_run_is_the_same_again() -> None:
    def run() -> np.ndarray:
        device = VirtualDevice(room=room("laptop", -10, drift_ppm=50), seed=5)
        device.noise("babble", -40.0)
        device.say(user_48k(2), at_s=0.3)
        return joined(Feeder(device, assistant_24k(1.0)).steps(1.0))[0]

    assert (run() == run()).all()


def test_it_runs_in_real_time_on_a_thread_and_stops() -> None:
    device = VirtualDevice()
    got: list[DuplexBlock] = []
    enough = threading.Event()

    def on_block(block: DuplexBlock) -> None:
        got.append(block)
        assert threading.current_thread().name == "virtual-sound"
        if len(got) == 3:
            enough.set()

    device.start(on_block)
    with pytest.raises(RuntimeError):
        device.start(on_block)
    assert enough.wait(20)
    device.stop()
    count = len(got)
    assert [block.index for block in got] == list(range(count))
    device.start(on_block)
    device.stop()
    device.stop()
