"""The device on a virtual clock: blocks come, whatever is plugged in, pulled out or refuses."""

from __future__ import annotations

import numpy as np
import pytest

from app.audio.player import RingPlayer
from app.audio.portaudio import PortAudioDevice
from app.core.errors import SoundError
from app.core.live_ports import DuplexBlock
from app.core.types import FloatArray
from tests.fakes.sound_host import FakeHost, loudspeaker, microphone


class Desk:
    """A device at work: a host, a ``PortAudioDevice``, and the blocks that it handed out."""

    def __init__(self, host: FakeHost, microphone: str = "", loudspeaker: str = "") -> None:
        self.host = host
        self.device = PortAudioDevice(microphone, loudspeaker, host, host.clock, "linux")
        self.blocks: list[DuplexBlock] = []
        self.began_s = host.clock.now_s
        self.device.begin(self.blocks.append)

    @property
    def player(self) -> RingPlayer:
        return self.device.player

    def run(self, seconds: float) -> list[DuplexBlock]:
        first = len(self.blocks)
        for _ in range(round(seconds * 100)):
            self.host.step()
            self.device.tick()
        return self.blocks[first:]

    @property
    def index(self) -> int:
        return self.blocks[-1].index


def both(**more: object) -> FakeHost:
    return FakeHost(plugged=[microphone(), loudspeaker()], **more)  # type: ignore[arg-type]


def speech(seconds: float) -> FloatArray:
    noise = np.random.default_rng(2).uniform(-0.3, 0.3, round(24_000 * seconds))
    return noise.astype(np.float32)


def test_a_block_every_ten_milliseconds_with_what_the_microphone_hears() -> None:
    heard: list[FloatArray] = []

    def hears(count: int) -> FloatArray:
        heard.append(np.full(count, len(heard) / 1000, np.float32))
        return heard[-1]

    desk = Desk(both(hears=hears))
    blocks = desk.run(1.0)
    assert 97 <= len(blocks) <= 101
    assert [block.index for block in blocks] == list(range(blocks[0].index, blocks[-1].index + 1))
    assert all(block.near.shape == block.far.shape == (480,) for block in blocks)
    assert all(block.near.dtype == block.far.dtype == np.float32 for block in blocks)
    assert not any(block.gap for block in blocks)
    assert blocks[-1].near[-1] == heard[-1][-1]
    assert desk.device.problem == ""
    assert (desk.device.microphone, desk.device.loudspeaker) == ("Mic", "Speaker")


@pytest.mark.parametrize(("mic_hz", "speaker_hz"), [(44_100, 48_000), (48_000, 44_100)])
def test_each_side_runs_at_its_own_rate(mic_hz: int, speaker_hz: int) -> None:
    ends = [microphone(rate_hz=mic_hz), loudspeaker(rate_hz=speaker_hz)]
    desk = Desk(FakeHost(plugged=ends))
    desk.run(0.5)
    desk.player.write(speech(1.0))
    desk.run(1.5)
    assert desk.player.heard == desk.player.written == 24_000
    assert len(desk.blocks) == pytest.approx(200, abs=4)
    far = np.concatenate([block.far for block in desk.blocks])
    loud = np.flatnonzero(np.abs(far) > 0.05)
    assert (loud[-1] - loud[0]) / 48_000 == pytest.approx(1.0, abs=0.01)


def test_the_far_side_is_what_was_played_and_before_its_echo() -> None:
    host = both()
    # 30 ms to the loudspeaker and 20 ms from the microphone, as the devices say.
    host.hears = lambda count: (
        host.played[-6] if len(host.played) > 5 else np.zeros(count, np.float32)
    )
    desk = Desk(host)
    desk.run(0.5)
    desk.player.write(speech(1.0))
    blocks = desk.run(1.3)
    near = np.concatenate([block.near for block in blocks])
    far = np.concatenate([block.far for block in blocks])
    # From the callback of the one to that of the other it takes 40 ms; half of 50 is taken off.
    size = 1 << 17
    product = np.fft.rfft(near, size) * np.conj(np.fft.rfft(far, size))
    lag = int(np.argmax(np.fft.irfft(product, size)))
    lag = lag - size if lag > size // 2 else lag
    assert lag == pytest.approx(15 * 48, abs=60)


