"""Turns and transcripts from records: times, what was not heard, what was going on at the end."""

from __future__ import annotations

import csv
import io
import itertools
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.recording import transcript
from app.recording.sampleclock import SampleClock, clock_from
from app.recording.turns import RecordedTurn, TurnBuilder, turn_from, turns_of
from tests.app.recording.conftest import talk


def conversation() -> tuple[RecordedTurn, ...]:
    builder = TurnBuilder()
    talk(lambda at_s, kind, data: builder.feed({"at_s": at_s, "kind": kind, **data}))
    return builder.turns(SampleClock())


def test_three_kinds_of_turns() -> None:
    first, typed, open_one = conversation()
    assert (first.user_text, first.heard_text) == ("is it raining", "It is dry. Take no umbrella.")
    assert (first.user_from_s, first.user_to_s) == (0.42, 1.2)
    assert (first.reply_from_s, first.reply_to_s) == (1.85, 3.85)
    assert (first.cut, first.typed, first.unheard_text) == (False, False, "")
    assert first.timings_ms["reply"] == 650.0
    assert (typed.typed, typed.cut, typed.user_from_s) == (True, True, None)
    assert typed.unheard_text == "pour all day."
    assert (open_one.finished, open_one.user_text, open_one.reply_text) == (False, "thank you", "")


def test_a_turn_that_was_going_on_keeps_the_last_revision_of_its_answer() -> None:
    records: list[dict[str, Any]] = [
        {"at_s": 1.0, "kind": "answer", "turn": 4, "revision": 0, "start_s": 0.1, "end_s": 0.9},
        {"at_s": 1.1, "kind": "reply_text", "turn": 4, "revision": 0, "text": "Never said."},
        {"at_s": 1.2, "kind": "drop", "turn": 4, "revision": 0},
        {"at_s": 2.0, "kind": "answer", "turn": 4, "revision": 1, "start_s": 0.1, "end_s": 1.9},
        {"at_s": 2.1, "kind": "final", "turn": 4, "revision": 1, "text": "both halves"},
        {"at_s": 2.2, "kind": "reply_text", "turn": 4, "revision": 1, "text": "Said"},
        {"at_s": 2.3, "kind": "reply_text", "turn": 4, "revision": 1, "text": "aloud."},
        {"at_s": 2.5, "kind": "first_sound", "turn": 4, "revision": 1},
        {"at_s": 3.0, "kind": "show", "phase": "speaking"},
    ]
    (turn,) = turns_of(records, SampleClock())
    assert (turn.user_text, turn.reply_text, turn.revisions) == ("both halves", "Said aloud.", 2)
    assert (turn.reply_from_s, turn.reply_to_s, turn.heard_s) == (2.5, 3.0, 0.5)
    assert not turn.finished
    assert "[the recording ends here]" in transcript.txt([turn])


def test_a_turn_without_words_is_no_turn() -> None:
    records = [{"at_s": 1.0, "kind": "user_started", "turn": 1, "start_s": 0.5}]
    assert turns_of(records, SampleClock()) == ()


VALUES = st.none() | st.text(max_size=5) | st.floats() | st.integers() | st.lists(st.none())
KEYS = ("at_s", "kind", "turn", "text", "revision", "user_text", "timings_ms", "heard_s", "start_s")
KINDS = ("user_started", "answer", "final", "reply_text", "first_sound", "cut", "turn", "drop")


@given(
    st.lists(
        st.fixed_dictionaries(
            {"kind": st.sampled_from(KINDS)},
            optional={key: VALUES for key in KEYS if key != "kind"},
        ),
        max_size=6,
    )
)
def test_odd_records_do_no_harm(records: list[dict[str, Any]]) -> None:
    for turn in turns_of(records, SampleClock()):
        turn_from(turn.told())


def test_a_turn_survives_its_transcript() -> None:
    for turn in conversation():
        assert turn_from(turn.told()) == turn


def test_subtitles_are_in_order_and_of_a_readable_length() -> None:
    long = " ".join(f"word{number}" for number in range(60)) + ". Short one. Another."
    turn = RecordedTurn(1, reply_text=long, heard_text=long, reply_from_s=10.0, reply_to_s=40.0)
    found = transcript.cues([turn])
    assert " ".join(cue.text for cue in found) == long
    assert max(len(cue.text) for cue in found) <= transcript.CUE_CHARS
    assert found[0].from_s == 10.0
    assert abs(found[-1].to_s - 40.0) < 1e-9
    assert all(one.to_s == other.from_s for one, other in itertools.pairwise(found))


def test_srt() -> None:
    assert transcript.srt(conversation()[:2]) == (
        "1\n00:00:00,420 --> 00:00:01,200\nYou: is it raining\n\n"
        "2\n00:00:01,850 --> 00:00:03,850\nParley: It is dry. Take no umbrella.\n\n"
        "3\n00:00:04,500 --> 00:00:05,500\nYou: (typed) and tomorrow?\n\n"
        "4\n00:00:04,500 --> 00:00:05,500\nParley: Tomorrow it will\n\n"
        "5\n00:00:05,500 --> 00:00:07,000\nParley: [not heard: pour all day.]\n"
    )


def test_vtt_escapes_what_would_be_markup() -> None:
    turn = RecordedTurn(1, user_text="is 1 < 2 & 3?", user_from_s=3661.5, user_to_s=3663.0)
    assert transcript.vtt([turn]) == (
        "WEBVTT\n\n01:01:01.500 --> 01:01:03.000\n<v You>is 1 &lt; 2 &amp; 3?</v>\n"
    )


def test_labels_and_timings() -> None:
    turns = conversation()
    rows = transcript.labels(turns).splitlines()
    assert rows[0] == "0.420000\t1.200000\tYou: is it raining"
    assert all(len(row.split("\t")) == 3 for row in rows)
    table = list(csv.DictReader(io.StringIO(transcript.timings_csv(turns))))
    assert table[0]["reply_ms"] == "650.0"
    assert table[1]["asr_ms"] == ""
    assert table[2]["reply_from_s"] == ""


def test_times_to_read() -> None:
    assert transcript.clock_time(59.999) == "01:00.00"
    assert transcript.clock_time(3661.5) == "1:01:01.50"
    assert re.match(r"\[00:00\.42\] You: is it raining\n", transcript.txt(conversation()))


@given(
    pieces=st.lists(st.tuples(st.integers(1, 500), st.integers(1, 500)), min_size=1, max_size=5),
    at=st.integers(0, 5000),
)
def test_every_block_of_a_piece_is_at_its_place(pieces: list[tuple[int, int]], at: int) -> None:
    """Each piece: blocks left out before it, and its length."""
    clock, index, place = SampleClock(), 0, 0
    places: dict[int, int] = {}
    for gap, length in pieces:
        index += gap
        clock = clock.with_piece(index, place)
        for number in range(length):
            places[index + number] = place + number
        index, place = index + length, place + length
    assert clock_from(clock.told()) == clock
    if at in places:
        assert clock.position_s(at * 0.01) == round(places[at] * 0.01, 6)
    elif at < index:
        after = min((block for block in places if block > at), default=None)
        expected = place if after is None else places[after]
        assert clock.position_s(at * 0.01) == round(expected * 0.01, 6)


def test_nonsense_is_no_clock() -> None:
    for told in (None, 3, [1], [["a", "b"]], "xy"):
        assert clock_from(told) == SampleClock()
    assert SampleClock().position_s(-1.0) == 0.0
