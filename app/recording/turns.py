"""The turns of a session, put together from its records.

A turn that was over when its ``turn`` record was written is as that record says. One that was
still going on when the session ended, or Parley with it, is put together from what led up to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.recording.sampleclock import SampleClock


@dataclass(frozen=True, slots=True)
class RecordedTurn:
    """One turn of both sides. Times are seconds from the start of ``session.wav``, None if unknown."""

    number: int
    user_text: str = ""
    reply_text: str = ""
    heard_text: str = ""
    """What the user heard of ``reply_text``."""
    heard_s: float = 0.0
    cut: bool = False
    """Whether the reply was stopped before its end."""
    typed: bool = False
    finished: bool = True
    """False when the session ended in the middle of it."""
    user_from_s: float | None = None
    user_to_s: float | None = None
    reply_from_s: float | None = None
    reply_to_s: float | None = None
    revisions: int = 0
    timings_ms: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def unheard_text(self) -> str:
        """The rest of the reply, which the user did not hear; '' for all heard."""
        if not self.reply_text.startswith(self.heard_text):
            # Worded otherwise (captions may normalise): the two stand side by side.
            return "" if self.heard_text == self.reply_text else self.reply_text
        return self.reply_text[len(self.heard_text) :].strip()

    def told(self) -> dict[str, Any]:
        """As ``transcript.json`` holds it."""
        return {
            "number": self.number,
            "source": "typed" if self.typed else "microphone",
            "user_text": self.user_text,
            "reply_text": self.reply_text,
            "heard_text": self.heard_text,
            "unheard_text": self.unheard_text,
            "heard_s": self.heard_s,
            "cut": self.cut,
            "finished": self.finished,
            "user_s": [self.user_from_s, self.user_to_s],
            "reply_s": [self.reply_from_s, self.reply_to_s],
            "revisions": self.revisions,
            "timings_ms": dict(self.timings_ms),
        }


@dataclass(slots=True)
class _Growing:
    """What is known of a turn so far; times on the session's clock."""

    user_text: str = ""
    reply_parts: list[str] = field(default_factory=list[str])
    revision: int = -1
    revisions: set[int] = field(default_factory=set[int])
    typed: bool = False
    started_s: float | None = None
    stopped_s: float | None = None
    first_sound_s: float | None = None
    last_sound_s: float | None = None
    end: Mapping[str, Any] | None = None


