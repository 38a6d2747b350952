"""The live conversation as its window drives it: one thread, one inbox, and everything ends in time.

device ── thread "sound": echo out, voice activity ──┐
workers "transcribe" "think" "speak" ────────────────┼─► inbox ─► thread "conductor" ─► watchers
window (any thread) ─────────────────────────────────┘
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from app.conversation.conductor import Conductor
from app.conversation.ears import HeardBlock
from app.conversation.parts import LiveParts, Workers
from app.conversation.policy import Policy
from app.conversation.workers import ThreadWorker
from app.core import events as ev
from app.core.errors import ParleyError
from app.core.live_ports import DuplexBlock, SessionRecorder, SoundDevice
from app.core.shown import (
    DevicesChanged,
    Level,
    Levels,
    Notice,
    NoticeOver,
    Phase,
    PhaseChanged,
    RecordingChanged,
    Shown,
    Watcher,
)

_LOG = logging.getLogger(__name__)
_CHECK_S = 0.5
"""How often the devices are looked at."""
_LET_GO_S = 2.0
"""What parts get to end when others take their place."""


class LiveFactory(Protocol):
    """Makes what a live conversation needs. Every method may take its time and raise ``ParleyError``."""

    def parts(self, tell: Callable[[str], None]) -> LiveParts:
        """Load the models; ``tell`` takes a sentence about how it goes."""
        ...

    def device(self, microphone: str, loudspeaker: str) -> SoundDevice:
        """The microphone and loudspeaker of these names ('' is the system's choice), not started."""
        ...

    def recorder(self, notice: Callable[[str], None]) -> SessionRecorder:
        """Begin a recording."""
        ...

    def close(self, deadline_s: float) -> bool:
        """End what the parts hold (processes); False when something was left behind."""
        ...


class LiveSession:
    """Implements ``LiveControl``."""

    def __init__(
        self,
        factory: LiveFactory,
        *,
        microphone: str = "",
        loudspeaker: str = "",
        hands_free: bool = True,
        record: bool = False,
    ) -> None:
        self._factory = factory
        self._names = (microphone, loudspeaker)
        self._record_next = record
        self._inbox: queue.SimpleQueue[HeardBlock | ev.WorkEvent | Callable[[], None] | None] = (
            queue.SimpleQueue()
        )
        self._watchers: list[Watcher] = []
        self._thread = threading.Thread(target=self._run, name="conductor", daemon=True)
        self._conductor: Conductor | None = None
        self._parts: LiveParts | None = None
        self._workers: list[ThreadWorker] = []
        self._device: SoundDevice | None = None
        self._recorder: SessionRecorder | None = None
        self._finishing: list[SessionRecorder] = []
        self._closing = False
        self._next_factory: LiveFactory | None = None
        self._failure = ""
        self._wishes: dict[type, ev.Event] = {}
        if not hands_free:
            self._wishes[ev.HandsFree] = ev.HandsFree(0.0, False)
        self._told = ("", "", "")
        self._checked_s = 0.0
        self._first = self._next = 0

    # ------------------------------------------------------------------------------ LiveControl

    def watch(self, watcher: Watcher) -> None:
        """Tell ``watcher`` everything that is shown from now on."""
        self._watchers.append(watcher)

    def start(self) -> None:
        """Load the models in the background and begin."""
        self._thread.start()

    def close(self, deadline_s: float = 2.0) -> bool:
        """End everything; False when a part did not end in time and was left behind."""
        end_s = time.monotonic() + deadline_s
        self._closing = True
        self._inbox.put(None)
        ended = True
        if self._thread.ident is not None:
            self._thread.join(deadline_s * 0.4)
            ended = not self._thread.is_alive()
        for worker in self._workers:
            ended &= worker.close(max(0.05, (end_s - time.monotonic()) / 2))
        return self._factory.close(max(0.1, end_s - time.monotonic())) and ended

    def type(self, text: str) -> None:
        """Take written words as the user's turn."""
        if text.strip():
            self._inbox.put(ev.Typed(0.0, text.strip()))

    def stop(self) -> None:
        """Silence the assistant."""
        self._inbox.put(ev.StopAsked(0.0))

    def mute(self, on: bool) -> None:
        """Close or open the microphone."""
        self._inbox.put(ev.Muted(0.0, on))

    def talk_key(self, down: bool) -> None:
        """Push-to-talk pressed or let go."""
        self._inbox.put(ev.TalkKey(0.0, down))

    def hands_free(self, on: bool) -> None:
        """Whether speech alone opens a turn."""
        self._inbox.put(ev.HandsFree(0.0, on))

    def record(self, on: bool) -> None:
        """Start or stop recording the session."""
        self._inbox.put(lambda: self._record(on))

    def choose_devices(self, microphone: str, loudspeaker: str) -> None:
        """Use these devices from now on; '' is the system's choice."""
        self._names = (microphone, loudspeaker)
        self._inbox.put(self._open_device)

    def change_policy(self, policy: Policy) -> None:
        """Take turns by another policy from now on."""

        def change() -> None:
            if self._conductor is not None:
                self._conductor.policy = policy

        self._inbox.put(change)

    def change_voice(self, folder: Callable[[], Path | None]) -> None:
        """Speak in the voice of ``folder()`` from the next line on."""

        def change() -> None:
            if self._conductor is not None:
                self._conductor.change_voice(folder())

        self._inbox.put(change)

    def renew(self, factory: LiveFactory) -> None:
        """Go on with other parts (models, voice): what was said is kept, as words.

        A recording ends and another one begins. It works after a failed start, too.
        """

        def renew() -> None:
            self._next_factory = factory

        self._inbox.put(renew)

    def notice(self, message: str) -> None:
        """Have a sentence of somebody else's shown to the user; any thread may."""
        self._tell(Notice(Level.WARNING, message))

    def levels(self) -> Levels:
        """The meters, now."""
        parts, recorder, device = self._parts, self._recorder, self._device
        recorded_s = recorder.seconds if recorder is not None else 0.0
        if parts is None or device is None:
            return Levels(recorded_s=recorded_s)
        now, erle_db = parts.ears.meters, parts.ears.echo.erle_db
        return Levels(now.near_db, now.far_db, now.speech, erle_db, device.xruns, recorded_s)

    # ------------------------------------------------------------------------- thread "conductor"

    def _run(self) -> None:
        while self._serve():
            self._change()

    def _serve(self) -> bool:
        """Load, and converse to the end; True when other parts are to go on."""
        self._tell(PhaseChanged(Phase.LOADING))
        try:
            self._load()
        except ParleyError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001  (a window that says 'Starting' for ever helps nobody)
            _LOG.exception("The conversation could not begin.")
            reason = " ".join(str(error).split())[:200]
            self._fail(
                f"Parley could not begin ({type(error).__name__}: {reason}): try again or choose "
                "other models in the settings, and report it if it stays so."
            )
        try:
            while (item := self._inbox.get()) is not None:
                self._take(item)
                if self._next_factory is not None:
                    return True
            return False
        finally:
            self._end()

    def _fail(self, sentence: str) -> None:
        self._failure = sentence
        self._tell(Notice(Level.ERROR, sentence))
        self._tell(PhaseChanged(Phase.FAILED))

    def _change(self) -> None:
        """Let go of the parts and take those of the next factory."""
        for worker in self._workers:
            worker.close(_LET_GO_S)
        self._factory.close(_LET_GO_S)
        assert self._next_factory is not None
        self._factory, self._next_factory = self._next_factory, None
        if self._failure:
            self._tell(NoticeOver(self._failure))
            self._failure = ""
        # Sound that still waits was heard by the ears that have gone.
        for _ in range(self._inbox.qsize()):
            item = self._inbox.get()
            if not isinstance(item, HeardBlock):
                self._inbox.put(item)

    def _load(self) -> None:
        parts = self._factory.parts(lambda text: self._tell(PhaseChanged(Phase.LOADING, text)))
        self._parts = parts
        if self._closing:
            return
        self._workers = [
            ThreadWorker(name, self._inbox.put) for name in ("transcribe", "think", "speak")
        ]
        self._device = device = self._factory.device(*self._names)
        earlier, self._conductor = (
            self._conductor,
            Conductor(parts, device.player, Workers(*self._workers), self._tell, self._note),
        )
        if earlier is not None:
            self._conductor.carry_on(earlier)
        for wish in self._wishes.values():
            self._conductor.handle(wish)
        self._wishes.clear()
        self._tell(PhaseChanged(self._conductor.phase))
        self._first, self._told = self._next, ("", "", "")
        self._start_device(device)
        if self._record_next:
            self._record_next = False
            self.record(True)

    def _take(self, item: HeardBlock | ev.WorkEvent | Callable[[], None]) -> None:
        try:
            if callable(item):
                item()
            elif self._conductor is None or self._device is None:
                # Nothing was loaded: there is nobody to tell yet. A closed microphone must stay so.
                if isinstance(item, ev.Muted | ev.HandsFree):
                    self._wishes[type(item)] = item
            elif isinstance(item, HeardBlock):
                self._block(self._conductor, item)
            else:
                self._conductor.handle(item)
        except ParleyError as error:
            self._tell(Notice(Level.ERROR, str(error)))

    def _block(self, conductor: Conductor, block: HeardBlock) -> None:
        if self._recorder is not None:
            self._recorder.block(block.near, block.clean, block.far, block.index)
        conductor.block(block)
        if block.at_s - self._checked_s >= _CHECK_S:
            self._checked_s = block.at_s
            self._look_at_device()
            self._see_whether_it_records()

    def _end(self) -> None:
        with contextlib.suppress(ParleyError):
            if self._conductor is not None and self._device is not None:
                self._conductor.handle(ev.StopAsked(0.0))
            if self._device is not None:
                self._device.stop()
        self._device = None
        if self._recorder is not None:
            self._record_next = True
            self._stop_recording(self._recorder)
        for recorder in self._finishing:
            recorder.close()
        self._finishing.clear()

    # --------------------------------------------------------------------------------- devices

    def _open_device(self) -> None:
        if self._conductor is None or self._parts is None:
            return  # the names are used once something is loaded
        self._conductor.handle(ev.StopAsked(0.0))
        if self._device is not None:
            self._device.stop()
        self._device = device = self._factory.device(*self._names)
        self._conductor.player = device.player
        self._parts.ears.begin_again()
        self._first = self._next
        self._start_device(device)

    def _start_device(self, device: SoundDevice) -> None:
        device.start(self._heard)
        self._look_at_device()

    def _heard(self, block: DuplexBlock) -> None:
        """On the device's thread."""
        parts = self._parts
        if parts is not None and not self._closing:
            # The session's count goes on when a device is exchanged, a device's own begins at 0.
            self._next = self._first + block.index + 1
            block = replace(block, index=self._first + block.index)
            self._inbox.put(parts.ears.hear(block))

    def _look_at_device(self) -> None:
        """Tell about devices that came or went."""
        device, conductor = self._device, self._conductor
        assert device is not None
        assert conductor is not None
        now = (device.microphone, device.loudspeaker, device.problem)
        if now == self._told:
            return
        before, self._told = self._told, now
        microphones, loudspeakers = device.names()
        self._tell(DevicesChanged(now[0], now[1], microphones, loudspeakers))
        if now[2] != before[2]:
            if before[2]:
                self._tell(NoticeOver(before[2]))
            if now[2]:
                self._tell(Notice(Level.WARNING, now[2]))
        self._note_devices()
        self._tell(PhaseChanged(conductor.phase))

    def _note_devices(self) -> None:
        device, conductor = self._device, self._conductor
        if device is not None and conductor is not None:
            names = {"microphone": device.microphone, "loudspeaker": device.loudspeaker}
            self._note(conductor.now_s, "devices", names)

    # ------------------------------------------------------------------------ recording, telling

    def _record(self, on: bool) -> None:
        if self._device is None:
            self._record_next = on  # from when there is something to record
        elif on and self._recorder is None:
            self._recorder = self._factory.recorder(self.notice)
            self._tell(RecordingChanged(True, self._recorder.folder))
            self._note_devices()
            self._see_whether_it_records()
        elif not on and self._recorder is not None:
            self._stop_recording(self._recorder)

    def _stop_recording(self, recorder: SessionRecorder) -> None:
        self._recorder = None
        recorder.finish()
        self._finishing.append(recorder)
        self._tell(RecordingChanged(False, recorder.folder))

    def _see_whether_it_records(self) -> None:
        """A recorder stops by itself when the disk is full; it has told why."""
        if self._recorder is not None and not self._recorder.recording:
            self._stop_recording(self._recorder)

    def _note(self, at_s: float, kind: str, fields: Mapping[str, Any]) -> None:
        if self._recorder is not None:
            self._recorder.event(at_s, kind, fields)

    def _tell(self, what: Shown) -> None:
        deaf = self._device is not None and not self._device.microphone
        if deaf and what == PhaseChanged(Phase.LISTENING):
            what = PhaseChanged(Phase.NO_MICROPHONE)
        for watcher in self._watchers:
            watcher(what)