@pytest.mark.parametrize("says_so", [False, True])
def test_a_microphone_that_is_pulled_out_is_replaced_within_two_seconds(says_so: bool) -> None:
    host = FakeHost(plugged=[microphone("Headset"), microphone("Desk", 44_100), loudspeaker()])
    desk = Desk(host)
    desk.run(1.0)
    host.unplug("Headset", says_so)
    after = desk.run(2.0)
    assert desk.device.microphone == "Desk"
    assert sum(block.gap for block in after) <= (100 if not says_so else 40)
    assert sum(block.gap for block in after) >= 15
    # Time went on: the blocks' count is the time that passed.
    passed = (host.clock.now_s - desk.began_s) / 0.01
    assert desk.index == pytest.approx(passed - 20, abs=6)  # 20: the first opening
    assert after[-1].near.any()


def test_what_was_on_its_way_when_the_loudspeaker_went_is_played_by_the_next() -> None:
    host = FakeHost(plugged=[microphone(), loudspeaker("A"), loudspeaker("B", default=False)])
    desk = Desk(host)
    desk.player.write(speech(3.0))
    desk.run(1.0)
    host.played.clear()
    desk.run(0.5)
    host.unplug("A", says_so=True)
    desk.run(0.01)
    assert desk.device.loudspeaker == "B"
    heard = desk.player.heard
    first = np.concatenate(host.played)
    host.played.clear()
    desk.run(0.5)
    second = np.concatenate(host.played)
    # 30 ms had not left the first one.
    np.testing.assert_allclose(second[480:1440], first[-960:], atol=1e-6)
    assert desk.player.heard > heard
    desk.run(3.0)
    assert desk.player.heard == desk.player.written == 72_000


def test_speech_waits_two_seconds_for_a_lost_loudspeaker_and_then_goes_on_unheard() -> None:
    host = both()
    desk = Desk(host)
    desk.player.write(speech(3.0))
    desk.run(0.5)
    host.unplug("Speaker", says_so=True)
    desk.run(0.1)
    heard = desk.player.heard
    assert desk.device.loudspeaker == ""
    assert "no loudspeaker" in desk.device.problem
    desk.run(1.5)
    assert desk.player.heard == heard
    desk.run(3.5)
    assert desk.player.heard == desk.player.written


def test_with_nothing_plugged_in_time_goes_on_and_what_comes_is_used_within_a_second() -> None:
    host = FakeHost()
    desk = Desk(host)
    blocks = desk.run(3.5)
    assert len(blocks) == pytest.approx(350, abs=5)
    assert desk.index == pytest.approx((host.clock.now_s - desk.began_s) / 0.01 - 20, abs=6)
    assert not any(block.near.any() for block in blocks)
    assert "no microphone and no loudspeaker" in desk.device.problem
    assert (desk.device.microphone, desk.device.loudspeaker) == ("", "")
    host.plugged = [microphone(), loudspeaker()]
    desk.run(1.3)
    assert (desk.device.microphone, desk.device.loudspeaker) == ("Mic", "Speaker")
    assert desk.device.problem == ""


def test_without_a_microphone_there_is_speech_and_silence() -> None:
    host = FakeHost(plugged=[loudspeaker()])
    desk = Desk(host)
    desk.player.write(speech(1.0))
    blocks = desk.run(1.5)
    assert desk.device.microphone == ""
    assert "no microphone" in desk.device.problem
    assert desk.player.heard == 24_000
    assert len(blocks) == pytest.approx(150, abs=3)
    assert any(block.far.any() for block in blocks)
    # It is looked for when nobody speaks, and found.
    host.plugged.append(microphone())
    desk.run(8.0)
    assert desk.device.microphone == "Mic"


def test_without_a_loudspeaker_speech_is_played_to_nowhere_in_its_time() -> None:
    desk = Desk(FakeHost(plugged=[microphone()]))
    desk.player.write(speech(1.0))
    desk.run(0.5)
    assert desk.player.heard == pytest.approx(12_000, abs=500)
    desk.run(0.6)
    assert desk.player.heard == 24_000
    assert "no loudspeaker" in desk.device.problem


def test_a_device_that_refuses_is_told_with_its_reason() -> None:
    host = both(refused={"Mic"})
    desk = Desk(host)
    desk.run(0.1)
    assert desk.device.microphone == ""
    assert "“Mic” cannot be opened: Device unavailable" in desk.device.problem


