"""Everything the window shows of one conversation, fed from whatever thread tells it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject

from app.core.live_ports import LiveControl
from app.core.shown import (
    Caption,
    CaptionRemoved,
    DevicesChanged,
    Notice,
    NoticeOver,
    PhaseChanged,
    RecordingChanged,
    Shown,
    TurnTimes,
)
from app.ui.bridge import Mailbox
from app.ui.viewmodels.captions import CaptionList, Change
from app.ui.viewmodels.status import StatusViewModel


class SessionViewModel(QObject):
    """The captions and the status of the conversation that ``control`` holds."""

    def __init__(
        self, control: LiveControl, *, hands_free: bool = True, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.control = control
        self.captions = CaptionList(self)
        self.status = StatusViewModel(control, hands_free=hands_free, parent=self)
        self._mailbox = Mailbox(self._take, self)
        control.watch(self._mailbox.post)

    def close(self) -> None:
        """Hear nothing more of the conversation."""
        self.status.watch_meters(False)
        self._mailbox.close()

    def _take(self, shown: Sequence[Shown]) -> None:
        changes: list[Change] = []
        for item in shown:
            if isinstance(item, Caption | CaptionRemoved | TurnTimes):
                changes.append(item)
            else:
                self._take_status(item)
        if changes:
            self.captions.apply(changes)

    def _take_status(
        self, item: PhaseChanged | Notice | NoticeOver | RecordingChanged | DevicesChanged
    ) -> None:
        if isinstance(item, PhaseChanged):
            self.status.take_phase(item)
        elif isinstance(item, Notice):
            self.status.take_notice(item)
        elif isinstance(item, NoticeOver):
            self.status.take_notice_over(item)
        elif isinstance(item, RecordingChanged):
            self.status.take_recording(item)
        else:
            self.status.take_devices(item)
