"""The sets: enough items, the same every time, and each as its set says."""

from __future__ import annotations

import numpy as np
import pytest

from app.audio.room import LEVELS_DB, ROOMS
from app.bench.noises import NOISES, noise
from app.bench.sets import DEFAULT_ITEMS, SETS, Kind, items
from app.core.turn_end import finished
from app.core.turn_text import is_backchannel


@pytest.mark.parametrize("name", [name for name in SETS if name != "E10"])
def test_a_set_is_large_enough_and_the_same_every_time(name: str) -> None:
    made = items(name)
    assert len(made) == DEFAULT_ITEMS >= 50
    assert made == items(name)
    assert made[:7] == items(name, 7)
    assert made != items(name, seed=1)
    assert [item.number for item in made] == list(range(len(made)))
    assert len({item.scene.seed for item in made}) == len(made)


def test_the_soak_is_one_hour() -> None:
    (item,) = items("E10", 50)
    assert item.seconds == 3600


def test_pauses_are_in_the_middle_of_something() -> None:
    for item in items("E2"):
        first, second = item.phrases
        assert 0.3 <= second.pause_s <= 1.8
        # What comes before the pause asks for more, or asks for time.
        assert finished(first.text) < 0.4, first.text
        assert finished(item.text) >= finished(first.text), item.text


def test_short_answers_are_short_and_murmurs_are_murmurs() -> None:
    assert all(len(item.text.split()) <= 3 for item in items("E3"))
    assert all(is_backchannel(item.text) for item in items("E5"))
    assert not any(is_backchannel(item.text) for item in items("E4"))


def test_echo_is_tried_in_every_room_at_every_level() -> None:
    for name in ("E7", "E8"):
        found = [(item.scene.room, item.scene.level_db) for item in items(name)]
        assert {found.count((room, level)) for room in ROOMS for level in LEVELS_DB} == {5}
    assert all(item.scene.room is None for item in items("E4"))


def test_what_needs_an_answer_to_interrupt_has_a_prompt() -> None:
    for name, (kind, _) in SETS.items():
        speaking = kind in (Kind.INTERRUPTION, Kind.MURMUR, Kind.NOISE, Kind.ECHO)
        assert all(bool(item.prompt) == speaking for item in items(name, 12))


@pytest.mark.parametrize("kind", NOISES)
def test_a_noise_is_loud_short_and_its_own(kind: str) -> None:
    sound = noise(kind, 5)
    assert np.abs(sound).max() == pytest.approx(1.0)
    assert 0.15 < len(sound) / 48_000 < 4.0
    assert (sound == noise(kind, 5)).all()
    other = noise(kind, 6)
    assert len(sound) != len(other) or (sound != other).any()


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(KeyError):
        items("E11")
