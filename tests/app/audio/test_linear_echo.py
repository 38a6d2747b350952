from __future__ import annotations

import numpy as np
import pytest

from app.audio.linear_echo import DELAY_SAMPLES, LinearEcho
from app.audio.room import ROOMS, room
from app.audio.virtual import VirtualDevice
from tests.fakes.voices48 import Feeder, assistant_24k, db, joined, user_48k


def _run(echo: LinearEcho, near: np.ndarray, far: np.ndarray) -> np.ndarray:
    blocks = zip(near.reshape(-1, 480), far.reshape(-1, 480), strict=True)
    return np.concatenate([echo.process(one, other) for one, other in blocks])


def _sound(name: str, user_db: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    device = VirtualDevice(room=room(name, -10.0), seed=3)
    device.noise("room", -75.0)
    if user_db is not None:
        device.say(user_48k(3, user_db), at_s=6.0)
    return joined(Feeder(device, assistant_24k(8.5)).steps(8.5))


def test_while_nothing_is_played_the_microphone_goes_through_to_the_bit() -> None:
    near = np.random.default_rng(0).standard_normal(480 * 50).astype(np.float32)
    out = _run(LinearEcho(), near, np.zeros_like(near))
    assert (out[DELAY_SAMPLES:] == near[:-DELAY_SAMPLES]).all()
    assert (out[:DELAY_SAMPLES] == 0).all()


@pytest.mark.parametrize("name", ROOMS)
def test_it_learns_a_room_in_a_few_seconds(name: str) -> None:
    near, far = _sound(name)
    left = _run(LinearEcho(), near, far)
    late = slice(48_000 * 4, None)
    # A loudspeaker that distorts cannot be modelled so well.
    assert db(near[late]) - db(left[late]) > (12 if name == "laptop" else 17)


def test_a_user_is_left_exactly_as_he_is() -> None:
    near, far = _sound("living room", -26.0)
    echo, _ = _sound("living room")
    user = (near - echo)[:-DELAY_SAMPLES]
    left = _run(LinearEcho(), near, far)[DELAY_SAMPLES:]
    speaking = slice(round(6.0 * 48_000), round(7.5 * 48_000))
    assert db((left - user)[speaking]) < db(user[speaking]) - 15


def test_learning_goes_on_after_the_user_has_spoken() -> None:
    near, far = _sound("desk", -16.0)
    left = _run(LinearEcho(), near, far)
    end = slice(round(8.0 * 48_000), None)
    assert db(near[end]) - db(left[end]) > 15


def test_an_unrelated_microphone_is_not_made_louder() -> None:
    random = np.random.default_rng(1)
    near = (0.01 * random.standard_normal(480 * 400)).astype(np.float32)
    far = (0.1 * random.standard_normal(480 * 400)).astype(np.float32)
    left = _run(LinearEcho(), near, far)
    assert db(left[48_000:]) < db(near[48_000:]) + 1.5


def test_a_room_that_turns_out_wrong_is_given_up_and_learnt_anew() -> None:
    near, far = _sound("desk")
    echo = LinearEcho()
    _run(echo, near, far)
    assert echo.changes == 0
    turned = _run(echo, -near, far)  # the worst of all rooms: what is learnt doubles the echo
    assert echo.changes + echo.failing >= 1
    end = slice(48_000 * 6, None)
    assert db(near[end]) - db(turned[end]) > 12


def test_reset_forgets() -> None:
    near, far = _sound("desk")
    echo = LinearEcho()
    first = _run(echo, near[:96_000], far[:96_000])
    echo.reset()
    assert (_run(echo, near[:96_000], far[:96_000]) == first).all()


def test_a_remembered_room_is_cancelled_at_once() -> None:
    near, far = _sound("desk")
    taught = LinearEcho()
    nothing = taught.learnt
    assert nothing is None
    _run(taught, near, far)
    learnt = taught.learnt
    assert learnt is not None
    first = slice(0, 480 * 60)
    again = LinearEcho()
    again.remember(*learnt)
    left = _run(again, near[first], far[first])
    assert db(near[first]) - db(left) > 12
    assert db(near[first]) - db(_run(LinearEcho(), near[first], far[first])) < 12
