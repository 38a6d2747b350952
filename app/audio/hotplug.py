"""When a sound device counts as lost, when to look again, and what to tell the user.

PortAudio says little of a device that goes away: some streams end, some just never call back
again, and the list of devices stays as it was. So the pulse of the callbacks is what counts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from app.audio.host import Endpoint, Stream
from app.core.live_ports import BLOCK_S

SILENT_S = 0.5
"""A running device that has not called back for so long is lost."""
FIRST_S = 3.0
"""How long a device may take to call back for the first time: some have to wake up."""
_FILLING_S = 0.3
"""A loudspeaker asks for its first samples at once, before it wakes up."""
ZEROS_S = 2.0
"""Exact zeros from a microphone for so long mean that it is shut off, not that the room is quiet."""
_XRUNS = 2
_WITHIN_S = 10.0
_SETTLING_S = 1.0
_NOTHING_AGAIN_S = 1.0
_QUIET_AGAIN_S = 3.0
_SELDOM_S = 60.0
_LONG_S = 30.0


@dataclass(slots=True)
class Pulse:
    """Watches one running side of a device."""

    count: int
    """Its samples so far."""
    beat_s: float
    """When it was opened, and once it runs when it was last seen to go on."""
    _started: bool = False

    def lost(self, count: int, alive: bool, now_s: float) -> bool:
        """Whether it is gone, given its sample count, whether it runs, and the time."""
        if count != self.count:
            self._started = self._started or now_s - self.beat_s > _FILLING_S
            self.count = count
            if self._started:
                self.beat_s = now_s
        return not alive or now_s - self.beat_s > (SILENT_S if self._started else FIRST_S)


class Side:
    """One side that runs: a stream of a device, or the clock in its place."""

    def __init__(
        self, label: str, stream: Stream | None, done: int, now_s: float, wait_s: float = 0.0
    ) -> None:
        self.label = label if stream else ""
        self.stream = stream
        self._pulse = Pulse(done, now_s)
        self._done_s = now_s + wait_s

    def lost(self, count: int, now_s: float) -> bool:
        """Whether the device went away."""
        return self.stream is not None and self._pulse.lost(count, self.stream.alive, now_s)

    def due_blocks(self, now_s: float) -> int:
        """How many blocks of 10 ms the clock has to play; at most a second's, the rest is lost."""
        due = max(0, int((now_s - self._done_s) / BLOCK_S + 1e-6))
        self._done_s += due * BLOCK_S
        return min(due, round(1.0 / BLOCK_S))

    def close(self) -> None:
        """End its stream."""
        if self.stream is not None:
            self.stream.close()


@dataclass(slots=True)
class Patience:
    """How much delay a device needs: one step more after two xruns in ten seconds."""

    steps_s: tuple[float, ...]
    _step: int = 0
    _seen: int = 0
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=_XRUNS))
    _settled_s: float = 0.0

    @property
    def latency_s(self) -> float:
        """What to ask for."""
        return self.steps_s[self._step]

    def opened(self, now_s: float) -> None:
        """The device was opened (anew); its count of xruns is 0, and the first second is free."""
        self._seen = 0
        self._times.clear()
        self._settled_s = now_s + _SETTLING_S

    def more(self, xruns: int, now_s: float) -> bool:
        """Whether ``latency_s`` has just grown, given the count of xruns since it was opened."""
        new, self._seen = xruns - self._seen, xruns
        if not new or now_s < self._settled_s or self._step + 1 == len(self.steps_s):
            return False
        self._times.extend([now_s] * min(new, _XRUNS))
        if len(self._times) < _XRUNS or now_s - self._times[0] > _WITHIN_S:
            return False
        self._step += 1
        self._times.clear()
        return True


@dataclass(slots=True)
class Search:
    """When to look again for a device that is missing.

    Each look restarts the sound system, which interrupts what still works. While nothing works it
    is done every second, and after half a minute every third; otherwise at a quiet moment, after 3,
    6, 12 … up to 60 s without success.
    """

    _next_s: float = 0.0
    _wait_s: float = _QUIET_AGAIN_S
    _nothing_since_s: float | None = None

    def looked(self, nothing: bool, better: bool, now_s: float) -> None:
        """A look is over; ``nothing`` was found, or it went ``better`` than the one before."""
        if nothing:
            since_s = self._nothing_since_s = (
                now_s if self._nothing_since_s is None else self._nothing_since_s
            )
            self._wait_s = _QUIET_AGAIN_S
            long = now_s - since_s > _LONG_S
            self._next_s = now_s + (_QUIET_AGAIN_S if long else _NOTHING_AGAIN_S)
            return
        self._nothing_since_s = None
        self._wait_s = _QUIET_AGAIN_S if better else min(2 * self._wait_s, _SELDOM_S)
        self._next_s = now_s + self._wait_s

    def due(self, nothing: bool, quiet: bool, now_s: float) -> bool:
        """Whether to look now; ``nothing`` works, or what works is ``quiet``."""
        return now_s >= self._next_s and (nothing or quiet)


def picked(ends: tuple[Endpoint, ...], wanted: str, inputs: bool) -> Endpoint | None:
    """The device of that name, else the system's choice, else the first that fits."""
    fitting = [end for end in ends if (end.inputs if inputs else end.outputs)]
    chosen = [end for end in fitting if wanted and end.label == wanted]
    default = [end for end in fitting if (end.default_input if inputs else end.default_output)]
    return next(iter([*chosen, *default, *fitting]), None)


def problem(
    wanted: tuple[str, str], used: tuple[str, str], zeros: bool, platform: str, refused: str = ""
) -> str:
    """One sentence about what is wrong and what to do; '' when all is well.

    ``wanted`` and ``used`` name microphone and loudspeaker; ``zeros``: the microphone delivers
    nothing but zeros. ``refused``: which device could not be opened, and why.
    """
    microphone, loudspeaker = used
    because = f" ({refused})" if refused else ""
    if not microphone and not loudspeaker:
        return (
            f"There is no microphone and no loudspeaker{because}: plug them in, or choose them in "
            f"{_settings(platform)}; you can type meanwhile."
        )
    if not microphone:
        return (
            f"There is no microphone{because}: plug one in, or allow Parley to use it in "
            f"{_permission(platform)}; you can type meanwhile."
        )
    if not loudspeaker:
        return (
            f"There is no loudspeaker{because}: plug one in, or choose it in "
            f"{_settings(platform)}; the answers can be read meanwhile."
        )
    if zeros:
        return (
            f"No sound arrives from the microphone “{microphone}”: switch it on, or allow Parley "
            f"to use it in {_permission(platform)}."
        )
    for want, use in zip(wanted, used, strict=True):
        if want and want != use:
            return f"“{want}” is not there, so “{use}” is used: plug it in, or choose another."
    return ""


def _permission(platform: str) -> str:
    if platform == "win32":
        return "Settings › Privacy & security › Microphone"
    if platform == "darwin":
        return "System Settings › Privacy & Security › Microphone"
    return "the sound settings (or with pavucontrol, under Input Devices)"


def _settings(platform: str) -> str:
    if platform == "win32":
        return "Settings › System › Sound"
    if platform == "darwin":
        return "System Settings › Sound"
    return "the sound settings"
