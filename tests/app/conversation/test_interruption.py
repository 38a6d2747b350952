"""Voice during an answer: what only lowers it, what pauses it, what takes the turn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.conversation.policy import Policy
from app.core import commands as do
from app.core import events as ev
from app.core.shown import Phase
from app.core.turn import TurnId
from tests.fakes.talk import POLICY, Talk, kinds


def test_an_interruption_ducks_pauses_and_takes_the_turn() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.done.clear()
    onset_s = talk.at_s
    talk.voice(1.3)
    assert kinds(talk)[:2] == [do.Gain, do.Pause]
    assert talk.of(do.Gain)[0][0] - onset_s <= 0.1
    assert talk.of(do.Pause)[0][0] - onset_s <= 0.16
    assert talk.of(do.Cut)[0][1] == do.Cut(TurnId(1), 0)
    assert talk.state.phase is Phase.HEARING
    talk.quiet(0.2)
    answer = talk.of(do.Answer)[0][1]
    assert isinstance(answer, do.Answer)
    assert answer.turn == 2
    assert answer.start_s == pytest.approx(onset_s, abs=0.01)


@pytest.mark.parametrize(("stable", "cuts"), [("mhm", 0), ("", 1)])
def test_a_backchannel_that_is_sure_outlasts_a_misheard_end(stable: str, cuts: int) -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(0.5)
    talk.partial("mhm you", stable=stable)
    talk.voice(0.7)
    assert len(talk.of(do.Cut)) == cuts


def test_half_a_word_takes_nothing() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(0.4)
    talk.partial("go aunt", stable="go")
    assert not talk.of(do.Cut)
    talk.quiet(0.3)
    talk.partial("mhm")
    talk.quiet(0.1)
    assert talk.of(do.Resume)


@pytest.mark.parametrize("words", ["stop", "what about tomorrow"])
def test_words_take_the_turn_before_voice_alone_would(words: str) -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(0.3)
    assert not talk.of(do.Cut)
    talk.partial(words)
    assert len(talk.of(do.Cut)) == 1


@pytest.mark.parametrize("words", ["mhm", "", "long answer"])
def test_backchannel_noise_and_echo_let_the_answer_go_on(words: str) -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(0.32)
    assert talk.state.phase is Phase.PAUSED
    talk.quiet(0.3)
    talk.partial(words)
    talk.quiet(0.1)
    assert [type(command) for _, command in talk.done[-3:-1]] == [do.Resume, do.Gain]
    assert talk.state.phase is Phase.SPEAKING
    assert not talk.of(do.Cut)


@pytest.mark.parametrize(("seconds", "words", "cuts"), [(0.64, "paris", 1), (0.32, "hat", 0)])
def test_one_word_that_is_over_takes_the_turn_unless_it_was_very_short(
    seconds: float, words: str, cuts: int
) -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(seconds)
    talk.quiet(0.3)
    talk.partial(words)
    talk.quiet(0.1)
    assert len(talk.of(do.Cut)) == cuts


def test_a_short_sound_is_only_ducked() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.done.clear()
    talk.voice(0.096)
    talk.quiet(0.3)
    assert kinds(talk) == [do.Gain, do.Gain]
    back = talk.of(do.Gain)[-1][1]
    assert isinstance(back, do.Gain)
    assert (back.db, back.ramp_s) == pytest.approx((0.0, 0.1))


def asked(talk: Talk) -> do.Transcribe:
    """The last piece of sound that was to be written down."""
    last = talk.of(do.Transcribe)[-1][1]
    assert isinstance(last, do.Transcribe)
    return last


@pytest.mark.parametrize("sudden", [True, False])
def test_a_murmur_with_a_pause_in_it_is_made_out_as_a_whole(sudden: bool) -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(0.32)
    begun_s = asked(talk).start_s
    talk.quiet(0.3)
    talk.partial("")
    talk.quiet(0.032)
    assert len(talk.of(do.Resume)) == 1
    if sudden:
        onset(talk)
    talk.voice(0.32)
    assert asked(talk).start_s == begun_s
    assert asked(talk).end_s > begun_s + 0.7
    # Its length is its own: the pause is no voice.
    talk.quiet(0.3)
    talk.partial("hat")
    talk.quiet(0.1)
    assert not talk.of(do.Cut)
    assert len(talk.of(do.Resume)) == 2


def test_voice_long_after_a_murmur_stands_for_itself() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(0.32)
    talk.quiet(0.3)
    talk.partial("mhm")
    talk.quiet(0.4)
    again_s = talk.at_s
    talk.voice(0.32)
    assert asked(talk).start_s == pytest.approx(again_s)


def onset(talk: Talk) -> None:
    talk.at_s += 0.01
    talk.tell(ev.Onset(talk.at_s))


def test_a_sudden_sound_lowers_the_answer_before_it_is_known_for_a_voice() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.done.clear()
    onset(talk)
    assert talk.of(do.Gain) == [(talk.at_s, do.Gain(POLICY.duck_db, POLICY.duck_ramp_s))]
    begun_s = talk.at_s
    talk.quiet(0.096)
    talk.voice(0.064)
    assert kinds(talk) == [do.Gain, do.Pause, do.Transcribe]
    asked = talk.of(do.Transcribe)[0][1]
    assert isinstance(asked, do.Transcribe)
    assert asked.start_s == begun_s


@pytest.mark.parametrize(("sudden", "pauses"), [(True, 1), (False, 0)])
def test_after_a_sudden_sound_a_doubtful_voice_is_enough_to_pause(
    sudden: bool, pauses: int
) -> None:
    talk = Talk()
    talk.until_speaking()
    if sudden:
        onset(talk)
    talk.sound(0.32, 0.4)
    assert len(talk.of(do.Pause)) == pauses


def test_a_sudden_sound_that_is_no_voice_is_forgotten_soon() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.done.clear()
    onset(talk)
    began_s = talk.at_s
    talk.quiet(0.5)
    [_, (back_s, back)] = talk.of(do.Gain)
    assert isinstance(back, do.Gain)
    assert back.db == 0.0
    assert back_s - began_s < POLICY.onset_wait_s + 0.04
    assert talk.state.barge is None
    assert kinds(talk) == [do.Gain, do.Gain]


def test_a_sudden_sound_at_the_very_end_opens_no_turn() -> None:
    talk = Talk()
    talk.until_speaking()
    onset(talk)
    talk.played(4.0, drained=True)
    assert talk.state.phase is Phase.LISTENING
    assert talk.of(do.Gain)[-1][1] == do.Gain(0.0, POLICY.duck_ramp_s)
    talk.quiet(1.0)
    assert not [answer for _, answer in talk.of(do.Answer) if answer.turn == 2]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("policy", "event"),
    [
        (replace(POLICY, barge_in=False), None),
        (POLICY, ev.Muted(9.0, True)),
        (POLICY, ev.HandsFree(9.0, False)),
    ],
)
def test_a_sudden_sound_does_nothing_where_a_voice_would_not(
    policy: Policy, event: ev.Event | None
) -> None:
    talk = Talk(policy)
    talk.until_speaking()
    if event is not None:
        talk.tell(event)
    talk.done.clear()
    onset(talk)
    assert kinds(talk) == []


@pytest.mark.parametrize(
    ("words", "stable", "cuts"),
    [
        ("yeah youth", "yeah", 0),
        ("mhm you there", "mhm", 0),
        ("yeah what about rome", "yeah", 1),
        ("yeah tomorrow", "yeah tomorrow", 1),
        ("some youth", "some", 1),
    ],
)
def test_a_short_yes_and_something_unsure_is_listening_aloud(
    words: str, stable: str, cuts: int
) -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(0.9)
    talk.quiet(0.3)
    talk.partial(words, stable=stable)
    talk.quiet(0.1)
    assert len(talk.of(do.Cut)) == cuts


@pytest.mark.parametrize(
    ("earlier", "words", "cuts"),
    [
        ("mhm yas yen", "yeah youth", 0),
        ("some dozen", "yeah youth", 1),
        ("mhm yas yen", "some youth", 1),
        ("", "yeah youth", 1),
        ("yeah what about", "mhm what about rome", 1),
    ],
)
def test_two_hypotheses_need_not_agree_on_how_a_yes_is_spelled(
    earlier: str, words: str, cuts: int
) -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(0.6)
    talk.partial(earlier, stable="")
    talk.voice(0.3)
    talk.quiet(0.3)
    talk.partial(words, stable="")
    talk.quiet(0.1)
    assert len(talk.of(do.Cut)) == cuts


def test_a_mere_order_to_be_silent_is_obeyed_and_not_answered() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(0.3)
    talk.partial("stop")
    talk.quiet(0.2)
    talk.words("stop")
    assert talk.of(do.Cut)
    assert talk.of(do.Drop)
    assert not [release for _, release in talk.of(do.Release) if release.turn == 2]  # type: ignore[attr-defined]
    assert talk.state.phase is Phase.LISTENING


def test_without_a_verdict_the_answer_goes_on_in_the_end() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(0.3)
    talk.quiet(POLICY.give_up_s + 0.2)
    assert talk.of(do.Resume)
    assert not talk.of(do.Cut)


def test_a_sound_that_the_loudspeaker_explains_does_nothing() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.done.clear()
    talk.voice(2.0, echo=0.9)
    assert kinds(talk) == []


def test_doubtful_echo_may_pause_but_not_cut_without_words() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(1.2, echo=0.5)
    assert talk.of(do.Pause)
    assert not talk.of(do.Cut)


def test_what_is_paused_has_no_echo() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(0.16)
    assert talk.of(do.Pause)
    talk.voice(0.16, echo=0.9)  # may still hang in the room
    assert talk.state.barge is not None
    talk.voice(1.2, echo=0.9)
    assert talk.of(do.Cut)


def test_words_are_judged_with_the_silence_behind_them() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(0.7)
    last_s = talk.at_s
    talk.partial("mhm", stable="")  # its end is cut off
    before = len(talk.of(do.Transcribe))
    talk.quiet(0.288)
    assert not talk.of(do.Resume)
    asked = talk.of(do.Transcribe)
    assert len(asked) == before + 1
    assert asked[-1][0] - last_s == pytest.approx(POLICY.tail_s, abs=0.04)
    talk.partial("paris")
    talk.quiet(0.032)
    assert talk.of(do.Cut)


def test_without_barge_in_the_answer_is_never_touched() -> None:
    talk = Talk(replace(POLICY, barge_in=False))
    talk.until_speaking()
    talk.done.clear()
    talk.voice(2.0)
    assert kinds(talk) == []


def test_an_interruption_at_the_very_end_opens_a_turn_of_its_own() -> None:
    talk = Talk()
    talk.until_speaking()
    talk.voice(0.128)
    talk.played(4.0, drained=True)
    talk.voice(0.5)
    talk.quiet(0.2)
    assert talk.of(do.Finish)
    answer = talk.of(do.Answer)[-1][1]
    assert isinstance(answer, do.Answer)
    assert answer.turn == 2
