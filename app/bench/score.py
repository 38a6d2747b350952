"""Judging what was observed: marks of one item, pure functions of a ``Take``.

A mark is a number; True counts as 1. What could not be told is left out, so that means and percentiles are over
what could.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from app.bench.sets import Kind
from app.bench.take import Record, Take
from app.bench.words import best_prefix, word_errors
from app.core.words import plain_words

Marks = dict[str, float]

FELT_CUT_S = 0.3
"""Our voice inside the user's turn for so long is felt as an interruption."""
_EARLY_S = 0.05
"""A release this little before the end is no cut: nothing can be heard before the end."""
_SUCCESS_S = 1.5
"""An interruption has to take the turn within this time after its last word."""
_LOST_S = 0.15
"""Differences of durations below this are the grain of the log, not lost sound."""


def marks(take: Take) -> Marks:
    """All marks of one item."""
    if take.void:
        return {"void": 1.0, **take.extra}
    return _JUDGES[take.item.kind](take)


def _turn(take: Take) -> Marks:
    """The user speaks; the answer comes when the user has finished, and to all that was said."""
    end_s = take.said_to_s
    early = [*take.all("release", since_s=take.said_from_s, until_s=end_s - _EARLY_S)]
    inside_s = take.loud.heard_s(take.said_from_s, end_s)
    found = {
        "wrong_cut_raw": float(bool(early)),
        "wrong_cut_felt": float(inside_s >= FELT_CUT_S),
        "answered": 0.0,
    }
    release = take.first("release", since_s=end_s - _EARLY_S)
    if release is None:
        return found
    release_s = float(release["at_s"])
    heard_s = take.loud.first_s(max(end_s, release_s))
    found["end_of_turn_ms"] = (release_s - end_s) * 1000
    if heard_s is None:
        return found
    found["answered"] = 1.0
    found["reply_ms"] = (heard_s - end_s) * 1000
    return found | _stages(take, release, heard_s) | _words(take, release)


def _stages(take: Take, release: Record, heard_s: float) -> Marks:
    """Where the time of an answer went, in milliseconds."""
    answer = _of(take, "answer", release)
    final = _of(take, "final", release)
    text = _of(take, "reply_text", release)
    sound = _of(take, "reply_sound", release)
    found: Marks = {"release_ms": (release["at_s"] - take.said_to_s) * 1000}
    for name, begin, end in (
        ("asr_ms", answer, final),
        ("llm_ms", final, text),
        ("speech_ms", text, sound),
    ):
        if begin is not None and end is not None:
            found[name] = (end["at_s"] - begin["at_s"]) * 1000
    if sound is not None:
        found["buffer_ms"] = (heard_s - max(release["at_s"], sound["at_s"])) * 1000
    return found


def _words(take: Take, release: Record) -> Marks:
    """Whether all halves of what was said arrived in one turn, and in which words."""
    final = _of(take, "final", release)
    if final is None:
        return {}
    said = " ".join(part.text for part in take.said)
    errors, words = word_errors(said, str(final["text"]))
    return {"wrong_words": float(errors), "words": float(words)}


def _of(take: Take, kind: str, answer: Record) -> Record | None:
    """The first record of an answer's revision."""
    wanted = (answer["turn"], answer["revision"])
    for record in take.all(kind):
        if (record["turn"], record["revision"]) == wanted:
            return record
    return None


def _interruption(take: Take) -> Marks:
    """The user means it: the answer has to fall silent and stay so."""
    from_s, to_s = take.said_from_s, take.said_to_s
    cut = take.first("cut", since_s=from_s, until_s=to_s + _SUCCESS_S)
    found: Marks = {"barge_in": float(cut is not None)} | _disturbed_before(take, from_s)
    duck = _duck(take, from_s)
    if duck is not None:
        found["duck_ms"] = (duck["at_s"] - from_s) * 1000
    if cut is None:
        return found
    found["cut_ms"] = (cut["at_s"] - from_s) * 1000
    # The sound stops when it is paused, and the cut that follows keeps it so, unless it went on in between.
    stops = [*take.all("pause", "cut", since_s=from_s, until_s=cut["at_s"])]
    resumed_s = max(
        (r["at_s"] for r in take.all("resume", since_s=from_s, until_s=cut["at_s"])), default=0.0
    )
    stop = next(record for record in stops if record["at_s"] >= resumed_s)
    last_s = take.loud.last_s(from_s, stop["at_s"] + 0.25)
    found["stop_ms"] = max(0.0, ((last_s or from_s) - from_s) * 1000)
    over = take.first("turn", since_s=cut["at_s"] - 1e-3, until_s=cut["at_s"] + 0.1)
    if over is not None and take.heard_words is not None:
        found["heard_words_off"] = abs(len(plain_words(str(over["heard_text"]))) - take.heard_words)
    return found


