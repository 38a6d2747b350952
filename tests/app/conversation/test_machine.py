"""The turn-taking machine, told what happens window by window. No clock, no thread, no sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.conversation.machine import step
from app.core import commands as do
from app.core import events as ev
from app.core.shown import Phase
from app.core.turn import TurnId
from tests.fakes.talk import JUDGES, POLICY, Talk, kinds


def test_a_plain_turn_is_answered_held_released_and_finished() -> None:
    talk = Talk()
    talk.voice(1.0)
    assert talk.state.phase is Phase.HEARING
    end_s = talk.at_s
    talk.quiet(0.128)
    [(at_s, answer)] = talk.of(do.Answer)
    assert isinstance(answer, do.Answer)
    assert (answer.turn, answer.revision) == (TurnId(1), 0)
    assert (answer.start_s, answer.end_s) == pytest.approx((0.0, at_s))
    assert at_s - end_s == pytest.approx(POLICY.candidate_s)
    assert not talk.of(do.Release)
    talk.words("what time is it")
    talk.answer()
    talk.quiet(0.3)
    [(released_s, _)] = talk.of(do.Release)
    assert 0.15 < released_s - end_s < 0.4
    assert talk.state.phase is Phase.THINKING
    talk.played(0.5)
    assert talk.state.phase is Phase.SPEAKING
    talk.played(4.0, drained=True)
    assert talk.of(do.Finish) == [(talk.at_s, do.Finish(TurnId(1), 0))]
    assert talk.state.phase is Phase.LISTENING


def test_a_click_opens_no_turn() -> None:
    talk = Talk()
    talk.voice(0.064)
    talk.quiet(2.0)
    talk.voice(0.128)
    talk.quiet(2.0)
    assert not talk.of(do.Answer)
    assert talk.state.phase is Phase.LISTENING


def test_an_unfinished_sentence_is_waited_for_and_both_halves_are_one_turn() -> None:
    talk = Talk()
    talk.voice(1.0)
    talk.quiet(0.2)
    talk.words("i want to know and")
    talk.answer()
    talk.quiet(0.8)
    assert not talk.of(do.Release)
    talk.voice(0.5)
    assert talk.of(do.Drop)[0][1] == do.Drop(TurnId(1), 0)
    talk.quiet(0.2)
    second = talk.of(do.Answer)[-1][1]
    assert isinstance(second, do.Answer)
    assert (second.turn, second.revision) == (TurnId(1), 1)
    assert second.start_s == pytest.approx(0.0)
    talk.words("what time it is")
    talk.quiet(0.4)
    assert talk.of(do.Release)[0][1] == do.Release(TurnId(1), 1)


def test_words_from_before_the_last_voice_are_not_judged() -> None:
    talk = Talk(replace(POLICY, judges=replace(JUDGES, finished=lambda s, text, a: bool(text))))
    talk.voice(0.8)
    talk.partial("i want to go to the shop")
    talk.voice(0.2)
    talk.quiet(0.5)
    assert not talk.of(do.Release)
    talk.words("i want to go to the shop")
    talk.quiet(0.064)
    assert talk.of(do.Release)


def test_even_an_unfinished_sentence_is_answered_in_the_end() -> None:
    talk = Talk()
    talk.voice(1.0)
    talk.quiet(0.2)
    talk.words("i want to know and")
    talk.quiet(2.0)
    assert len(talk.of(do.Release)) == 1


def test_a_patient_assistant_waits_longer() -> None:
    waited = []
    for patience in (0.0, 0.5, 1.0):
        talk = Talk(replace(POLICY, patience=patience))
        talk.voice(1.0)
        end_s = talk.at_s
        talk.quiet(3.0)
        waited.append(talk.of(do.Release)[0][0] - end_s)
    assert waited[0] < waited[1] < waited[2]


def test_the_floor_grows_with_the_users_own_pauses() -> None:
    talk = Talk()
    for _ in range(12):
        talk.voice(0.6)
        talk.quiet(0.2)
        talk.words("so and")
        talk.quiet(0.7)
    assert talk.state.pause_s == pytest.approx(0.9, abs=0.15)
    assert POLICY.floor(talk.state.pause_s) > 0.4


def test_who_goes_on_before_much_was_heard_gets_the_turn_back() -> None:
    talk = Talk()
    talk.voice(1.0)
    talk.quiet(0.2)
    talk.words("what time is it")
    talk.answer()
    talk.quiet(0.4)
    talk.played(0.2)
    talk.voice(0.2)
    assert talk.of(do.Drop)[0][1] == do.Drop(TurnId(1), 0)
    assert not talk.of(do.Cut)
    talk.quiet(0.2)
    last = talk.of(do.Answer)[-1][1]
    assert isinstance(last, do.Answer)
    assert (last.turn, last.revision) == (TurnId(1), 1)


def test_silence_with_no_words_in_it_comes_to_nothing() -> None:
    talk = Talk()
    talk.voice(0.5)
    talk.quiet(0.2)
    talk.words("")
    assert talk.of(do.Drop)
    assert talk.state.phase is Phase.LISTENING
    talk.quiet(3.0)
    assert not talk.of(do.Release)


def test_esc_cuts_what_was_heard_and_drops_what_was_not() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.tell(ev.StopAsked(talk.at_s))
    assert talk.of(do.Cut)
    other = Talk()
    other.voice(1.0)
    other.quiet(0.128)
    other.tell(ev.StopAsked(other.at_s))
    assert other.of(do.Drop)
    assert other.state.phase is talk.state.phase is Phase.LISTENING


def test_typed_words_are_answered_at_once_and_end_what_sounds() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.done.clear()
    talk.tell(ev.Typed(talk.at_s, "hello"))
    assert kinds(talk) == [do.Cut, do.Answer, do.Release]


def test_muted_nothing_is_heard() -> None:
    talk = Talk()
    talk.voice(0.3)
    talk.tell(ev.Muted(talk.at_s, True))
    talk.voice(2.0)
    talk.quiet(1.0)
    assert not talk.of(do.Answer)
    assert talk.state.phase is Phase.MUTED
    talk.tell(ev.Muted(talk.at_s, False))
    assert talk.state.phase is Phase.LISTENING


def test_with_the_talk_key_pauses_do_not_end_the_turn() -> None:
    talk = Talk()
    talk.tell(ev.HandsFree(0.0, False))
    talk.voice(1.0)
    assert talk.state.phase is Phase.LISTENING
    talk.tell(ev.TalkKey(talk.at_s, True))
    talk.voice(1.0)
    talk.quiet(3.0)
    talk.voice(0.5)
    assert not talk.of(do.Answer)
    talk.tell(ev.TalkKey(talk.at_s, False))
    assert [type(c) for _, c in talk.done if not isinstance(c, (do.Show, do.Transcribe))] == [
        do.Answer,
        do.Release,
    ]


def test_a_lost_microphone_answers_what_was_said_or_lets_it_go() -> None:
    talk = Talk()
    talk.voice(1.0)
    talk.tell(ev.SoundLost(talk.at_s, 1.5))
    assert kinds(talk)[-2:] == [do.Answer, do.Release]
    other = Talk()
    other.voice(0.2)
    other.tell(ev.SoundLost(other.at_s, 1.5))
    assert not other.of(do.Answer)
    hiccup = Talk()
    hiccup.voice(1.0)
    hiccup.tell(ev.SoundLost(hiccup.at_s, 0.05))
    assert not hiccup.of(do.Answer)


@pytest.mark.parametrize(
    "stale",
    [
        lambda turn, rev: ev.Final(9.0, turn, rev, ""),
        lambda turn, rev: ev.ReplyText(9.0, turn, rev, "x"),
        lambda turn, rev: ev.ReplySound(9.0, turn, rev, 1.0),
        lambda turn, rev: ev.ReplyMade(9.0, turn, rev),
        lambda turn, rev: ev.ReplyFailed(9.0, turn, rev, "x"),
    ],
)
@pytest.mark.parametrize("id", [(TurnId(1), 1), (TurnId(2), 0), (TurnId(0), 0)])
def test_stale_events_change_nothing(
    stale: Callable[[TurnId, int], ev.Event], id: tuple[TurnId, int]
) -> None:
    talk = Talk()
    talk.until_speaking()
    assert step(talk.state, stale(*id), POLICY) == (talk.state, [])


EVENTS = st.one_of(
    st.tuples(st.just("voice"), st.floats(0.03, 1.5)),
    st.tuples(st.just("quiet"), st.floats(0.03, 2.5)),
    st.tuples(st.just("words"), st.sampled_from(["", "hello there", "so and"])),
    st.tuples(st.just("partial"), st.sampled_from(["", "mhm", "stop", "one two", "long answer"])),
    st.tuples(st.just("answer"), st.floats(0.0, 3.0)),
    st.tuples(st.just("played"), st.floats(0.0, 3.0)),
    st.tuples(st.just("drained"), st.floats(0.0, 3.0)),
    st.tuples(
        st.sampled_from(["onset", "stop", "typed", "mute", "unmute", "down", "up", "lost"]),
        st.none(),
    ),
)


def play(talk: Talk, kind: str, value: object) -> None:
    at_s, reply = talk.at_s, talk.state.reply
    match kind, value:
        case "voice", float(seconds):
            talk.voice(seconds)
        case "quiet", float(seconds):
            talk.quiet(seconds)
        case "onset", None:
            talk.tell(ev.Onset(at_s))
        case "words", str(text) if reply is not None:
            talk.words(text)
        case "partial", str(text) if talk.of(do.Transcribe):
            talk.partial(text)
        case "answer", float(seconds) if reply is not None:
            talk.answer(made_s=seconds)
        case (("played" | "drained"), float(seconds)):
            talk.played(seconds, drained=kind == "drained")
        case "stop", None:
            talk.tell(ev.StopAsked(at_s))
        case "typed", None:
            talk.tell(ev.Typed(at_s, "hello"))
        case (("mute" | "unmute"), None):
            talk.tell(ev.Muted(at_s, kind == "mute"))
        case (("down" | "up"), None):
            talk.tell(ev.TalkKey(at_s, kind == "down"))
        case "lost", None:
            talk.tell(ev.SoundLost(at_s, 1.0))
        case _:
            pass


@given(st.lists(EVENTS, max_size=40))
def test_whatever_happens_answers_end_once_and_the_loudspeaker_is_never_left_paused(
    events: list[tuple[str, object]],
) -> None:
    talk = Talk()
    for kind, value in events:
        play(talk, kind, value)
    open_answers: set[tuple[int, int]] = set()
    released: set[tuple[int, int]] = set()
    paused = False
    for _, command in talk.done:
        match command:
            case do.Answer(turn, revision):
                assert not open_answers, "two answers at a time"
                open_answers.add((turn, revision))
            case do.Release(turn, revision):
                assert (turn, revision) in open_answers
                assert (turn, revision) not in released
                released.add((turn, revision))
            case do.Drop(turn, revision) | do.Cut(turn, revision) | do.Finish(turn, revision):
                open_answers.remove((turn, revision))
                paused = False
            case do.Pause():
                assert not paused
                paused = True
            case do.Resume():
                assert paused
                paused = False
            case _:
                pass
    reply = talk.state.reply
    assert open_answers == ({(reply.turn, reply.revision)} if reply is not None else set())
    assert paused == (talk.state.barge is not None and talk.state.barge.paused)
    # Left alone, it always comes to rest.
    talk.tell(ev.Muted(talk.at_s, False))
    talk.tell(ev.TalkKey(talk.at_s, False))
    talk.quiet(8.0)
    if talk.state.reply is not None:
        talk.answer()
        talk.quiet(8.0)
        talk.played(4.0, drained=True)
    assert talk.state.phase is Phase.LISTENING
