"""The folder that keeps a session: words, sound and times, written turn by turn.

``session.json`` says which program and models took part, ``transcript.json`` and
``transcript.txt`` what was said, ``timings.json`` how long each stage took, and
``turn-NN-user.wav`` and ``turn-NN-reply.wav`` how it sounded. Whatever fails later, the turns
before are there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.conversation.turn import Draft
from app.core.ports import SoundSink, Storage
from app.core.turn import TurnId
from app.core.types import SPEECH_RATE_HZ

_TURN_FILE = re.compile(r"^turn-\d{2,}-(user|reply)\.wav$")
TRANSCRIPT = "transcript.json"


class SessionFolder:
    """Writes one session. An earlier session in the same folder is replaced."""

    def __init__(self, folder: Path, storage: Storage) -> None:
        self._folder = folder
        self._storage = storage

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._folder

    def begin(self, about: Mapping[str, Any]) -> None:
        """Make the folder and describe the session; clears the turns of an earlier one."""
        self._storage.folder(self._folder)
        for entry in sorted(self._folder.iterdir()):
            if _TURN_FILE.match(entry.name):
                self._storage.remove(entry)
        self._json("session.json", about)
        self.write([], {})

    def user_path(self, turn: TurnId) -> Path:
        """Where the user's sound of a turn is kept."""
        return self._folder / f"turn-{turn:02d}-user.wav"

    def reply_path(self, turn: TurnId) -> Path:
        """Where the assistant's sound of a turn is kept."""
        return self._folder / f"turn-{turn:02d}-reply.wav"

    def reply_sink(self, turn: TurnId) -> SoundSink:
        """The file that takes the assistant's sound of a turn."""
        return self._storage.sound(self.reply_path(turn), SPEECH_RATE_HZ)

    def keep_user(self, draft: Draft) -> None:
        """Write the user's sound of a turn."""
        if draft.heard is None:
            return
        sink = self._storage.sound(self.user_path(draft.turn), SPEECH_RATE_HZ)
        try:
            sink.write(draft.heard.at_24k)
        finally:
            sink.close()

    def write(self, drafts: Sequence[Draft], load_ms: Mapping[str, float]) -> None:
        """Write the words and times of all turns so far."""
        self._json(TRANSCRIPT, {"turns": [self._turn(draft) for draft in drafts]})
        lines = [line for draft in drafts for line in _lines(draft)]
        self._storage.text(self._folder / "transcript.txt", "".join(f"{line}\n" for line in lines))
        timings = [
            {"number": int(draft.turn), "timings_ms": draft.timings_ms()} for draft in drafts
        ]
        self._json("timings.json", {"load_ms": dict(load_ms), "turns": timings})

    def _turn(self, draft: Draft) -> dict[str, Any]:
        """A turn as the transcript tells it; file names are relative to the folder."""
        turn: dict[str, Any] = {
            "number": int(draft.turn),
            "source": draft.source.name,
            "user_text": draft.user_text,
            "reply_text": draft.reply_text,
            "user_wav": self.user_path(draft.turn).name if draft.heard else None,
            "reply_wav": self.reply_path(draft.turn).name if draft.audio_s else None,
            "reply_s": round(draft.audio_s, 3),
            "ended": draft.ended,
        }
        if draft.heard is not None:
            turn["speech_s"] = [round(draft.heard.start_s, 3), round(draft.heard.end_s, 3)]
        if draft.notices:
            turn["notices"] = draft.notices
        if draft.error:
            turn["error"] = draft.error
        return turn

    def _json(self, name: str, content: Mapping[str, Any]) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False)
        self._storage.text(self._folder / name, text + "\n")


def _lines(draft: Draft) -> list[str]:
    lines = [f"You: {draft.user_text}"] if draft.user_text else []
    if draft.reply_text:
        lines.append(f"Parley: {draft.reply_text}")
    return [*lines, f"({draft.error})"] if draft.error else lines
