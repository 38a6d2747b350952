"""The whole live conversation in a virtual room: device, player, ears, machine, conductor, workers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.conversation.policy import Judges, Policy
from app.core import events as ev
from app.core.errors import ServerError, SpeechError
from app.core.shown import CaptionRemoved, Phase, PhaseChanged, Side, TurnTimes
from app.core.types import Role
from tests.fakes.parts import FakeChat, FakeRecogniser, FakeSpeech
from tests.fakes.rooms import HeardSoFar, Room

JUDGES = Judges(
    lambda *_: 0.8,
    backchannel=lambda text: text == "mhm",
    order=lambda text: text.startswith("stop"),
)
LONG = tuple("One two three four five six seven eight. " for _ in range(4))


def test_a_question_is_answered_and_kept_with_what_was_heard() -> None:
    room = Room()
    ends_s = room.say(1.0, 0.3)
    turn = room.turn()
    assert turn["user_text"] == "what time is it"
    assert turn["heard_text"] == turn["reply_text"] == "I am a fake, and I say so myself."
    assert not turn["cut"]
    # 8 words of 2 frames of 80 ms, every sample of it heard.
    assert turn["heard_s"] == pytest.approx(9 * 2 * 0.08)
    assert np.abs(room.device.played()).max() == pytest.approx(0.25, abs=0.05)
    release = room.of("release")[0]
    assert 0.1 < release["at_s"] - ends_s < 0.5
    assert turn["timings_ms"]["reply"] >= turn["timings_ms"]["release"] > 0
    phases = [s.phase for s in room.sim.shown if isinstance(s, PhaseChanged)]
    assert phases == [Phase.HEARING, Phase.THINKING, Phase.SPEAKING, Phase.LISTENING]
    assert any(isinstance(s, TurnTimes) for s in room.sim.shown)


def test_the_engine_hears_the_users_words_with_their_sound() -> None:
    room = Room()
    room.say(1.0, 0.5)
    room.turn()
    who, words, samples = room.conversation.context[0]
    assert (who, words) == ("user", "what time is it")
    assert 1.2 < samples / 24_000 < 1.6  # the second that was spoken and a little before and after


def test_the_engine_listens_while_the_user_speaks_and_while_the_words_are_made_out() -> None:
    room = Room()
    room.say(3.0, 0.5)
    room.turn()
    listened, (_, _, whole) = room.conversation.listened, room.conversation.context[0]
    assert len(listened) >= 3  # as it came, and once more at the first silence
    assert listened == sorted(listened)
    assert listened[0] < 0.5 * whole and whole - listened[-1] < 240  # what a resampler holds back
    (before,) = room.conversation.listened_before
    assert before == len(listened)  # all of it before the words were known


@pytest.mark.parametrize("final", ["What time is it?", "what time was it"])
def test_likely_words_are_told_before_they_are_sure_and_taken_back_when_they_are_others(
    final: str,
) -> None:
    room = Room(step_s=0.01, policy=Policy(judges=JUDGES, stale_s=0.4))
    likely_words = "what time is it"
    room.recogniser.transcribe = lambda _: final if room.of("answer") else likely_words
    room.say(1.5, 0.5)
    turn = room.turn()
    likely = final == "What time is it?"
    users = [words for who, words, _ in room.conversation.context if who == "user"]
    assert turn["user_text"] == final
    assert users == (["what time is it"] if likely else [final])
    assert len(room.conversation.listened_before) == (1 if likely else 2)
    assert [who for who, _, _ in room.conversation.context] == ["user", "assistant", "assistant"]


def test_the_engine_does_not_listen_ahead_while_it_speaks() -> None:
    room = Room(chat=FakeChat(LONG), judges=JUDGES)
    room.say(1.0, 0.3)
    room.speaking()
    room.sim.run_for(2.0)  # what is said now is no part of the question any more
    before = len(room.conversation.listened)
    room.recogniser.lines = ["mhm"]
    room.say(0.3, 0.1)
    room.sim.run_for(1.0)
    assert len(room.conversation.listened) == before


def test_no_sound_is_heard_before_the_release() -> None:
    room = Room(judges=Judges(lambda *_: 0.0), step_s=0.001)
    ends_s = room.say(1.0, 0.3)
    room.speaking()
    release = room.of("release")[0]
    assert room.of("reply_sound")[0]["at_s"] < release["at_s"] - 1.0
    assert release["at_s"] - ends_s == pytest.approx(2.0, abs=0.15)
    played = room.device.played()
    assert not np.abs(played[: round(release["at_s"] * 48_000)]).any()


def test_who_goes_on_is_one_turn_and_the_first_answer_never_was() -> None:
    room = Room(recogniser=HeardSoFar("what is the weather going to be tomorrow"), step_s=0.01)
    room.policy = None
    room.say(0.75, 0.3)
    room.say(0.75, 0.3 + 0.75 + 0.25)
    turn = room.turn()
    assert [answer["revision"] for answer in room.of("answer")] == [0, 1]
    assert len(room.of("drop")) == 1
    assert len(turn["user_text"].split()) > 4
    users = [entry for entry in room.conversation.context if entry[0] == "user"]
    assert [words for _, words, _ in users] == [turn["user_text"]]
    told = room.chat.told[-1]
    assert [message.role for message in told] == [Role.SYSTEM, Role.USER]


def test_an_interruption_stops_the_sound_and_cuts_every_memory() -> None:
    room = Room(chat=FakeChat(LONG), judges=JUDGES)
    room.say(1.0, 0.3)
    room.speaking()
    room.sim.run_for(1.5)
    onset_s = room.sim.now_s
    room.say(1.2)
    cut = room.turn()
    assert cut["cut"]
    gain, pause = room.of("gain")[0], room.of("pause")[0]
    assert gain["at_s"] - onset_s <= 0.06
    assert pause["at_s"] - onset_s <= 0.2
    silent_from = round((pause["at_s"] + 0.08) * 48_000)
    cut_at = round(room.of("cut")[0]["at_s"] * 48_000)
    assert not np.abs(room.device.played()[silent_from:cut_at]).any()
    assert 0 < len(cut["heard_text"]) < len(cut["reply_text"])
    assert cut["reply_text"].startswith(cut["heard_text"])
    room.sim.run_for(0.5)  # the worker comes to it
    frames = [n for who, _, n in room.conversation.context if who == "assistant"]
    assert sum(frames) / 24_000 == pytest.approx(cut["heard_s"], abs=0.081)
    room.turn(2)
    told = room.chat.told[-1]
    assert told[2].content == f"{cut['heard_text']} —"
    final = [c for c in room.captions(Side.ASSISTANT) if c.turn == 1][-1]
    assert final.final
    assert final.text[: final.heard] == cut["heard_text"]


def test_a_backchannel_lets_the_answer_go_on_without_losing_a_word() -> None:
    recogniser = FakeRecogniser(["what time is it", "mhm"])
    room = Room(recogniser=recogniser, chat=FakeChat(LONG), judges=JUDGES)
    room.say(1.0, 0.3)
    room.speaking()
    room.sim.run_for(1.0)
    room.say(0.35)
    turn = room.turn()
    assert len(room.of("pause")) == len(room.of("resume")) == 1
    assert not turn["cut"]
    assert turn["heard_text"] == turn["reply_text"]
    # All of the answer and what was repeated of it, and nothing else.
    loud_s = (np.abs(room.device.played()) > 0.01).sum() / 48_000
    assert loud_s == pytest.approx(turn["heard_s"] + 0.22, abs=0.1)


def test_words_of_a_murmur_are_no_front_of_what_is_said_long_after_it() -> None:
    recogniser = FakeRecogniser(["what time is it", "mhm mhm mhm"])
    judges = replace(JUDGES, backchannel=lambda text: {*text.split()} <= {"mhm"})
    room = Room(recogniser=recogniser, chat=FakeChat(LONG), judges=judges)
    room.say(1.0, 0.3)
    room.speaking()
    room.sim.run_for(0.5)
    room.say(0.7)
    assert room.sim.run_until(lambda _: bool(room.of("resume")), 3.0)
    assert any(partial["stable"] == "mhm mhm" for partial in room.of("partial"))
    recogniser.lines = ["and in paris"]
    room.sim.run_for(0.6)
    again_s = room.sim.now_s
    room.say(0.9)
    room.turn()
    later = [each for each in room.of("partial") if each["at_s"] > again_s]
    assert {each["stable"] for each in later} <= {"", "and in"}
    assert later


def test_a_click_and_words_that_are_none_show_nothing() -> None:
    room = Room(recogniser=FakeRecogniser(["..."]))
    room.say(0.05, 0.3)
    room.say(0.6, 1.5)
    room.sim.run_for(4.0)
    assert room.sim.phase is Phase.LISTENING
    assert not room.of("turn")
    assert not room.chat.told
    assert not room.captions(Side.USER)


def test_partials_are_shown_and_a_turn_that_came_to_nothing_is_taken_away() -> None:
    room = Room(recogniser=FakeRecogniser(["hello there my", "hello there my", "..."]))
    room.say(0.8, 0.3)
    room.sim.run_for(3.0)
    shown = room.captions(Side.USER)
    assert shown
    assert not shown[0].final
    assert shown[-1].text[: shown[-1].sure] == "hello there"
    assert CaptionRemoved(shown[0].turn, Side.USER) in room.sim.shown


def test_typed_words_are_answered_and_remembered() -> None:
    room = Room()
    room.sim.run_for(0.1)
    room.sim.tell(ev.Typed(0.0, "Hello there."))
    turn = room.turn()
    assert turn["user_text"] == "Hello there."
    assert room.captions(Side.USER)[-1].typed
    assert room.conversation.context[0][:2] == ("user", "Hello there.")
    assert not turn["cut"]


def test_esc_before_a_sound_forgets_the_answer() -> None:
    room = Room(judges=Judges(lambda *_: 0.0))
    room.say(1.0, 0.3)
    assert room.sim.run_until(lambda _: bool(room.of("reply_sound")), 10)
    room.sim.tell(ev.StopAsked(0.0))
    room.sim.run_for(1.0)
    assert room.conversation.context == []
    assert not np.abs(room.device.played()).any()
    assert room.sim.phase is Phase.LISTENING


def test_a_server_that_breaks_off_is_told_and_what_came_is_spoken() -> None:
    error = ServerError("The server broke off: ask again.")
    room = Room(chat=FakeChat(("So far ", "so good. "), error))
    room.say(1.0, 0.3)
    turn = room.turn()
    assert turn["heard_text"] == "So far so good."
    assert room.notices() == [str(error)]


def test_an_engine_that_fails_leaves_the_answer_in_text_and_the_talk_goes_on() -> None:
    speech = FakeSpeech(error_after=2)
    room = Room(speech=speech)
    room.say(1.0, 0.3)
    turn = room.turn()
    assert turn["reply_text"] == "I am a fake, and I say so myself."
    assert any("fake engine failed" in notice for notice in room.notices())
    speech.error_after = None
    room.say(1.0, 0.5)
    assert room.turn(2)["heard_s"] > 1.0


def test_a_recogniser_that_fails_is_told_and_listening_goes_on() -> None:
    class Broken:
        def transcribe(self, at_16k: object) -> str:
            raise SpeechError("The recogniser failed: try again.")

    room = Room(recogniser=Broken())
    room.say(1.0, 0.3)
    room.sim.run_for(4.0)
    assert room.notices() == ["The recogniser failed: try again."]
    assert room.sim.phase is Phase.LISTENING


def test_a_model_that_says_nothing_is_given_up() -> None:
    room = Room(step_s=20.0, recogniser=FakeRecogniser(["hello"]))
    room.sim.run_for(0.1)
    room.sim.tell(ev.Typed(0.0, "Hello."))
    room.sim.run_for(12.0)
    assert ["said nothing for 10 s" in notice for notice in room.notices()] == [True]
    assert room.sim.phase is Phase.LISTENING


def test_unplugged_in_mid_sentence_what_was_said_is_answered_and_listening_goes_on() -> None:
    room = Room()
    room.say(3.0, 0.3)
    room.device.unplug(1.5, 1.0)
    turn = room.turn()
    assert turn["user_text"]
    assert room.of("sound_lost")[0]["gap_s"] == pytest.approx(1.0, abs=0.05)
    assert room.echo.resets == 1
    room.sim.run_for(3.0)
    room.say(1.0, 0.5)
    assert room.sim.run_until(lambda _: len(room.of("turn")) >= 2, 20)


def test_two_runs_are_alike_to_the_sample() -> None:
    rooms = [Room(chat=FakeChat(LONG), judges=JUDGES) for _ in range(2)]
    for room in rooms:
        room.say(1.0, 0.3)
        room.say(1.0, 3.3)
        room.sim.run_for(9.0)
    assert rooms[0].sim.log == rooms[1].sim.log
    assert (rooms[0].device.played() == rooms[1].device.played()).all()


def test_a_patient_policy_answers_later() -> None:
    waited = []
    for patience in (0.0, 1.0):
        room = Room(policy=replace(Policy(judges=Judges(lambda *_: 0.6)), patience=patience))
        ends_s = room.say(1.0, 0.3)
        room.speaking()
        waited.append(room.of("release")[0]["at_s"] - ends_s)
    assert waited[0] < waited[1] - 0.2
