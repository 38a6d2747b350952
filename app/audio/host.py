"""The narrow door to PortAudio: what there is to open, and streams that call back.

Everything that the rest of the sound code needs of the library is here, so that a script can stand
in for it in tests. Devices are known by name within one list; their numbers change when something
is plugged in and never leave this file.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from app.core.errors import SoundError
from app.core.types import FloatArray

InputCallback = Callable[[FloatArray, float, bool], None]
"""Gets (N, C) from the microphone, the age in seconds of its first sample, and whether some were
lost before. Runs on the device's thread: copies and counts only."""
OutputCallback = Callable[[FloatArray, float, bool], None]
"""Fills (N, C) for the loudspeaker; gets the seconds until its first sample leaves it, and whether
it was asked too late."""

_COMMON_RATES_HZ = (48_000, 44_100)
_LONGEST_DELAY_S = 2.0
# Windows lists every device once for each of its interfaces; the first of these that is there counts.
_HOST_APIS = ("Windows WASAPI", "Core Audio", "PulseAudio", "ALSA", "Windows DirectSound", "MME")


class CannotOpenError(SoundError):
    """A device is there and refuses. ``clause`` says which and why, for use within a sentence."""

    def __init__(self, label: str, reason: str) -> None:
        self.clause = f"“{label}” cannot be opened: {reason}"
        super().__init__(
            f"“{label}” cannot be opened ({reason}): choose another device, "
            "or close the program that uses it."
        )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One device of the present list. ``label`` is how a user chooses it."""

    index: int
    label: str
    rate_hz: int
    inputs: int
    outputs: int
    api: str = ""
    default_input: bool = False
    default_output: bool = False


class Stream(Protocol):
    """One side of a device, opened; its callback is called between ``start`` and ``close``."""

    def start(self) -> None:
        """Let it run. Raises ``CannotOpenError``."""
        ...

    @property
    def rate_hz(self) -> int:
        """The rate it runs at."""
        ...

    @property
    def latency_s(self) -> float:
        """What the device says its delay is."""
        ...

    @property
    def alive(self) -> bool:
        """False once it ended by itself."""
        ...

    def close(self) -> None:
        """End it; never raises."""
        ...


class Host(Protocol):
    """The sound system. All calls come from one thread."""

    def restart(self) -> None:
        """Look anew at what there is; no stream may be open. Raises ``SoundError`` without it."""
        ...

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What was there at the last ``restart``."""
        ...

    def open_input(self, end: Endpoint, latency_s: float, callback: InputCallback) -> Stream:
        """Open a microphone, at its own rate where it can be. Raises ``CannotOpenError``."""
        ...

    def open_output(self, end: Endpoint, latency_s: float, callback: OutputCallback) -> Stream:
        """Open a loudspeaker, at its own rate where it can be. Raises ``CannotOpenError``."""
        ...


