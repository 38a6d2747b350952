"""Microphone and loudspeaker through the real PortAudio and a virtual sound card.

The machine may be busy: then samples are lost here and there, as they are on a user's busy PC. So
sound is compared piece by piece, and nothing depends on how long anything takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from app.audio.portaudio import PortAudioDevice
from app.core.live_ports import DuplexBlock
from app.core.types import FloatArray
from tests.sound_card import SoundCard, wait_for

pytestmark = pytest.mark.audio_device

_QUESTION = Path(__file__).parents[2] / "assets" / "samples" / "question-1.flac"
# Long delays: these tests are about what arrives, not about how soon.
_UNHURRIED = ((0.1,), (0.25,))


class Desk:
    """A running device and the blocks that it hands out."""

    def __init__(self) -> None:
        self.device = PortAudioDevice(latency_s=_UNHURRIED)
        self.blocks: list[DuplexBlock] = []
        self.device.start(self.blocks.append)

    def wait_for_sound(self) -> None:
        """Until both sides run: a virtual source may take two seconds to wake up."""
        wait_for(lambda: bool(self.device.microphone and self.device.loudspeaker), "devices")
        wait_for(lambda: self.device._source is self.device._capture, "the microphone")

    def wait_until_heard(self) -> None:
        player = self.device.player
        wait_for(lambda: player.heard == player.written, "the end of what is played", 40.0)

    def near(self, first: int = 0) -> FloatArray:
        return np.concatenate([block.near for block in self.blocks[first:]])

    def far(self, first: int = 0) -> FloatArray:
        return np.concatenate([block.far for block in self.blocks[first:]])


@pytest.fixture
def desk(card: SoundCard) -> Iterator[Desk]:
    running = Desk()
    try:
        running.wait_for_sound()
        yield running
    finally:
        running.device.stop()


def say(card: SoundCard, desk: Desk, said: FloatArray) -> bool:
    """Say it to the microphone, again if a busy machine swallows it; whether it arrived."""
    for _ in range(4):
        first = len(desk.blocks)
        card.feed(said)
        samples = len(said) + 12_000
        wait_for(lambda: 240 * (len(desk.blocks) - first) >= samples, "the microphone")  # noqa: B023
        if likeness(said, soxr.resample(desk.near(first), 48_000, 24_000)) > 0.9:
            return True
    return False


def phrase(seconds: float) -> FloatArray:
    """Speech at 24 kHz, loud from beginning to end."""
    sound, rate = soundfile.read(_QUESTION, dtype="float32")
    speech = soxr.resample(sound, rate, 24_000)
    speech = speech[np.abs(speech) > 0.002]
    speech = np.tile(speech, int(seconds * 24_000 / len(speech)) + 1)[: round(seconds * 24_000)]
    return (0.5 * speech / np.abs(speech).max()).astype(np.float32)


def likeness(said: FloatArray, heard: FloatArray, piece: int = 6000) -> float:
    """The median, over pieces of ``said``, of the best correlation with any place in ``heard``."""
    if len(heard) < piece:
        return 0.0
    found: list[float] = []
    power = np.concatenate([[0.0], np.cumsum(heard.astype(np.float64) ** 2)])
    for first in range(0, len(said) - piece + 1, piece):
        part = said[first : first + piece]
        size = 1 << (len(heard) + piece).bit_length()
        match = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(part, size)), size)[
            : len(heard) - piece + 1
        ]
        norms = np.sqrt((power[piece:] - power[:-piece]).clip(1e-9) * float(np.dot(part, part)))
        found.append(float((match / norms).max()))
    return float(np.median(found))


def test_what_is_played_leaves_the_loudspeaker(card: SoundCard, desk: Desk) -> None:
    said = phrase(1.5)
    with card.recording() as recording:
        assert desk.device.player.write(said) == len(said)
        desk.wait_until_heard()
        wait_for(lambda: likeness(said, recording.sound()) > 0.9, "the phrase in the recording")
    assert desk.device.player.underruns == 0


def test_what_is_said_arrives_at_the_microphone(card: SoundCard, desk: Desk) -> None:
    said = phrase(1.5)
    assert say(card, desk, said)
    indices = [block.index for block in desk.blocks]
    assert indices == sorted(set(indices))


def test_the_far_side_comes_before_its_echo(card: SoundCard, desk: Desk) -> None:
    assert card.control(
        "load-module",
        "module-loopback",
        "source=speaker.monitor",
        "sink=micfeed",
        "latency_msec=30",
    )
    first = len(desk.blocks)
    said = phrase(1.5)
    desk.device.player.write(said)
    desk.wait_until_heard()
    wait_for(
        lambda: likeness(said, soxr.resample(desk.near(first), 48_000, 24_000)) > 0.8, "the echo"
    )
    near, far = desk.near(first), desk.far(first)
    lags: list[float] = []
    for start in range(0, len(far) - 48_000, 12_000):
        part = far[start : start + 24_000]
        if np.abs(part).max() > 0.02:
            size = 1 << 17
            there = near[start : start + 72_000]
            match = np.fft.irfft(np.fft.rfft(there, size) * np.conj(np.fft.rfft(part, size)), size)
            lags.append(float(np.argmax(match[:48_000])) / 48.0)
    assert lags
    assert 0.0 < float(np.median(lags)) < 700.0


def test_a_sound_card_that_is_pulled_out_in_mid_speech_and_comes_back(
    card: SoundCard, desk: Desk
) -> None:
    player = desk.device.player
    said = phrase(2.5)
    player.write(said)
    wait_for(lambda: player.heard > 12_000, "half a second of speech")
    card.stop()
    wait_for(
        lambda: "no microphone and no loudspeaker" in desk.device.problem, "the loss to be told"
    )
    blocks = len(desk.blocks)
    wait_for(lambda: len(desk.blocks) > blocks + 20, "time to go on")

    # Two seconds are waited for it; what had not been heard until then would go on unheard.
    player.pause(0.0)
    card.start()
    wait_for(lambda: bool(desk.device.microphone and desk.device.loudspeaker), "the way back")
    held = player.heard
    rest = said[held : held + 12_000]
    with card.recording() as recording:
        player.resume()
        desk.wait_until_heard()
        if len(rest) == 12_000:
            wait_for(
                lambda: likeness(rest, recording.sound(), 3000) > 0.9, "the rest of the speech"
            )
    desk.wait_for_sound()
    assert say(card, desk, phrase(1.0))
    assert any(block.gap for block in desk.blocks)
