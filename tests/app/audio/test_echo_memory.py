"""Rooms remembered: right, wrong, exchanged, and none at all."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from app.audio.echo import WebRtcEcho
from app.audio.echo_memory import RememberingEcho
from app.audio.echo_state import EchoState, EchoStore, Pair
from app.audio.room import room
from app.audio.virtual import VirtualDevice
from tests.fakes.voices48 import Feeder, assistant_24k, db, joined

DESK: Pair = ("Microphone", "Loudspeaker")
QUIET = np.zeros(480, np.float32)


@cache
def _sound(name: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """0.3 s of quiet, then an answer at -10 dB: three seconds of it, or nine with headphones ("")."""
    there = room(name, -10.0, seed) if name else None
    seconds = 3.2 if name else 9.0
    device = VirtualDevice(room=there, seed=2)
    device.noise("room", -75.0)
    quiet = [device.step() for _ in range(30)]
    return joined(quiet + Feeder(device, assistant_24k(9.0)).steps(seconds))


def _run(
    echo: WebRtcEcho | RememberingEcho, sound: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, list[float]]:
    """The cleaned microphone, and how much was explained every 30 ms."""
    near, far = (each.reshape(-1, 480) for each in sound)
    out, explained = [], []
    for number, (one, other) in enumerate(zip(near, far, strict=True)):
        out.append(echo.process(one, other))
        if number % 3 == 0:
            explained.append(echo.explained())
    return np.concatenate(out), explained


@cache
def _learnt(name: str) -> EchoState:
    echo = WebRtcEcho()
    _run(echo, _sound(name))
    state = echo.state()
    assert state is not None and state.room is not None and state.fits_together()
    return state


def _left_db(sound: tuple[np.ndarray, np.ndarray], state: EchoState | None) -> float:
    """What is left of the first second of the echo, relative to what was heard."""
    echo = WebRtcEcho()
    if state is not None:
        echo.recall(state)
    clean, _ = _run(echo, sound)
    # It comes 80 ms after the 0.3 s of quiet, and the cleaned sound is 11 ms later.
    first = slice(35 * 480, 135 * 480)
    return db(clean[first]) - db(sound[0][first])


def test_a_remembered_room_is_cancelled_from_the_first_word_on() -> None:
    sound = _sound("living room")
    assert _left_db(sound, None) > -15
    assert _left_db(sound, _learnt("living room")) < _left_db(sound, None) - 8
    # The microphone a centimetre elsewhere, everything beyond arm's length in other places.
    moved = _sound("living room", seed=5)
    assert _left_db(moved, _learnt("living room")) < _left_db(moved, None) + 1


def test_a_wrong_room_is_given_up_before_it_does_harm() -> None:
    for wrong in ("living room", "laptop"):
        for there in ("desk", "kitchen"):
            sound = _sound(there)
            assert _left_db(sound, _learnt(wrong)) < _left_db(sound, None) + 1.5


def test_a_room_that_was_left_for_headphones_adds_nothing_to_hear() -> None:
    echo = WebRtcEcho()
    echo.recall(_learnt("desk"))
    clean, explained = _run(echo, _sound(""))
    usual, _ = _run(WebRtcEcho(), _sound(""))
    assert db(clean) < db(usual) + 1
    assert max(explained[40:]) < 0.3


def test_a_session_begins_with_what_the_last_one_learnt(tmp_path: Path) -> None:
    store, greeted = EchoStore(tmp_path), []

    def session() -> float:
        echo = RememberingEcho(WebRtcEcho(), store, lambda: DESK, lambda: greeted.append(1))
        sound = _sound("desk")
        clean, _ = _run(echo, sound)
        echo.remember()
        return db(clean[35 * 480 : 135 * 480])

    first, second = session(), session()
    assert second < first - 5
    assert len(greeted) == 1


def test_each_new_pair_is_greeted_once_and_a_gap_forgets_nothing(tmp_path: Path) -> None:
    now, greeted = [DESK], []
    echo = RememberingEcho(
        WebRtcEcho(), EchoStore(tmp_path), lambda: now[0], lambda: greeted.append(now[0])
    )
    _run(echo, _sound("desk"))
    echo.reset()
    assert not echo.settled
    clean, _ = _run(echo, _sound("desk"))
    assert db(clean[35 * 480 : 135 * 480]) < db(_sound("desk")[0][35 * 480 : 135 * 480]) - 12
    now[0] = ("Microphone", "Headphones")
    echo.reset()
    echo.process(QUIET, QUIET)
    now[0] = DESK
    echo.reset()
    echo.process(QUIET, QUIET)
    assert greeted == [DESK, ("Microphone", "Headphones")]


def test_devices_exchanged_without_a_gap_have_rooms_of_their_own(tmp_path: Path) -> None:
    store, now = EchoStore(tmp_path), [DESK]
    echo = RememberingEcho(WebRtcEcho(), store, lambda: now[0])
    _run(echo, _sound("desk"))
    assert store.load(DESK) is None  # not yet
    now[0] = ("Microphone", "Headphones")
    echo.process(QUIET, QUIET)
    assert not echo.settled
    learnt = store.load(DESK)
    assert learnt is not None and learnt.room is not None
    now[0] = ("", "Headphones")
    echo.process(QUIET, QUIET)
    echo.remember()
    assert store.load(("Microphone", "Headphones")) is None


def test_without_devices_nothing_is_greeted_or_kept(tmp_path: Path) -> None:
    names, greeted = [("Microphone", "")], []
    echo = RememberingEcho(
        WebRtcEcho(), EchoStore(tmp_path), lambda: names[0], lambda: greeted.append(1)
    )
    echo.process(QUIET, QUIET)
    echo.remember()
    assert not greeted and not [*tmp_path.iterdir()]
    names[0] = DESK  # plugged in
    echo.process(QUIET, QUIET)
    assert greeted == [1]


def test_headphones_are_greeted_the_first_time_only(tmp_path: Path) -> None:
    greeted: list[int] = []
    for _ in range(2):
        echo = RememberingEcho(
            WebRtcEcho(), EchoStore(tmp_path), lambda: DESK, lambda: greeted.append(1)
        )
        _run(echo, _sound(""))
        assert echo.settled and echo.erle_db is None
        echo.remember()
    assert greeted == [1]
