"""What is asked of sounddevice, and what becomes of its answers; the library itself is a stand-in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.audio.host import CannotOpenError, PortAudioHost
from app.core.errors import SoundError


class PortAudioError(Exception):
    """The library's own."""


class Library(ModuleType):
    """As much of sounddevice as is used, on a PC with two interfaces to the same devices."""

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.made: list[InputStream] = []
        self.calls: list[str] = []
        self.rates = {16_000, 44_100, 48_000}
        self.most_channels = 2
        self.broken = False
        self.InputStream = self._maker(InputStream)
        self.OutputStream = self._maker(OutputStream)

    def _maker(self, kind: type[InputStream]) -> Callable[..., InputStream]:
        def make(**asked: Any) -> InputStream:
            if asked["samplerate"] not in self.rates:
                raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")
            if asked["channels"] > self.most_channels:
                raise PortAudioError("Invalid number of channels")
            self.made.append(kind(asked))
            return self.made[-1]

        make.__name__ = kind.__name__
        return make

    def _terminate(self) -> None:
        self.calls.append("terminate")

    def _initialize(self) -> None:
        self.calls.append("initialize")
        if self.broken:
            raise PortAudioError("Host error")

    def WasapiSettings(self, auto_convert: bool) -> str:  # noqa: N802 the library's name
        return f"auto_convert={auto_convert}"

    def query_hostapis(self) -> tuple[dict[str, Any], ...]:
        return (
            {
                "name": "MME",
                "devices": [0, 1],
                "default_input_device": 0,
                "default_output_device": 1,
            },
            {
                "name": "Windows WASAPI",
                "devices": [2, 3, 4],
                "default_input_device": 4,
                "default_output_device": 3,
            },
            {
                "name": "ASIO",
                "devices": [],
                "default_input_device": -1,
                "default_output_device": -1,
            },
        )

    def query_devices(self, index: int) -> dict[str, Any]:
        names = ["Microphone (cut at 31 charac", "Speakers", "Webcam", "Speakers", "Headset"]
        return {
            "name": names[index],
            "default_samplerate": 48_000.0 if index != 4 else 16_000.0,
            "max_input_channels": [2, 0, 1, 0, 1][index],
            "max_output_channels": [0, 2, 0, 8, 0][index],
        }


class InputStream:
    """Remembers how it was made and can be made to call back."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.asked = asked
        self.latency = 0.025
        self.calls: list[str] = []
        self.refuses_start = False

    def start(self) -> None:
        if self.refuses_start:
            raise PortAudioError("Device unavailable")
        self.calls.append("start")

    def abort(self) -> None:
        self.calls.append("abort")

    def close(self) -> None:
        self.calls.append("close")

    def call(self, sound: np.ndarray, now: float, there: float, flag: bool = False) -> None:
        times = SimpleNamespace(
            currentTime=now, inputBufferAdcTime=there, outputBufferDacTime=there
        )
        status = SimpleNamespace(input_overflow=flag, output_underflow=flag)
        self.asked["callback"](sound, len(sound), times, status)


class OutputStream(InputStream):
    """Likewise."""


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    fake = Library()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def nothing(_sound: np.ndarray, _delay_s: float, _lost: bool) -> None:
    pass


def started() -> PortAudioHost:
    host = PortAudioHost()
    host.restart()
    return host


def test_the_better_interface_comes_first_and_under_plain_names(library: Library) -> None:
    ends = started().endpoints()
    assert library.calls == ["terminate", "initialize"]
    assert [end.label for end in ends] == [
        "Webcam", "Speakers", "Headset", "Microphone (cut at 31 charac (MME)", "Speakers (MME)",
    ]  # fmt: skip
    assert [end.label for end in ends if end.default_input] == ["Headset"]
    assert [end.label for end in ends if end.default_output] == ["Speakers"]
    assert ends[2].rate_hz == 16_000


def test_a_stream_is_opened_as_the_device_likes_it(library: Library) -> None:
    host = started()
    speakers = host.endpoints()[1]
    stream = host.open_output(speakers, 0.03, nothing)
    asked = library.made[0].asked
    assert (asked["device"], asked["samplerate"], asked["channels"]) == (3, 48_000, 2)
    assert (asked["blocksize"], asked["latency"], asked["dtype"]) == (0, 0.03, "float32")
    assert asked["extra_settings"] == "auto_convert=True"
    assert (stream.rate_hz, stream.latency_s) == (48_000, 0.025)
    assert library.made[0].calls == []
    stream.start()
    stream.close()
    assert library.made[0].calls == ["start", "abort", "close"]
    host.open_input(host.endpoints()[3], 0.02, nothing)
    assert library.made[1].asked["channels"] == 1
    assert library.made[1].asked["extra_settings"] is None


def test_a_refused_rate_is_replaced_by_a_common_one(library: Library) -> None:
    library.rates = {44_100}
    host = started()
    stream = host.open_input(host.endpoints()[2], 0.02, nothing)
    assert stream.rate_hz == 44_100


def test_a_device_that_refuses_everything_says_why(library: Library) -> None:
    library.rates = set()
    host = started()
    with pytest.raises(CannotOpenError, match="choose another device") as caught:
        host.open_input(host.endpoints()[2], 0.02, nothing)
    assert "“Headset” cannot be opened: Invalid sample rate" in caught.value.clause


def test_a_stream_that_does_not_start_says_why(library: Library) -> None:
    host = started()
    stream = host.open_input(host.endpoints()[0], 0.02, nothing)
    library.made[0].refuses_start = True
    with pytest.raises(CannotOpenError, match=r"Webcam.*Device unavailable"):
        stream.start()


@pytest.mark.parametrize(
    ("now", "there", "delay"),
    [
        (10.0, 10.04, 0.04),
        (10.0, 0.0, 0.025),  # some systems do not tell
        (0.0, 0.0, 0.025),
        (10.0, 99.0, 0.025),  # or tell nonsense
        (10.0, 9.0, 0.025),
    ],
)
def test_the_loudspeakers_delay_is_measured_or_else_what_it_claims(
    library: Library, now: float, there: float, delay: float
) -> None:
    got: list[tuple[float, bool]] = []
    host = started()
    host.open_output(host.endpoints()[1], 0.03, lambda _sound, s, late: got.append((s, late)))
    library.made[0].call(np.zeros((8, 2), np.float32), now, there, flag=True)
    assert got == [(pytest.approx(delay), True)]


def test_a_stream_that_ended_by_itself_is_not_alive(library: Library) -> None:
    host = started()
    stream = host.open_input(host.endpoints()[0], 0.02, nothing)
    assert stream.alive
    library.made[0].asked["finished_callback"]()
    assert not stream.alive


def test_a_sound_system_that_does_not_answer_is_told(library: Library) -> None:
    library.broken = True
    host = PortAudioHost()
    with pytest.raises(SoundError, match="does not answer"):
        host.restart()
    assert host.endpoints() == ()


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(SoundError, match="install PortAudio"):
        PortAudioHost().restart()
