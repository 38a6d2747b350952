"""Each mark by hand-made logs: once right, once wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bench.score import heard_words, marks
from app.bench.sets import Item, Kind, Scene
from app.bench.take import Loud, Said, Take
from app.bench.words import best_prefix, word_errors

IDS = {"turn": 1, "revision": 0}


def loud(*spans: tuple[float, float], seconds: float = 12.0) -> Loud:
    peaks = np.zeros(round(seconds * 1000), np.float32)
    for start, end in spans:
        peaks[round(start * 1000) : round(end * 1000)] = 0.2
    return Loud(0.0, peaks)


def rec(at_s: float, kind: str, **fields: Any) -> dict[str, Any]:
    return {"at_s": at_s, "kind": kind, **fields}


def take(kind: Kind, log: list[dict[str, Any]], said: tuple[Said, ...] = (), **fields: Any) -> Take:
    item = Item("E0", kind, 0, Scene(0))
    fields = {"loud": loud(), **fields}
    return Take(item, 0.0, 12.0, log, said, **fields)


HELLO = (Said("how are", 1.0, 2.0), Said("you", 3.0, 4.0))
ANSWERED = [
    rec(4.1, "answer", **IDS),
    rec(4.2, "final", **IDS, text="How are you?"),
    rec(4.25, "release", **IDS),
    rec(4.3, "reply_text", **IDS, text="Fine."),
    rec(4.4, "reply_sound", **IDS, seconds=0.08),
]


def test_a_clean_turn_and_where_its_time_went() -> None:
    found = marks(take(Kind.TURN, ANSWERED, HELLO, loud=loud((4.45, 6.0))))
    assert found == pytest.approx(
        {
            "wrong_cut_raw": 0,
            "wrong_cut_felt": 0,
            "answered": 1,
            "end_of_turn_ms": 250,
            "release_ms": 250,
            "reply_ms": 450,
            "asr_ms": 100,
            "llm_ms": 100,
            "speech_ms": 100,
            "buffer_ms": 50,
            "wrong_words": 0,
            "words": 3,
        }
    )


def test_a_release_in_the_pause_is_a_raw_cut_and_felt_only_when_heard() -> None:
    early = [rec(2.3, "release", turn=1, revision=0), *ANSWERED]
    unheard = marks(take(Kind.TURN, early, HELLO, loud=loud((2.6, 2.8), (4.45, 6.0))))
    assert (unheard["wrong_cut_raw"], unheard["wrong_cut_felt"]) == (1, 0)
    heard = marks(take(Kind.TURN, early, HELLO, loud=loud((2.6, 3.0), (4.45, 6.0))))
    assert (heard["wrong_cut_raw"], heard["wrong_cut_felt"]) == (1, 1)


def test_a_reply_of_an_earlier_turn_is_no_cut_of_this_one() -> None:
    before = [rec(0.5, "release", turn=1, revision=0), *ANSWERED]
    assert marks(take(Kind.TURN, before, HELLO, loud=loud((4.45, 6.0))))["wrong_cut_raw"] == 0


def test_a_turn_without_an_answer() -> None:
    found = marks(take(Kind.TURN, [], HELLO))
    assert found["answered"] == 0
    assert "reply_ms" not in found
    released = marks(take(Kind.TURN, ANSWERED, HELLO))
    assert released["answered"] == 0
    assert released["end_of_turn_ms"] == pytest.approx(250)


def test_words_are_those_of_the_answered_revision() -> None:
    log = [rec(2.2, "final", turn=1, revision=1, text="other words entirely"), *ANSWERED]
    assert marks(take(Kind.TURN, log, HELLO, loud=loud((4.45, 5.0))))["wrong_words"] == 0
    half = [dict(r, text="how are") if r["kind"] == "final" else r for r in ANSWERED]
    assert marks(take(Kind.TURN, half, HELLO, loud=loud((4.45, 5.0))))["wrong_words"] == 1


STOP = (Said("stop", 3.0, 3.5),)
BARGED = [
    rec(1.0, "first_sound", **IDS),
    rec(3.1, "gain", db=-12.0, ramp_s=0.02),
    rec(3.22, "pause"),
    rec(3.6, "cut", **IDS),
    rec(3.6, "turn", turn=1, reply_text="one two three four", heard_text="one two"),
]


def test_an_interruption_in_time() -> None:
    found = marks(take(Kind.INTERRUPTION, BARGED, STOP, loud=loud((1.0, 3.26)), heard_words=2))
    assert found["barge_in"] == 1
    assert found["duck_ms"] == pytest.approx(100)
    assert found["stop_ms"] == pytest.approx(260)
    assert found["cut_ms"] == pytest.approx(600)
    assert found["heard_words_off"] == 0
    assert found["self_interruptions"] == found["self_ducks"] == 0


def test_a_pause_that_was_taken_back_is_not_when_it_stopped() -> None:
    log = [*BARGED[:3], rec(3.4, "resume", back_s=0.2), *BARGED[3:]]
    found = marks(take(Kind.INTERRUPTION, log, STOP, loud=loud((1.0, 3.26), (3.4, 3.64))))
    assert found["stop_ms"] == pytest.approx(640)


def test_an_interruption_that_comes_too_late_or_never() -> None:
    late = [dict(r, at_s=5.1) if r["kind"] in ("cut", "turn") else r for r in BARGED]
    for log in (late, BARGED[:3], []):
        assert marks(take(Kind.INTERRUPTION, log, STOP, loud=loud((1.0, 9.0))))["barge_in"] == 0


def test_what_happened_before_the_user_spoke_is_the_assistants_own_doing() -> None:
    log = [
        rec(2.0, "gain", db=-12.0),
        rec(2.1, "pause"),
        rec(2.4, "resume"),
        rec(2.4, "gain", db=0.0),
    ]
    found = marks(take(Kind.INTERRUPTION, [*log, *BARGED], STOP, loud=loud((1.0, 3.26))))
    assert found["self_interruptions"] == 1
    assert found["self_ducks"] == 1
    assert found["duck_ms"] == pytest.approx(100)


def test_heard_text_that_is_off() -> None:
    found = marks(take(Kind.INTERRUPTION, BARGED, STOP, loud=loud((1.0, 3.26)), heard_words=4))
    assert found["heard_words_off"] == 2
    assert heard_words("It sailed all night, and the moon", "it sailed all knight and") == 5
    assert heard_words("one two three", "") == 0


MHM = (Said("mhm", 3.0, 3.4),)
RESUMED = [
    rec(1.0, "first_sound", **IDS),
    rec(2.0, "reply_sound", **IDS, seconds=5.0),
    rec(3.1, "gain", db=-12.0),
    rec(3.2, "pause"),
    rec(3.7, "resume", back_s=0.25),
    rec(6.75, "finish", **IDS),
    rec(6.75, "turn", turn=1, reply_text="a b c d e f g h i j", heard_text="", heard_s=5.0),
]


def test_a_murmur_after_which_the_answer_goes_on() -> None:
    found = marks(take(Kind.MURMUR, RESUMED, MHM, repeated_s=0.25))
    assert found["stopped"] == 0
    assert found["resumed"] == found["paused"] == found["ducked"] == 1
    assert found["pause_ms"] == pytest.approx(500)
    assert found["repeated_words"] == pytest.approx(0.5)
    assert found["lost_words"] == 0


def test_words_lost_at_a_resume() -> None:
    early = [dict(r, at_s=5.75) if r["kind"] in ("finish", "turn") else r for r in RESUMED]
    assert marks(take(Kind.MURMUR, early, MHM, repeated_s=0.25))["lost_words"] == pytest.approx(2.0)
    assert "lost_words" not in marks(take(Kind.MURMUR, early, MHM))


def test_after_a_broken_stream_the_players_count_tells_what_was_lost() -> None:
    short = [dict(r, heard_s=4.0) if r["kind"] == "turn" else r for r in RESUMED]
    found = marks(take(Kind.MURMUR, short, MHM, repeated_s=0.25, underruns=2))
    assert found["lost_words"] == pytest.approx(2.0)


def test_a_murmur_that_stops_the_answer() -> None:
    found = marks(take(Kind.NOISE, BARGED, MHM))
    assert found["stopped"] == 1
    assert found["resumed"] == 0


def test_a_murmur_that_nobody_minds() -> None:
    found = marks(take(Kind.MURMUR, [RESUMED[0], *RESUMED[-2:]], MHM))
    assert found["stopped"] == found["paused"] == found["ducked"] == 0
    assert "resumed" not in found


def test_an_answer_that_hears_itself() -> None:
    log = [rec(2.0, "gain", db=-12.0), rec(2.1, "pause"), rec(2.5, "user_started", turn=2)]
    found = marks(take(Kind.ECHO, log, loud=loud((1.0, 6.0)), near_energy=100.0, clean_energy=0.1))
    assert found["self_interruptions"] == 2
    assert found["self_ducks"] == 1
    assert found["talk_s"] == pytest.approx(5.0)
    assert found["erle_db"] == pytest.approx(30.0)
    silent = marks(take(Kind.ECHO, [], loud=loud((1.0, 6.0))))
    assert silent["self_interruptions"] == 0
    assert "erle_db" not in silent


def test_turns_out_of_nothing() -> None:
    log = [rec(2.0, "user_started", turn=1), rec(2.5, "final", **IDS, text=" ")]
    assert marks(take(Kind.QUIET, log))["hallucinated_turns"] == 0
    log.append(rec(3.0, "final", turn=2, revision=0, text="Thank you."))
    found = marks(take(Kind.QUIET, log))
    assert found["hallucinated_turns"] == 1
    assert found["turns_opened"] == 1
    assert found["seconds"] == pytest.approx(12.0)


def test_a_soak_keeps_its_measurements() -> None:
    log = [rec(1.0, "turn", turn=1), rec(2.0, "trouble", turn=2, message="no")]
    found = marks(take(Kind.SOAK, log, extra={"memory_growth_mb": 3.5}))
    assert found == pytest.approx(
        {"minutes": 0.2, "turns": 1, "failed_replies": 1, "memory_growth_mb": 3.5}
    )


def test_what_could_not_happen_is_not_judged() -> None:
    assert marks(replace(take(Kind.MURMUR, [], MHM), void=True)) == {"void": 1.0}


def test_sound_with_short_gaps_counts_as_sound() -> None:
    sound = loud((1.0, 1.5), (1.6, 2.0), (3.0, 3.5))
    assert sound.heard_s(0.0, 12.0) == pytest.approx(1.5, abs=0.01)
    assert sound.first_s(0.0) == pytest.approx(1.0)
    assert sound.last_s(0.0, 2.5) == pytest.approx(2.0)
    assert sound.first_s(4.0) is None
    assert sound.last_s(4.0, 5.0) is None
    assert Loud(5.0, np.ones(10, np.float32)).first_s(0.0) == pytest.approx(5.0)


def test_the_envelope_is_of_the_samples() -> None:
    samples = np.zeros(4800, np.float32)
    samples[2400] = -0.5
    envelope = Loud.of(samples, 2.0)
    assert len(envelope.peaks) == 100
    assert envelope.first_s(0.0) == pytest.approx(2.05)


def test_word_errors_are_those_of_words() -> None:
    assert word_errors("How are you?", "how are YOU") == (0, 3)
    assert word_errors("one two three", "one three three four") == (2, 3)
    assert word_errors("", "a b") == (2, 0)


@given(st.lists(st.sampled_from("a b c d".split()), max_size=8), st.integers(0, 8))
def test_who_heard_the_first_words_exactly_heard_so_many_at_most(
    text: list[str], count: int
) -> None:
    count = min(count, len(text))
    assert best_prefix(text, text[:count]) == count
