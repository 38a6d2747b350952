"""The ``SoundDevice`` of a real machine: opens, watches, reopens, and hands out blocks.

Everything happens on the thread ``sound``; the devices' own callbacks only copy (``capture``,
``player``). A side that is missing is played by the clock: a microphone of silence, a loudspeaker
to nowhere. So the conversation's time goes on whatever is plugged in.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
import time
from collections.abc import Callable

import numpy as np

from app.audio.capture import Assembler, Capture
from app.audio.host import CannotOpenError, Endpoint, Host, PortAudioHost, Stream
from app.audio.hotplug import ZEROS_S, Patience, Search, Side, picked, problem
from app.audio.levels import level_db
from app.audio.player import RingPlayer
from app.core.errors import SoundError
from app.core.live_ports import BLOCK_S, SESSION_RATE_HZ, DuplexBlock
from app.core.types import FloatArray

_TICK_S = 0.005
_LATENCY_S = ((0.02, 0.04, 0.08), (0.03, 0.06, 0.12))
# How long speech waits for a loudspeaker that was lost before it is played to nowhere.
_FROZEN_S = 2.0
_LONGEST_LEAD_S = 0.1
_QUIET_DB = -45.0
_QUIET_S = 1.0
_START_S = 20.0
_STOP_S = 2.0
_CHUNK = 4096


class PortAudioDevice:
    """Microphone and loudspeaker of this machine; see ``SoundDevice``.

    The names are those of ``names``; '' is the system's choice. That one is asked for whenever the
    devices are opened anew (a loss, ``choose``, ``refresh``); on Linux the sound server also moves
    running streams by itself. ``latency_s``: the delays to ask microphone and loudspeaker for, the
    next one whenever two xruns within ten seconds show that the last was too short.
    """

    def __init__(
        self,
        microphone: str = "",
        loudspeaker: str = "",
        host: Host | None = None,
        clock: Callable[[], float] = time.perf_counter,
        platform: str = sys.platform,
        latency_s: tuple[tuple[float, ...], tuple[float, ...]] = _LATENCY_S,
    ) -> None:
        self._host: Host = host or PortAudioHost()
        self._clock = clock
        self._platform = platform
        self._wanted = (microphone, loudspeaker)
        self._anew = False
        self._player = RingPlayer(SESSION_RATE_HZ, clock)
        self._need_in, self._need_out = Patience(latency_s[0]), Patience(latency_s[1])
        self._search = Search()
        self._xruns_before = self._xruns_out = 0
        self._mono: FloatArray = np.zeros(_CHUNK, np.float32)
        self._none: FloatArray = np.zeros((round(SESSION_RATE_HZ * BLOCK_S), 1), np.float32)
        self._problem = self._refused = ""
        self._index = 0
        self._last_s: float | None = None
        self._owed = 0
        self._cut = False
        self._loud_s = 0.0
        self._frozen_until_s = 0.0
        self._on_block: Callable[[DuplexBlock], None] = lambda _block: None
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._in = self._out = Side("", None, 0, clock())
        self._capture = self._source = Capture(SESSION_RATE_HZ, clock)
        self._assemble()

    # What the conversation asks for, on any thread.

    @property
    def player(self) -> RingPlayer:
        """Its loudspeaker."""
        return self._player

    @property
    def microphone(self) -> str:
        """Name of the microphone in use, '' without one."""
        return self._in.label

    @property
    def loudspeaker(self) -> str:
        """Name of the loudspeaker in use, '' without one."""
        return self._out.label

    @property
    def problem(self) -> str:
        """One sentence about what is wrong with the devices and what to do; '' when all is well."""
        return self._problem

    @property
    def xruns(self) -> int:
        """Overflows and underruns that the devices reported."""
        return self._xruns_before + self._capture.xruns + self._xruns_out

    @property
    def slips(self) -> int:
        """Samples left out or given twice since the last opening, to follow the two clocks."""
        return self._assembler.pairing.slips

    def names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Microphones and loudspeakers to choose from, as of the last opening."""
        ends = self._host.endpoints()
        return (
            tuple(end.label for end in ends if end.inputs),
            tuple(end.label for end in ends if end.outputs),
        )

    def choose(self, microphone: str, loudspeaker: str) -> None:
        """Use these from now on; '' is the system's choice."""
        self._wanted = (microphone, loudspeaker)
        self._anew = True

    def refresh(self) -> None:
        """Something was plugged in or the system's choice changed: look again and open anew."""
        self._anew = True

    def start(self, on_block: Callable[[DuplexBlock], None]) -> None:
        """Begin; see ``SoundDevice``. Devices that are not there are waited for.

        Raises:
            SoundError: when PortAudio itself cannot be used.
        """
        if self._thread is not None:
            return
        ready, failed = threading.Event(), list[SoundError]()
        self._over = over = threading.Event()

        def run() -> None:
            # One thread opens, watches and closes: Windows' interfaces belong to their thread.
            try:
                self.begin(on_block)
            except SoundError as error:
                failed.append(error)
                return
            finally:
                ready.set()
            try:
                while not over.wait(_TICK_S):
                    self.tick()
            finally:
                self.end()

        self._thread = threading.Thread(target=run, name="sound", daemon=True)
        self._thread.start()
        ready.wait(_START_S)
        if failed:
            self._thread = None
            raise failed[0]
        # A stream that still runs while the interpreter goes down takes the process with it.
        atexit.register(self.stop)

    def stop(self) -> None:
        """Close both sides; may be started again. A sound system that hangs is left behind."""
        atexit.unregister(self.stop)
        thread, self._thread = self._thread, None
        if thread is not None:
            self._over.set()
            thread.join(_STOP_S)

    # The sound thread.

    def begin(self, on_block: Callable[[DuplexBlock], None]) -> None:
        """Open what there is. Raises ``SoundError`` when PortAudio itself cannot be used."""
        self._on_block = on_block
        self._last_s = None
        self._host.restart()
        self._open()
        nothing = not self._in.label and not self._out.label
        self._search.looked(nothing, True, self._clock())

    def end(self) -> None:
        """Close everything."""
        self._close()
        self._in = self._out = Side("", None, 0, self._clock())

    def tick(self) -> None:
        """Hand out the blocks that are complete, then look after the devices."""
        now_s = self._clock()
        self._play_by_the_clock(now_s)
        self._hand_out(now_s)
        if self._anew or self._lost(now_s) or self._worth_looking(now_s):
            self._anew = False
            self._reopen()
        elif self._need_in.more(self._capture.xruns, now_s):
            # The list of devices is as it was: no restart.
            self._close_microphone()
            self._open_microphone()
        elif self._need_out.more(self._xruns_out, now_s):
            self._close_loudspeaker()
            self._open_loudspeaker()
        self._tell()

    def _lost(self, now_s: float) -> bool:
        return self._in.lost(self._capture.ring.end, now_s) or self._out.lost(
            self._player.reference.end, now_s
        )

    def _worth_looking(self, now_s: float) -> bool:
        """Whether something is missing and this is a moment to look for it."""
        used = (self._in.label, self._out.label)
        pairs = zip(self._wanted, used, strict=True)
        if not any(not use or (want and want != use) for want, use in pairs):
            return False
        quiet = self._player.idle and now_s - self._loud_s > _QUIET_S
        return self._search.due(not any(used), quiet, now_s)

    def _reopen(self) -> None:
        """The whole way round: PortAudio sees new devices only after it was restarted."""
        before = (self._in.label, self._out.label)
        self._close()
        # When it fails there is nothing to open, which is then said.
        with contextlib.suppress(SoundError):
            self._host.restart()
        self._open()
        after = (self._in.label, self._out.label)
        self._search.looked(not any(after), after != before, self._clock())

    def _open(self) -> None:
        self._refused = ""
        self._open_loudspeaker()
        self._open_microphone()

    def _close(self) -> None:
        self._close_microphone()
        self._close_loudspeaker()

    def _close_microphone(self) -> None:
        self._in.close()
        self._xruns_before += self._capture.xruns
        self._capture.xruns = 0

    def _close_loudspeaker(self) -> None:
        self._out.close()
        if self._out.stream is not None:
            self._player.recall()
        self._xruns_before += self._xruns_out
        self._xruns_out = 0

    def _open_loudspeaker(self) -> None:
        end = picked(self._host.endpoints(), self._wanted[1], inputs=False)
        stream = self._opened_out(end) if end else None
        self._player.latency_s = 0.0
        now_s = self._clock()
        if self._out.label:
            # It may be back at once: the speech waits a little before it goes nowhere.
            self._frozen_until_s = now_s + _FROZEN_S
        label = end.label if end else ""
        wait_s = max(0.0, self._frozen_until_s - now_s)
        self._out = Side(label, stream, self._player.reference.end, now_s, wait_s)
        self._need_out.opened(now_s)
        player = self._player
        self._assembler.play(player.reference, player.rate_hz, self._lead_s())

    def _open_microphone(self) -> None:
        end = picked(self._host.endpoints(), self._wanted[0], inputs=True)
        # Silence by the clock, until the device's first sound.
        self._source = Capture(SESSION_RATE_HZ, self._clock)
        stream = self._opened_in(end) if end else None
        if stream is None:
            self._capture = self._source
        now_s = self._clock()
        self._in = Side(end.label if end else "", stream, 0, now_s)
        self._need_in.opened(now_s)
        self._assemble()

    def _opened_out(self, end: Endpoint) -> Stream | None:
        try:
            stream = self._host.open_output(end, self._need_out.latency_s, self._output_called)
        except CannotOpenError as error:
            self._refused = error.clause
            return None
        self._player.change_rate(stream.rate_hz)
        return self._started(stream)

    def _opened_in(self, end: Endpoint) -> Stream | None:
        try:
            stream = self._host.open_input(end, self._need_in.latency_s, self._input_called)
        except CannotOpenError as error:
            self._refused = error.clause
            return None
        self._capture = Capture(stream.rate_hz, self._clock)
        return self._started(stream)

    def _started(self, stream: Stream) -> Stream | None:
        try:
            stream.start()
        except CannotOpenError as error:
            stream.close()
            self._refused = error.clause
            return None
        return stream

    def _assemble(self) -> None:
        """Lay the two sides beside each other anew; what is missing meanwhile becomes a gap."""
        self._assembler = Assembler(
            self._source, self._player.reference, self._player.rate_hz, self._lead_s()
        )
        self._cut = True

    def _lead_s(self) -> float:
        """How far ahead of its echo the loudspeaker's sound is put; see ``Assembler``."""
        delays = [side.stream.latency_s for side in (self._in, self._out) if side.stream]
        return min(0.5 * sum(delays), _LONGEST_LEAD_S) if len(delays) == 2 else 0.0

    # The devices' callbacks: copy and count.

    def _input_called(self, sound: FloatArray, age_s: float, lost: bool) -> None:
        self._capture.called(sound, age_s, lost)

    def _output_called(self, sound: FloatArray, delay_s: float, late: bool) -> None:
        self._xruns_out += late
        for first in range(0, len(sound), _CHUNK):
            part = sound[first : first + _CHUNK]
            mono = self._mono[: len(part)]
            self._player.latency_s = delay_s + first / self._player.rate_hz
            self._player.render(mono)
            part[:] = mono[:, None]

    # Between them and the conversation.

    def _play_by_the_clock(self, now_s: float) -> None:
        """Play the side that no device plays; a microphone may take seconds to wake up."""
        if self._out.stream is None:
            block = round(self._player.rate_hz * BLOCK_S)
            for _ in range(self._out.due_blocks(now_s)):
                self._player.render(self._mono[:block])
        if self._source is not self._capture and self._capture.ring.end:
            self._source = self._capture
            self._assemble()
        if self._in.stream is None or self._source is not self._capture:
            for _ in range(self._in.due_blocks(now_s)):
                self._source.called(self._none, 0.0, False)

    def _hand_out(self, now_s: float) -> None:
        try:
            pairs = self._assembler.pairs(self._player.played)
        except LookupError:
            # Nobody took blocks for seconds.
            self._assemble()
            return
        gap = self._owed + round(self._assembler.hole_s(now_s) / BLOCK_S)
        for pair in pairs:
            if self._cut and self._last_s is not None:
                gap = max(0, round((pair.at_s - self._last_s) / BLOCK_S) - 1)
            self._cut = False
            self._last_s = pair.at_s
            self._index += gap
            if level_db(pair.near) > _QUIET_DB:
                self._loud_s = now_s
            self._on_block(DuplexBlock(pair.near, pair.far, self._index, gap))
            self._index += 1
            gap = 0
        self._owed = gap

    def _tell(self) -> None:
        """Keep ``problem`` true."""
        capture = self._capture
        zeros = (
            self._in.stream is not None
            and capture.ring.end - capture.loud_at > ZEROS_S * capture.rate_hz
        )
        used = (self._in.label, self._out.label)
        self._problem = problem(self._wanted, used, zeros, self._platform, self._refused)
