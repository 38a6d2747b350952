"""A session's turns as text for people and other programs: TXT, SRT, VTT, JSON, CSV, Audacity labels.

Times are seconds from the start of ``session.wav``. What the assistant said and the user did not hear
is there, in brackets.
"""

from __future__ import annotations

import csv
import io
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.recording.turns import RecordedTurn

CUE_CHARS = 84
"""A subtitle longer than two lines of 42 characters is hard to read: it is split."""
_SHORTEST_CUE_S = 0.5
_UNHEARD_S = 1.5
_PIECES = re.compile(r"\S.*?(?:[.!?…]+[\"')\]]*(?=\s|$)|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle."""

    from_s: float
    to_s: float
    speaker: str
    text: str


def cues(turns: Iterable[RecordedTurn]) -> list[Cue]:
    """The subtitles of both sides, in the order in which they begin.

    Longer texts are split at sentences and then at words, the time given out by their length. What
    was not heard has no time of its own: it is shown for a moment where the sound stopped.
    """
    found: list[Cue] = []
    for turn in turns:
        user = _spoken(turn.user_text, turn.user_from_s, turn.user_to_s, "You")
        if turn.typed:
            # Typed words have no sound; they stand where the answer begins.
            at_s = turn.reply_from_s or 0.0
            user = _spoken(f"(typed) {turn.user_text}", at_s, at_s + 1.0, "You")
        heard = turn.heard_text if turn.finished else _marked(turn)
        reply = _spoken(heard, turn.reply_from_s, turn.reply_to_s, "Parley")
        if turn.finished and turn.unheard_text and turn.reply_to_s is not None:
            text = textwrap.shorten(turn.unheard_text, CUE_CHARS - 13, placeholder=" …")
            end_s = turn.reply_to_s + _UNHEARD_S
            reply.append(Cue(turn.reply_to_s, end_s, "Parley", f"[not heard: {text}]"))
        found += user + reply
    return sorted(found, key=lambda cue: cue.from_s)


def _marked(turn: RecordedTurn) -> str:
    """The reply with what was not heard of it in brackets."""
    if not turn.finished:
        return turn.reply_text and f"{turn.reply_text} [the recording ends here]"
    if not turn.unheard_text:
        return turn.heard_text
    return f"{turn.heard_text.rstrip()} [not heard: {turn.unheard_text}]".strip()


def _spoken(text: str, from_s: float | None, to_s: float | None, speaker: str) -> list[Cue]:
    """The subtitles of one side of a turn; none when its time is not known."""
    parts = _parts(text)
    if from_s is None or not parts:
        return []
    length_s = max((to_s or from_s) - from_s, _SHORTEST_CUE_S)
    letters = sum(len(part) for part in parts)
    made: list[Cue] = []
    done = 0
    for part in parts:
        start_s = from_s + length_s * done / letters
        done += len(part)
        made.append(Cue(start_s, from_s + length_s * done / letters, speaker, part))
    return made


def _parts(text: str) -> list[str]:
    """``text`` in pieces of at most ``CUE_CHARS``, at sentence ends where it can be."""
    parts: list[str] = []
    for sentence in _PIECES.findall(" ".join(text.split())):
        words: list[str] = sentence.split()
        begun = False
        for word in words:
            fits = parts and len(parts[-1]) + 1 + len(word) <= CUE_CHARS
            # Short sentences share a subtitle; a long one goes on in the one it began.
            if fits and (begun or len(parts[-1]) + 1 + len(sentence) <= CUE_CHARS):
                parts[-1] += f" {word}"
            else:
                parts.append(word)
            begun = True
    return parts


def srt(turns: Sequence[RecordedTurn]) -> str:
    """SubRip subtitles."""
    blocks = (
        f"{number}\n{_stamp(cue.from_s, ',')} --> {_stamp(cue.to_s, ',')}\n"
        f"{cue.speaker}: {cue.text}\n"
        for number, cue in enumerate(cues(turns), 1)
    )
    return "\n".join(blocks)


def vtt(turns: Sequence[RecordedTurn]) -> str:
    """WebVTT subtitles, with the speaker as a voice."""
    blocks = [
        f"{_stamp(cue.from_s, '.')} --> {_stamp(cue.to_s, '.')}\n"
        f"<v {cue.speaker}>{_escaped(cue.text)}</v>\n"
        for cue in cues(turns)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def txt(turns: Sequence[RecordedTurn]) -> str:
    """A transcript to read."""
    lines: list[str] = []
    for turn in turns:
        if turn.user_text:
            how = " (typed)" if turn.typed else ""
            lines.append(f"{_when(turn.user_from_s)}You{how}: {turn.user_text}")
        if turn.reply_text:
            lines.append(f"{_when(turn.reply_from_s)}Parley: {_marked(turn)}")
    return "".join(f"{line}\n" for line in lines)


def as_json(turns: Sequence[RecordedTurn]) -> str:
    """Everything that is known of the turns."""
    content = {"version": 1, "turns": [turn.told() for turn in turns]}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def labels(turns: Sequence[RecordedTurn]) -> str:
    """A label track for Audacity: one label for each side of each turn."""
    rows: list[tuple[float, float, str]] = []
    for turn in turns:
        if turn.user_from_s is not None and not turn.typed:
            end_s = turn.user_to_s or turn.user_from_s
            rows.append((turn.user_from_s, end_s, f"You: {turn.user_text}"))
        if turn.reply_from_s is not None:
            end_s = turn.reply_to_s or turn.reply_from_s
            rows.append((turn.reply_from_s, end_s, f"Parley: {_marked(turn)}"))
    return "".join(
        f"{start_s:.6f}\t{end_s:.6f}\t{' '.join(text.split())}\n"
        for start_s, end_s, text in sorted(rows)
    )


def timings_csv(turns: Sequence[RecordedTurn]) -> str:
    """One row a turn, one column a stage, in milliseconds."""
    stages = list(dict.fromkeys(stage for turn in turns for stage in turn.timings_ms))
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(
        ["turn", "user_from_s", "user_to_s", "reply_from_s", "reply_to_s", "heard_s", "cut"]
        + [f"{stage}_ms" for stage in stages]
    )
    for turn in turns:
        times = (turn.user_from_s, turn.user_to_s, turn.reply_from_s, turn.reply_to_s)
        rows.writerow(
            [turn.number, *("" if at_s is None else at_s for at_s in times)]
            + [turn.heard_s, int(turn.cut)]
            + [turn.timings_ms.get(stage, "") for stage in stages]
        )
    return file.getvalue()


WRITERS: Mapping[str, tuple[str, Callable[[Sequence[RecordedTurn]], str]]] = {
    "srt": ("transcript.srt", srt),
    "vtt": ("transcript.vtt", vtt),
    "txt": ("transcript.txt", txt),
    "json": ("transcript.json", as_json),
    "labels": ("labels.txt", labels),
    "csv": ("timings.csv", timings_csv),
}
"""By format: the usual name of the file, and what makes its text."""

KEPT = ("json", "txt", "srt", "vtt")
"""What every session gets when it ends."""


def _stamp(at_s: float, point: str) -> str:
    """A time as subtitles have it: hours, minutes, seconds, milliseconds."""
    ms = max(0, round(at_s * 1000))
    return (
        f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"
    )


def _when(at_s: float | None) -> str:
    return "[  ...  ] " if at_s is None else f"[{clock_time(at_s)}] "


def clock_time(at_s: float) -> str:
    """A time to read: minutes, seconds and hundredths, with hours only where there are any."""
    hundredths = max(0, round(at_s * 100))
    minutes, rest = divmod(hundredths, 6000)
    hours = f"{minutes // 60}:" if minutes >= 60 else ""
    return f"{hours}{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def told(turns: Sequence[RecordedTurn]) -> list[dict[str, Any]]:
    """The turns as plain data."""
    return [turn.told() for turn in turns]