def test_a_microphone_that_wakes_up_late_is_waited_for_in_silence() -> None:
    host = both(silent={"Mic"})
    desk = Desk(host)
    blocks = desk.run(2.0)
    assert len(blocks) == pytest.approx(200, abs=3)
    assert not any(block.near.any() for block in blocks)
    host.silent.clear()
    blocks = desk.run(0.5)
    assert host.restarts == 1
    assert blocks[-1].near.any()
    assert sum(block.gap for block in blocks) <= 3


def test_exact_zeros_are_no_quiet_room() -> None:
    host = both(hears=lambda count: np.zeros(count, np.float32))
    desk = Desk(host)
    desk.run(1.5)
    assert desk.device.problem == ""
    desk.run(1.0)
    assert "No sound arrives from the microphone “Mic”" in desk.device.problem
    host.hears = lambda count: np.full(count, 1e-4, np.float32)
    desk.run(0.1)
    assert desk.device.problem == ""


def test_two_xruns_give_the_loudspeaker_more_delay_and_leave_the_microphone_alone() -> None:
    host = both()
    desk = Desk(host)
    desk.run(1.5)
    mic = host.stream(is_input=True)
    assert host.stream(is_input=False).latency_s == 0.03
    for _ in range(2):
        host.lose_next = True  # the loudspeaker is called first
        desk.run(0.5)
    assert host.stream(is_input=False).latency_s == 0.06
    assert host.stream(is_input=True) is mic
    assert host.restarts == 1
    assert desk.device.xruns == 2
    assert not any(block.gap for block in desk.blocks)


def test_devices_are_chosen_by_name_and_missed_ones_come_back() -> None:
    usb = microphone("USB", default=False)
    host = FakeHost(plugged=[microphone(), usb, loudspeaker()])
    desk = Desk(host, microphone="USB")
    desk.run(0.5)
    assert desk.device.microphone == "USB"
    assert desk.device.names() == (("Mic", "USB"), ("Speaker",))
    host.unplug("USB")
    desk.run(1.0)
    assert desk.device.microphone == "Mic"
    assert "“USB” is not there" in desk.device.problem
    host.hears = lambda count: np.full(count, 1e-4, np.float32)  # a quiet room
    host.plugged.append(usb)
    desk.run(12.0)
    assert desk.device.microphone == "USB"
    assert desk.device.problem == ""
    desk.device.choose("Mic", "")
    desk.run(0.1)
    assert desk.device.microphone == "Mic"


def test_the_search_for_a_missing_device_does_not_interrupt_speech() -> None:
    host = FakeHost(plugged=[loudspeaker()])
    desk = Desk(host)
    for _ in range(8):
        desk.player.write(speech(1.0))
        desk.run(0.9)
    assert host.restarts == 1


def test_a_new_default_is_used_after_a_refresh() -> None:
    host = both()
    desk = Desk(host)
    desk.run(0.2)
    host.plugged = [microphone("New"), loudspeaker()]
    desk.device.refresh()
    desk.run(0.1)
    assert desk.device.microphone == "New"


def test_a_conversation_that_looked_away_for_seconds_gets_a_gap() -> None:
    host = both()
    desk = Desk(host)
    desk.run(0.5)
    for _ in range(600):
        host.step()
    desk.run(0.5)
    passed = (host.clock.now_s - desk.began_s) / 0.01
    assert desk.index == pytest.approx(passed - 20, abs=5)
    assert sum(block.gap for block in desk.blocks) > 500


def test_a_clock_that_slept_becomes_a_gap() -> None:
    host = both()
    desk = Desk(host)
    desk.run(3.0)
    host.clock.now_s += 3600.0
    blocks = desk.run(4.0)
    assert sum(block.gap for block in blocks) == pytest.approx(360_000, abs=100)
    assert len(blocks) < 500


def test_without_portaudio_it_says_so() -> None:
    device = PortAudioDevice(host=FakeHost(missing_library=True))
    with pytest.raises(SoundError, match="PortAudio"):
        device.start(lambda _block: None)


def test_it_can_be_stopped_and_started_again() -> None:
    host = both(restart_takes_s=0.0)
    device = PortAudioDevice(host=host)
    for _ in range(2):
        device.start(lambda _block: None)
        assert device.microphone == "Mic"
        device.stop()
        assert all(stream.closed for stream in host.opened)
        assert device.microphone == ""
    device.stop()