class TurnBuilder:
    """Feed it every record of a session in order, then ask for the turns."""

    def __init__(self) -> None:
        self._turns: dict[int, _Growing] = {}
        self._last_s = 0.0

    def feed(self, record: Mapping[str, Any]) -> None:
        """Take one record. What it does not know, or finds odd, changes nothing."""
        kind, at_s = record.get("kind"), record.get("at_s")
        if not isinstance(at_s, int | float):
            return
        self._last_s = max(self._last_s, at_s)
        number = record.get("turn")
        if not isinstance(number, int) or isinstance(number, bool):
            return
        turn = self._turns.setdefault(number, _Growing())
        match kind:
            case "user_started":
                # A turn that was reopened started where it first did.
                if turn.started_s is None:
                    turn.started_s = _maybe(record.get("start_s", at_s))
            case "user_stopped":
                turn.stopped_s = _maybe(record.get("last_s", at_s))
            case "answer":
                self._answer(turn, record)
            case "final":
                turn.user_text = _text(record, "text") or turn.user_text
            case "partial":
                turn.user_text = turn.user_text or _text(record, "text")
            case "reply_text":
                self._revision(turn, record)
                turn.reply_parts.append(_text(record, "text"))
            case "first_sound":
                turn.first_sound_s = at_s
            case "drop":
                turn.reply_parts.clear()
            case "cut" | "finish":
                turn.last_sound_s = at_s if turn.first_sound_s is not None else None
            case "turn":
                turn.end = dict(record)
            case _:
                pass

    def turns(self, clock: SampleClock) -> tuple[RecordedTurn, ...]:
        """All turns in which something was said, in order."""
        made = (self._made(number, self._turns[number], clock) for number in sorted(self._turns))
        return tuple(turn for turn in made if turn.user_text or turn.reply_text)

    def _answer(self, turn: _Growing, record: Mapping[str, Any]) -> None:
        self._revision(turn, record)
        text = _text(record, "text")
        if text:
            turn.typed, turn.user_text = True, text
            return
        if turn.started_s is None:
            turn.started_s = _number(record, "start_s")
        if turn.stopped_s is None:
            turn.stopped_s = _number(record, "end_s")

    def _revision(self, turn: _Growing, record: Mapping[str, Any]) -> None:
        """A new revision of the answer begins its text anew."""
        revision = record.get("revision")
        if isinstance(revision, int) and revision != turn.revision:
            turn.revision = revision
            turn.revisions.add(revision)
            turn.reply_parts.clear()

    def _made(self, number: int, turn: _Growing, clock: SampleClock) -> RecordedTurn:
        def place(at_s: float | None) -> float | None:
            return None if at_s is None else round(clock.position_s(at_s), 3)

        end = turn.end
        started_s, stopped_s = (None, None) if turn.typed else (turn.started_s, turn.stopped_s)
        if end is None:
            reply, heard, heard_s = _joined(turn.reply_parts), "", 0.0
            user, cut, timings = turn.user_text, bool(reply), {}
            if turn.first_sound_s is not None:
                # Nothing says what was heard of it; it was being played when the records end.
                heard_s = max(0.0, self._last_s - turn.first_sound_s)
        else:
            reply, heard = _text(end, "reply_text"), _text(end, "heard_text")
            user, cut = _text(end, "user_text"), bool(end.get("cut"))
            heard_s, timings = _number(end, "heard_s"), _numbers(end.get("timings_ms"))
        reply_to_s = turn.last_sound_s
        if reply_to_s is None and turn.first_sound_s is not None:
            reply_to_s = turn.first_sound_s + heard_s
        return RecordedTurn(
            number=number,
            user_text=user,
            reply_text=reply,
            heard_text=heard,
            heard_s=round(heard_s, 3),
            cut=cut,
            typed=turn.typed,
            finished=end is not None,
            user_from_s=place(started_s),
            user_to_s=place(stopped_s),
            reply_from_s=place(turn.first_sound_s),
            reply_to_s=place(reply_to_s),
            revisions=len(turn.revisions),
            timings_ms=timings,
        )


def turns_of(records: Iterable[Mapping[str, Any]], clock: SampleClock) -> tuple[RecordedTurn, ...]:
    """The turns of a whole session."""
    builder = TurnBuilder()
    for record in records:
        builder.feed(record)
    return builder.turns(clock)


def turn_from(told: Mapping[str, Any]) -> RecordedTurn:
    """The turn that ``RecordedTurn.told`` described, or ``talk --session``; odd values are left out."""

    def span(name: str) -> tuple[float | None, float | None]:
        match told.get(name):
            case [start, end]:
                return _maybe(start), _maybe(end)
            case _:
                return None, None

    user, reply = span("user_s"), span("reply_s")
    reply_text = _text(told, "reply_text")
    return RecordedTurn(
        number=int(_number(told, "number")),
        user_text=_text(told, "user_text"),
        reply_text=reply_text,
        heard_text=_text(told, "heard_text") if "heard_text" in told else reply_text,
        heard_s=_number(told, "heard_s"),
        cut=bool(told.get("cut")),
        typed=told.get("source") == "typed",
        finished=told.get("finished") is not False,
        user_from_s=user[0],
        user_to_s=user[1],
        reply_from_s=reply[0],
        reply_to_s=reply[1],
        revisions=int(_number(told, "revisions")),
        timings_ms=_numbers(told.get("timings_ms")),
    )


def _joined(parts: Iterable[str]) -> str:
    """Speakable pieces as one text; pieces may come with or without the space between them."""
    text = ""
    for part in parts:
        gap = "" if not text or text[-1].isspace() or part[:1].isspace() else " "
        text += gap + part
    return text.strip()


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _number(record: Mapping[str, Any], key: str) -> float:
    return _maybe(record.get(key)) or 0.0


def _maybe(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _numbers(value: object) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return {}
    return {
        str(key): float(number) for key, number in value.items() if isinstance(number, int | float)
    }
