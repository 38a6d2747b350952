"""A whole conversation: turns in order, and everything kept as it goes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app.conversation.folder import SessionFolder
from app.conversation.turn import Draft, TurnRunner
from app.core.errors import ParleyError
from app.core.ports import SoundSink
from app.core.turn import CancelToken, TurnId
from app.core.types import FloatArray


class Session:
    """One conversation. Use it in a ``with``, so that what was made is closed in any case.

    ``replies`` takes the sound of all replies one after another; ``folder`` keeps each turn.
    """

    def __init__(
        self,
        runner: TurnRunner,
        replies: SoundSink,
        folder: SessionFolder | None = None,
        load_ms: Mapping[str, float] | None = None,
    ) -> None:
        self._runner = runner
        self._replies = replies
        self._folder = folder
        self._load_ms = dict(load_ms or {})
        self.drafts: list[Draft] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file of all replies; a failure here does not hide an earlier one."""
        with contextlib.suppress(*((ParleyError,) if error is not None else ())):
            self._replies.close()

    def turn(self, source: Path) -> Draft:
        """Take the next turn.

        Raises:
            ParleyError: when it fails; its draft is kept all the same, with the error in it.
        """
        turn = TurnId(len(self.drafts) + 1)
        draft = Draft(turn, source)
        self.drafts.append(draft)
        sink = _TurnSink(self._replies, self._folder, turn)
        failed = True
        try:
            self._runner.run(draft, sink, CancelToken(turn))
            failed = False
        except ParleyError as error:
            draft.error = str(error)
            raise
        except KeyboardInterrupt:
            draft.error = "Stopped by the user."
            raise
        finally:
            with contextlib.suppress(*((ParleyError,) if failed else ())):
                sink.close()
            with contextlib.suppress(*((ParleyError,) if failed else ())):
                self._keep(draft)
        return draft

    def result(self) -> list[dict[str, Any]]:
        """The turns so far as the command line tells them."""
        return [self._told(draft) for draft in self.drafts]

    def _keep(self, draft: Draft) -> None:
        if self._folder is None:
            return
        try:
            self._folder.keep_user(draft)
        finally:
            self._folder.write(self.drafts, self._load_ms)

    def _told(self, draft: Draft) -> dict[str, Any]:
        folder = self._folder
        kept = folder is not None and draft.heard is not None
        told: dict[str, Any] = {
            "user_text": draft.user_text,
            "reply_text": draft.reply_text,
            "user_wav": str(folder.user_path(draft.turn) if kept and folder else draft.source),
            "reply_wav": str(folder.reply_path(draft.turn)) if folder and draft.audio_s else None,
            "timings_ms": draft.timings_ms(),
            "reply_s": round(draft.audio_s, 3),
            "ended": draft.ended,
        }
        if draft.notices:
            told["notices"] = list(draft.notices)
        if draft.error:
            told["error"] = draft.error
        return told


class _TurnSink:
    """Takes the frames of a reply: into the file of all replies and into the turn's own."""

    def __init__(self, replies: SoundSink, folder: SessionFolder | None, turn: TurnId) -> None:
        self._replies = replies
        self._folder = folder
        self._turn = turn
        self._own: SoundSink | None = None

    def __call__(self, frame: FloatArray) -> None:
        if self._folder is not None:
            if self._own is None:
                self._own = self._folder.reply_sink(self._turn)
            self._own.write(frame)
        self._replies.write(frame)

    def close(self) -> None:
        """Finish the turn's own file."""
        if self._own is not None:
            self._own.close()
