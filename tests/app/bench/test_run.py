"""The runner against a scripted conversation: what it makes happen, and what comes out as marks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.bench.run import Performer, repeated_s
from app.bench.sets import Item, Kind, Phrase, Scene, items
from app.bench.voices import Users
from tests.app.bench.fake_simulation import FakeStage, Script, ToneVoices


def perform(item: Item, script: Script) -> dict[str, float]:
    stage = FakeStage(script)
    ((kind, marks),) = Performer(stage, Users(ToneVoices())).perform(item)
    assert kind is item.kind
    assert all(simulation.closed for simulation in stage.made)
    return marks


def turn(*phrases: Phrase) -> Item:
    return Item("E2", Kind.TURN, 0, Scene(1), phrases=phrases, delay_s=0.5)


def over_answer(kind: Kind, delay_s: float = 1.0, **fields) -> Item:
    phrases = () if kind in (Kind.NOISE, Kind.ECHO) else (Phrase("one word"),)
    return Item("E4", kind, 0, Scene(1), phrases=phrases, prompt="Go.", delay_s=delay_s, **fields)


def test_a_turn_is_answered_after_its_end() -> None:
    marks = perform(turn(Phrase("how are you")), Script())
    assert marks["answered"] == 1
    assert marks["wrong_cut_raw"] == marks["wrong_cut_felt"] == 0
    assert marks["end_of_turn_ms"] == pytest.approx(250, abs=15)
    assert marks["reply_ms"] == pytest.approx(250, abs=25)


def test_an_answer_in_a_pause_is_a_wrong_cut() -> None:
    item = turn(Phrase("I want and"), Phrase("some bread please", 1.0))
    marks = perform(item, Script(early_cut=True, reply_s=10.0))
    assert marks["wrong_cut_raw"] == 1
    assert marks["wrong_cut_felt"] == 1
    assert marks["answered"] == 0


def test_a_pause_is_as_long_as_asked() -> None:
    stage = FakeStage(Script())
    item = turn(Phrase("I want and"), Phrase("some bread please", 1.0))
    take = Performer(stage, Users(ToneVoices())).take(item)
    first, second = take.said
    assert second.start_s - first.end_s == pytest.approx(1.0, abs=1e-4)
    assert first.end_s - first.start_s == pytest.approx(1.5, abs=0.012)


def test_an_interruption_that_works() -> None:
    marks = perform(over_answer(Kind.INTERRUPTION), Script(reaction="cut"))
    assert marks["barge_in"] == 1
    assert marks["duck_ms"] == pytest.approx(200, abs=15)
    assert marks["stop_ms"] == pytest.approx(200, abs=20)
    assert marks["heard_words_off"] == 0


def test_an_interruption_that_is_ignored() -> None:
    marks = perform(over_answer(Kind.INTERRUPTION), Script(reply_s=12.0))
    assert marks["barge_in"] == 0
    assert "stop_ms" not in marks


def test_a_murmur_that_costs_a_pause() -> None:
    marks = perform(over_answer(Kind.MURMUR), Script(reaction="pause"))
    assert marks["stopped"] == 0
    assert marks["resumed"] == marks["paused"] == 1
    assert marks["repeated_words"] == pytest.approx(0.2 * 2, abs=0.05)
    assert marks["lost_words"] == 0


def test_a_murmur_that_ends_the_answer() -> None:
    marks = perform(over_answer(Kind.MURMUR), Script(reaction="cut"))
    assert marks["stopped"] == 1
    assert marks["resumed"] == 0


def test_a_noise_that_nobody_minds() -> None:
    marks = perform(over_answer(Kind.NOISE, sound="door"), Script())
    assert marks["stopped"] == marks["paused"] == marks["ducked"] == 0
    assert "resumed" not in marks


def test_an_answer_that_is_too_short_is_tried_again_earlier_and_then_given_up() -> None:
    stage = FakeStage(Script(reply_s=0.6))
    item = over_answer(Kind.MURMUR, delay_s=8.0)
    ((_, marks),) = Performer(stage, Users(ToneVoices())).perform(item)
    assert marks == {"void": 1.0}
    assert len(stage.made) == 3


@pytest.mark.parametrize("kind", [Kind.ECHO, Kind.MURMUR])
def test_an_assistant_that_does_not_speak_is_told_apart(kind: Kind) -> None:
    marks = perform(over_answer(kind), Script(dumb=True))
    assert marks == {"void": 1.0, "no_answer": 1.0}


def test_echo_is_measured_while_the_answer_plays() -> None:
    marks = perform(over_answer(Kind.ECHO), Script(reply_s=5.0))
    assert marks["self_interruptions"] == 0
    assert marks["talk_s"] == pytest.approx(5.0, abs=0.1)
    assert marks["erle_db"] == pytest.approx(20.0, abs=0.1)


def test_quiet_is_observed_for_as_long_as_asked() -> None:
    item = Item("E9", Kind.QUIET, 0, Scene(1), sound="cough", delay_s=1.0, seconds=5.0)
    stage = FakeStage(Script(release_s=100.0))
    ((_, marks),) = Performer(stage, Users(ToneVoices())).perform(item)
    assert marks["seconds"] == pytest.approx(5.0, abs=0.05)
    assert marks["hallucinated_turns"] == 0
    assert len(stage.made[0].device.said) == 1


def test_the_same_item_gives_the_same_marks() -> None:
    (item,) = items("E4", 1, seed=3)
    item = replace(item, delay_s=0.7)
    script = Script(reaction="cut", reply_s=6.0)
    assert perform(item, script) == perform(item, script)


def test_a_soak_does_everything_in_turn() -> None:
    (item,) = items("E10", seed=1)
    stage = FakeStage(Script(reply_s=3.0))
    parts = Performer(stage, Users(ToneVoices())).perform(replace(item, seconds=300.0))
    kinds = {kind for kind, _ in parts}
    assert {Kind.SOAK, Kind.TURN} <= kinds
    assert len(kinds) >= 4
    assert parts[-1][0] is Kind.SOAK
    assert parts[-1][1]["minutes"] >= 5
    assert len(stage.made) == 1


def test_users_are_audible_from_the_first_sample_to_the_last() -> None:
    sound = Users(ToneVoices()).say("two words", 3)
    assert len(sound) == pytest.approx(48_000, abs=500)
    assert np.abs(sound[:240]).max() > 0.01
    assert np.abs(sound[-240:]).max() > 0.01


def _hum(seconds: float, seed: int = 0) -> np.ndarray:
    """Something like a vowel, which is much like itself one period later, slowly changing."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * 48_000)) / 48_000
    knots = rng.uniform(90, 160, round(seconds * 4) + 2)
    pitch = np.cumsum(np.interp(time * 4, np.arange(len(knots)), knots)) / 48_000
    tone = sum(np.sin(2 * np.pi * n * pitch) / n for n in range(1, 8))
    syllables = 0.1 + np.abs(np.sin(9 * time + seed))
    return (syllables * (tone + 0.05 * rng.standard_normal(len(time)))).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.1, 0.22, 0.9])
def test_what_is_played_twice_is_measured_whatever_its_level(seconds: float) -> None:
    whole, count = _hum(3.0), round(seconds * 48_000)
    before, after = whole[:72_000].copy(), whole[72_000 - count : 140_000].copy()
    before[-count:] *= 0.25  # lowered
    before[-960:] *= np.linspace(1.0, 0.0, 960, dtype=np.float32)
    after[:4800] *= np.linspace(0.25, 1.0, 4800, dtype=np.float32)
    after[:960] *= np.linspace(0.0, 1.0, 960, dtype=np.float32)
    assert repeated_s(before, after) == pytest.approx(seconds, abs=0.01)


def test_what_is_new_is_no_repetition() -> None:
    noise = np.random.default_rng(1).standard_normal(144_000).astype(np.float32)
    assert repeated_s(noise[:72_000], noise[72_000:]) is None
    assert repeated_s(noise[:0], noise) is None