def heard_words(reply_text: str, recognised: str) -> int:
    """How many words of an answer were heard, judging by what a recogniser made of the sound."""
    return best_prefix(plain_words(reply_text), plain_words(recognised))


def _carried_on(take: Take) -> Marks:
    """A murmur or a noise: the answer has to be heard to its end, losing nothing."""
    from_s = take.said_from_s
    cut = take.first("cut", "drop", since_s=from_s)
    paused = take.first("pause", since_s=from_s)
    found: Marks = {
        "ducked": float(_duck(take, from_s) is not None),
        "paused": float(paused is not None),
        "stopped": float(cut is not None),
        "turns_opened": float(sum(1 for _ in take.all("user_started", since_s=from_s))),
    } | _disturbed_before(take, from_s)
    if paused is not None:
        over = take.first("finish", since_s=paused["at_s"])
        resumed = take.first("resume", since_s=paused["at_s"])
        found["resumed"] = float(cut is None and resumed is not None and over is not None)
        if over is not None and resumed is not None:
            found["pause_ms"] = (resumed["at_s"] - paused["at_s"]) * 1000
            found |= _lost(take, over)
    return found


def _lost(take: Take, over: Record) -> Marks:
    """Words that were never heard, or heard twice, because the answer was paused."""
    turn = take.first("turn", since_s=over["at_s"] - 1e-3)
    begun = take.first("first_sound")
    sounds = [*take.all("reply_sound")]
    if turn is None or begun is None or not sounds:
        return {}
    made_s = float(sounds[-1]["seconds"])
    words_per_s = len(plain_words(str(turn["reply_text"]))) / max(made_s, 0.1)
    found: Marks = {}
    if take.repeated_s is not None:
        found["repeated_words"] = max(0.0, take.repeated_s) * words_per_s
    if take.underruns:
        lost_s = made_s - float(turn["heard_s"])
    elif take.repeated_s is None:
        return found
    else:
        pauses_s = 0.0
        for pause in take.all("pause"):
            resume = take.first("resume", since_s=pause["at_s"])
            pauses_s += (resume or over)["at_s"] - pause["at_s"]
        lost_s = made_s - (over["at_s"] - begun["at_s"] - pauses_s) + take.repeated_s
    found["lost_words"] = lost_s * words_per_s if lost_s > _LOST_S else 0.0
    return found


def _echo(take: Take) -> Marks:
    """Nobody speaks: whatever disturbs the answer is its own echo."""
    found = _disturbed_before(take, float("1e9"))
    found["talk_s"] = take.loud.heard_s(take.start_s, take.end_s, gap_s=0.5)
    if take.near_energy > 0 and take.clean_energy > 0:
        found["erle_db"] = 10 * math.log10(take.near_energy / take.clean_energy)
    return found


def _disturbed_before(take: Take, until_s: float) -> Marks:
    """What the assistant did to itself before anybody spoke."""
    until_s -= 1e-6
    turns = sum(1 for _ in take.all("user_started", until_s=until_s))
    stops = sum(1 for _ in take.all("pause", "cut", until_s=until_s))
    ducks = sum(1 for record in take.all("gain", until_s=until_s) if record["db"] < 0)
    return {"self_interruptions": float(stops + turns), "self_ducks": float(ducks)}


def _duck(take: Take, since_s: float) -> Record | None:
    return next((r for r in take.all("gain", since_s=since_s) if r["db"] < 0), None)


def _quiet(take: Take) -> Marks:
    """Nobody speaks: there must be no turn, and no words."""
    finals = [record for record in take.all("final") if str(record["text"]).strip()]
    return {
        "seconds": take.end_s - take.start_s,
        "hallucinated_turns": float(len(finals)),
        "replies": float(sum(1 for _ in take.all("release"))),
        "turns_opened": float(sum(1 for _ in take.all("user_started"))),
    }


def _soak(take: Take) -> Marks:
    """An hour: whether it went on to the end, and what it cost."""
    return {
        "minutes": (take.end_s - take.start_s) / 60,
        "turns": float(sum(1 for _ in take.all("turn"))),
        "failed_replies": float(sum(1 for _ in take.all("reply_failed", "trouble"))),
        **take.extra,
    }


_JUDGES: dict[Kind, Callable[[Take], Marks]] = {
    Kind.TURN: _turn,
    Kind.INTERRUPTION: _interruption,
    Kind.MURMUR: _carried_on,
    Kind.NOISE: _carried_on,
    Kind.ECHO: _echo,
    Kind.QUIET: _quiet,
    Kind.SOAK: _soak,
}
