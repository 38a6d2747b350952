"""What Parley is doing, what is wrong, what is being recorded, and what the user asks for."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.core.live_ports import LiveControl
from app.core.shown import (
    DevicesChanged,
    Level,
    Levels,
    Notice,
    NoticeOver,
    Phase,
    PhaseChanged,
    RecordingChanged,
)
from app.ui.viewmodels.levels import FLOOR_DB, eased_db

POLL_MS = 33
"""The meters are looked at 30 times a second, and only while the window can be seen."""
MAX_NOTICES = 3
INFO_MS = 12_000
"""What is only good to know goes by itself; what is wrong stays until it is dismissed."""
_GRAVITY = (Level.INFO, Level.WARNING, Level.ERROR)
_BUSY = (Phase.THINKING, Phase.SPEAKING, Phase.PAUSED)
_OPEN_EARS = (Phase.LISTENING, Phase.HEARING)


@dataclass(frozen=True, slots=True)
class Meters:
    """What the meters show, in dBFS from -60 to 0, and the numbers beside them."""

    microphone_db: float = FLOOR_DB
    loudspeaker_db: float = FLOOR_DB
    recorded_s: int = 0


class StatusViewModel(QObject):
    """The state of the conversation and the user's wishes about it. None of it blocks."""

    phase_changed = Signal(object)
    switches_changed = Signal()
    """``muted``, ``hands_free`` or ``talking`` changed."""
    recording_changed = Signal()
    devices_changed = Signal()
    notices_changed = Signal()
    noticed = Signal(object)
    """A new notice, for whoever announces it."""
    meters_changed = Signal()

    def __init__(
        self, control: LiveControl, *, hands_free: bool = True, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._control = control
        self.phase = Phase.LOADING
        self.detail = ""
        """How the phase goes, in a sentence; often empty."""
        self.muted = False
        self.hands_free = hands_free
        self.talking = False
        self.recording = RecordingChanged(False)
        self.devices = DevicesChanged("", "")
        self._knows_devices = False
        self.notices: tuple[Notice, ...] = ()
        self.meters = Meters()
        self.levels = Levels()
        self._was_closed = False
        self._fading = QTimer(self)
        self._fading.setSingleShot(True)
        self._fading.setInterval(INFO_MS)
        self._fading.timeout.connect(self.fade)
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self.poll)

    @property
    def can_stop(self) -> bool:
        """Whether there is an answer to silence."""
        return self.phase in _BUSY

    @property
    def can_hear(self) -> bool:
        """Whether there is a microphone to talk into."""
        deaf = self._knows_devices and not self.devices.microphone
        return not deaf and self.phase not in (Phase.LOADING, Phase.NO_MICROPHONE, Phase.FAILED)

    @property
    def can_write(self) -> bool:
        """Whether written words will be answered, if not yet now."""
        return self.phase is not Phase.FAILED

    @property
    def can_record(self) -> bool:
        """Whether there is a conversation to record, or soon will be."""
        return self.phase is not Phase.FAILED

    @property
    def polling(self) -> bool:
        """Whether the meters are being looked at."""
        return self._timer.isActive()

    # What the conversation tells.

    def take_phase(self, told: PhaseChanged) -> None:
        """The conversation is in another phase."""
        if told.phase is Phase.LOADING and self.phase is Phase.FAILED:
            # Nobody was there to hear what was switched while nothing was loaded.
            self._control.mute(self.muted)
            self._control.hands_free(self.hands_free)
        if told.phase is Phase.MUTED and not self.muted:
            self.muted = True
            self.switches_changed.emit()
        # Open ears after a closed microphone: it was opened again by somebody else than this window.
        elif told.phase in _OPEN_EARS and self._was_closed and self.muted:
            self.muted = False
            self.switches_changed.emit()
        self._was_closed = told.phase is Phase.MUTED
        if (told.phase, told.detail) != (self.phase, self.detail):
            self.phase, self.detail = told.phase, told.detail
            self.phase_changed.emit(told.phase)

    def take_notice(self, notice: Notice) -> None:
        """Show ``notice``; the same words are shown once, and at most three in all."""
        if any(known.message == notice.message for known in self.notices):
            return
        kept = [*self.notices, notice]
        while len(kept) > MAX_NOTICES:
            kept.remove(min(kept, key=lambda known: _GRAVITY.index(known.level)))
        self.notices = tuple(kept)
        self.notices_changed.emit()
        if notice in kept:
            self.noticed.emit(notice)
        if notice.level is Level.INFO:
            self._fading.start()

    def take_notice_over(self, over: NoticeOver) -> None:
        """What a notice told of is over."""
        kept = tuple(known for known in self.notices if known.message != over.message)
        if kept != self.notices:
            self.notices = kept
            self.notices_changed.emit()

    def take_recording(self, told: RecordingChanged) -> None:
        """Recording began or ended."""
        if told != self.recording:
            self.recording = told
            self.recording_changed.emit()

    def take_devices(self, told: DevicesChanged) -> None:
        """Other devices are in use or to choose from."""
        if told != self.devices or not self._knows_devices:
            self._knows_devices = True
            self.devices = told
            self.devices_changed.emit()

    # What the user does.

    def dismiss(self, notice: Notice) -> None:
        """Take ``notice`` away."""
        self.notices = tuple(known for known in self.notices if known is not notice)
        self.notices_changed.emit()

    @Slot()
    def fade(self) -> None:
        """Take away what is only good to know."""
        kept = tuple(known for known in self.notices if known.level is not Level.INFO)
        if kept != self.notices:
            self.notices = kept
            self.notices_changed.emit()

    def stop(self) -> None:
        """Silence the assistant."""
        self._control.stop()

    def set_muted(self, on: bool) -> None:
        """Close or open the microphone."""
        if on != self.muted:
            self.muted = on
            self._was_closed = False
            if on:
                self.talk(False)
            self._control.mute(on)
            self.switches_changed.emit()

    def set_hands_free(self, on: bool) -> None:
        """Whether speech alone opens a turn."""
        if on != self.hands_free:
            self.hands_free = on
            self._control.hands_free(on)
            self.switches_changed.emit()

    def talk(self, down: bool) -> None:
        """Push-to-talk was pressed or let go; saying the same twice changes nothing."""
        if down and not self.can_hear:
            return
        if down != self.talking:
            self.talking = down
            self._control.talk_key(down)
            self.switches_changed.emit()

    def record(self, on: bool) -> None:
        """Start or stop recording; ``recording_changed`` tells when it did."""
        self._control.record(on)

    def send(self, text: str) -> bool:
        """Take written words as a turn; False when there were none."""
        words = text.strip()
        if words:
            self._control.type(words)
        return bool(words)

    # The meters.

    def watch_meters(self, on: bool) -> None:
        """Look at the meters from now on, or no longer."""
        if on:
            self._timer.start()
        else:
            self._timer.stop()

    @Slot()
    def poll(self) -> None:
        """Look at the meters once and tell when what they show has changed."""
        self.levels = now = self._control.levels()
        passed_s = POLL_MS / 1000
        shown = Meters(
            round(eased_db(self.meters.microphone_db, now.microphone_db, passed_s), 1),
            round(eased_db(self.meters.loudspeaker_db, now.loudspeaker_db, passed_s), 1),
            int(now.recorded_s),
        )
        if shown != self.meters:
            self.meters = shown
            self.meters_changed.emit()