class PortAudioHost:
    """The ``Host`` of a real machine, through sounddevice."""

    def __init__(self) -> None:
        self._endpoints: tuple[Endpoint, ...] = ()

    def restart(self) -> None:
        """PortAudio reads its list of devices only when it is initialised."""
        sounddevice = _library()
        _hush_alsa()
        try:
            sounddevice._terminate()
            sounddevice._initialize()
            self._endpoints = _listed(sounddevice)
        except sounddevice.PortAudioError as error:
            self._endpoints = ()
            raise SoundError(
                f"The sound system does not answer ({_said(error)}): "
                "check that it runs, or restart the computer."
            ) from error

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What was there at the last ``restart``."""
        return self._endpoints

    def open_input(self, end: Endpoint, latency_s: float, callback: InputCallback) -> Stream:
        """Open a microphone, mono where it can be."""
        return self._open("InputStream", end, end.inputs, (1, 2, end.inputs), latency_s, callback)

    def open_output(self, end: Endpoint, latency_s: float, callback: OutputCallback) -> Stream:
        """Open a loudspeaker, stereo where it can be: many have no mono."""
        return self._open(
            "OutputStream", end, end.outputs, (2, 1, end.outputs), latency_s, callback
        )

    def _open(
        self,
        kind: str,
        end: Endpoint,
        most: int,
        channels: tuple[int, ...],
        latency_s: float,
        callback: Callable[[FloatArray, float, bool], None],
    ) -> Stream:
        sounddevice = _library()
        refused = ""
        for rate in dict.fromkeys((end.rate_hz, *_COMMON_RATES_HZ)):
            for count in dict.fromkeys(number for number in channels if number <= most):
                try:
                    return _PortAudioStream(
                        getattr(sounddevice, kind), end, rate, count, latency_s, callback
                    )
                except (sounddevice.PortAudioError, ValueError) as error:
                    refused = refused or _said(error)
        raise CannotOpenError(end.label, refused)


class _PortAudioStream:
    """One sounddevice stream and its callback."""

    def __init__(
        self,
        make: Callable[..., Any],
        end: Endpoint,
        rate_hz: int,
        channels: int,
        latency_s: float,
        callback: Callable[[FloatArray, float, bool], None],
    ) -> None:
        self._ended = False
        # Until the stream tells its own.
        delay_s = latency_s

        def called_in(sound: FloatArray, _frames: int, times: Any, status: Any) -> None:
            delay = times.currentTime - times.inputBufferAdcTime
            known = times.inputBufferAdcTime and 0.0 <= delay < _LONGEST_DELAY_S
            callback(sound, delay if known else delay_s, bool(status.input_overflow))

        def called_out(sound: FloatArray, _frames: int, times: Any, status: Any) -> None:
            delay = times.outputBufferDacTime - times.currentTime
            known = times.outputBufferDacTime and 0.0 < delay < _LONGEST_DELAY_S
            callback(sound, delay if known else delay_s, bool(status.output_underflow))

        self._stream = make(
            device=end.index,
            samplerate=rate_hz,
            channels=channels,
            dtype="float32",
            blocksize=0,
            latency=latency_s,
            callback=called_in if make.__name__ == "InputStream" else called_out,
            finished_callback=self._finished,
            extra_settings=_extra(end.api),
        )
        delay_s = float(self._stream.latency)
        self._latency_s = delay_s
        self._rate_hz = rate_hz
        self._label = end.label

    def start(self) -> None:
        sounddevice = _library()
        try:
            self._stream.start()
        except sounddevice.PortAudioError as error:
            raise CannotOpenError(self._label, _said(error)) from error

    def _finished(self) -> None:
        self._ended = True

    @property
    def rate_hz(self) -> int:
        return self._rate_hz

    @property
    def latency_s(self) -> float:
        return self._latency_s

    @property
    def alive(self) -> bool:
        return not self._ended

    def close(self) -> None:
        # sounddevice ignores errors in both by default: a device that is gone cannot be closed well.
        self._stream.abort()
        self._stream.close()


def _library() -> Any:
    """The sounddevice module. Raises ``SoundError`` where it or PortAudio is missing."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise SoundError(
            f"Sound cannot be used ({' '.join(str(error).split())}): install PortAudio "
            "(on Debian or Ubuntu: apt-get install libportaudio2)."
        ) from error
    return sounddevice


def _hush_alsa() -> None:
    """Keep ALSA from writing to the terminal about every device that it cannot find.

    It calls a handler with the message; a function of the C library that looks at no argument
    serves as one, since one of ours would need the interpreter on the device's thread.
    """
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        handler = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p)
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(handler)


def _listed(sounddevice: Any) -> tuple[Endpoint, ...]:
    """The devices, those of the best interface first and under their plain names."""
    apis: list[dict[str, Any]] = list(sounddevice.query_hostapis())
    filled = [number for number, api in enumerate(apis) if api["devices"]]
    ranks = {name: rank for rank, name in enumerate(_HOST_APIS)}
    filled.sort(key=lambda number: ranks.get(apis[number]["name"], len(ranks)))
    found: list[Endpoint] = []
    for place, number in enumerate(filled):
        api = apis[number]
        for index in api["devices"]:
            device = sounddevice.query_devices(index)
            name = str(device["name"])
            found.append(
                Endpoint(
                    index=int(index),
                    label=name if place == 0 else f"{name} ({api['name']})",
                    rate_hz=round(device["default_samplerate"]),
                    inputs=int(device["max_input_channels"]),
                    outputs=int(device["max_output_channels"]),
                    api=str(api["name"]),
                    default_input=place == 0 and index == api["default_input_device"],
                    default_output=place == 0 and index == api["default_output_device"],
                )
            )
    return tuple(found)


def _extra(api: str) -> Any:
    """Windows' own interface refuses every rate but the mixer's unless it may convert."""
    if api != "Windows WASAPI":
        return None
    import sounddevice

    return sounddevice.WasapiSettings(auto_convert=True)


def _said(error: Exception) -> str:
    """What the library says, on one line and without its closing mark."""
    return " ".join(str(error).split()).rstrip(".")
