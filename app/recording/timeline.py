"""A session as lines to read: one for each decision, and for each turn where its time went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from app.recording.sampleclock import SampleClock
from app.recording.transcript import clock_time

_Record = Mapping[str, Any]

_QUIET = frozenset(("reply_sound", "played", "transcribe", "window"))
"""Come many times a second and decide nothing: only shown when everything is asked for."""
_STAGES = {
    "release": "sound released",
    "asr": "words",
    "llm_first": "first words of the answer",
    "speech_first": "first sound made",
    "reply": "first sound heard",
}


def timeline(
    records: Iterable[Mapping[str, Any]], clock: SampleClock, everything: bool = False
) -> Iterator[str]:
    """Lines in the order of the records; times count from the start of the recording."""
    for record in records:
        kind = str(record.get("kind"))
        if kind in _QUIET and not everything:
            continue
        at_s = record.get("at_s")
        when = clock_time(clock.position_s(at_s)) if isinstance(at_s, int | float) else "?"
        yield f"{when:>11}  {told(record)}"
        if kind == "turn":
            waits = stages(record.get("timings_ms"))
            if waits:
                yield f"{'':>11}    {waits}"


def stages(timings_ms: object) -> str:
    """Where the time of a turn went, in words."""
    if not isinstance(timings_ms, Mapping):
        return ""
    known = [name for name in _STAGES if name in timings_ms]
    others = [str(name) for name in timings_ms if name not in _STAGES]
    return ", ".join(
        f"{_STAGES.get(name, name)} {timings_ms[name]:.0f} ms"
        for name in [*known, *others]
        if isinstance(timings_ms[name], int | float)
    )


def told(record: Mapping[str, Any]) -> str:
    """One record as a line without its time. Never raises: what it does not know it shows as it is."""
    kind = str(record.get("kind"))
    try:
        return _turn(record) + _WORDS[kind](record)
    except (KeyError, TypeError, ValueError):
        fields = (
            f"{key}={_short(value)}"
            for key, value in record.items()
            if key not in ("at_s", "kind", "turn", "revision")
        )
        return _turn(record) + " ".join([kind.replace("_", " "), *fields])


def _turn(record: Mapping[str, Any]) -> str:
    number, revision = record.get("turn"), record.get("revision")
    if number is None:
        return f"{'':9}"
    again = f".{revision}" if revision else ""
    return f"{f'turn {number}{again}':9}"


def _score(record: _Record) -> str:
    sign = ">=" if record["value"] >= record["threshold"] else "<"
    return (
        f"end of turn? {record['value']:.2f} {sign} {record['threshold']:.2f} after "
        f"{record['silence_s']:.2f} s of silence"
    )


def _over(record: _Record) -> str:
    how = f"cut after {record['heard_s']:.2f} s" if record["cut"] else "heard to its end"
    return f"over: {how}. You: {record['user_text']!r} Parley: {record['heard_text']!r}"


def _gap(record: _Record) -> str:
    how = "silence fills it" if record["filled"] else "it is left out"
    return f"the sound has a gap of {record['blocks'] / 100:.2f} s: {how}"


_WORDS: Mapping[str, Callable[[_Record], str]] = {
    "user_started": lambda _: "the user began to speak",
    "user_stopped": lambda _: "the user's turn ended",
    "partial": lambda record: f"hears: {record['text']}",
    "score": _score,
    "answer": lambda record: (
        f"answers the typed words: {record['text']}" if record["text"] else "drafts"
    ),
    "final": lambda record: f"heard: {record['text'] or '(no words)'}",
    "reply_text": lambda record: f"says: {str(record['text']).strip()}",
    "reply_made": lambda _: "the answer is made",
    "reply_failed": lambda record: f"trouble: {record['message']}",
    "trouble": lambda record: f"trouble: {record['message']}",
    "release": lambda _: "lets the sound out",
    "first_sound": lambda _: "first sound heard",
    "drop": lambda _: "drops the draft",
    "cut": lambda record: f"stops; {record['heard_s']:.2f} s were heard",
    "finish": lambda _: "was heard to the end",
    "onset": lambda _: "a sudden sound",
    "gain": lambda record: f"loudness {record['db']:+.0f} dB in {record['ramp_s'] * 1000:.0f} ms",
    "pause": lambda _: "pauses",
    "resume": lambda record: f"goes on, {record['back_s']:.2f} s back",
    "show": lambda record: f"is {record['phase']}",
    "typed": lambda record: f"the user typed: {record['text']}",
    "stop_asked": lambda _: "the user asked for silence",
    "muted": lambda record: f"microphone {'muted' if record['on'] else 'open'}",
    "talk_key": lambda record: f"talk key {'down' if record['down'] else 'up'}",
    "hands_free": lambda record: f"hands-free {'on' if record['on'] else 'off'}",
    "sound_lost": lambda record: f"no sound for {record['gap_s']:.2f} s",
    "turn": _over,
    "recorder_began": lambda _: "the recording begins",
    "recorder_gap": _gap,
    "recorder_lost": lambda record: (
        f"the disk was too slow: {record['blocks'] / 100:.2f} s are silent"
    ),
}
"""What a kind says in words; a field that is missing or odd raises, and the record is shown as it is."""


def _short(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
