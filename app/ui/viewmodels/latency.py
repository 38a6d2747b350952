"""Where the time between a question and its answer went, as shown under an answer. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.shown import TurnTimes


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the end of the user's speech to the first sound heard, and the parts.

    A part that is unknown is None. The parts need not add up: recognising, thinking and speaking
    go on while Parley waits to see whether the user has finished.
    """

    total_s: float
    waiting_s: float | None
    hearing_s: float | None
    thinking_s: float | None
    speaking_s: float | None


def latency_of(times: TurnTimes) -> Latency | None:
    """The parts of a turn's times; None for one whose answer was not heard."""
    known = times.timings_ms
    if "reply" not in known:
        return None
    seconds = {name: known[name] / 1000 for name in known}
    return Latency(
        seconds["reply"],
        seconds.get("release"),
        seconds.get("asr"),
        seconds.get("llm_first"),
        seconds.get("speech_first"),
    )
