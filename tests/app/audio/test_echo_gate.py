"""The gate on the virtual device: echo alone, a user beside it, and a user alone."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from app.audio.echo_gate import EchoGate
from app.audio.room import ROOMS, room
from app.audio.virtual import VirtualDevice
from tests.fakes.voices48 import Feeder, assistant_24k, joined, user_48k

PLAYED_S = 9.0
USER_S = 7.0


@cache
def _sound(name: str, level_db: float, user_db: float | None) -> tuple[np.ndarray, np.ndarray]:
    device = VirtualDevice(room=room(name, level_db) if name else None)
    device.noise("room", -65.0)
    if user_db is not None:
        device.say(user_48k(2, user_db), at_s=USER_S)
    return joined(Feeder(device, assistant_24k(PLAYED_S)).steps(PLAYED_S))


def _judged(near: np.ndarray, clean: np.ndarray, far: np.ndarray) -> np.ndarray:
    """``explained`` after every third block."""
    gate, out = EchoGate(), []
    for at in range(0, len(near) - 479, 480):
        here = slice(at, at + 480)
        gate.push(near[here], clean[here], far[here])
        if at % 1_440 == 0:
            out.append(gate.explained())
    return np.array(out)


def _between(values: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
    return values[round(start_s / 0.03) : round(end_s / 0.03)]


@pytest.mark.parametrize("name", ROOMS)
@pytest.mark.parametrize("left_db", [0.0, -20.0])
def test_echo_alone_is_explained_cancelled_or_not(name: str, left_db: float) -> None:
    near, far = _sound(name, -20.0, None)
    explained = _judged(near, near * np.float32(10 ** (left_db / 20)), far)
    assert np.median(_between(explained, 1.0, PLAYED_S)) > 0.95
    # Also in the pauses between words few windows are doubtful.
    assert (_between(explained, 1.0, PLAYED_S) < 0.5).mean() < 0.1


@pytest.mark.parametrize("name", ROOMS)
def test_a_user_beside_the_echo_is_not(name: str) -> None:
    near, far = _sound(name, -20.0, -26.0)
    echo, _ = _sound(name, -20.0, None)
    user = near - echo
    clean = user + np.float32(0.1) * echo  # the canceller took 20 dB away
    explained = _judged(near, clean, far)
    assert np.median(_between(explained, 4.0, USER_S)) > 0.95
    speaking = _between(explained, USER_S + 0.25, USER_S + 1.5)
    assert np.median(speaking) < 0.05
    assert (speaking > 0.5).mean() < 0.1


def test_a_user_quieter_than_a_loud_echo_is_not_once_it_is_cancelled() -> None:
    near, far = _sound("living room", -10.0, -36.0)
    echo, _ = _sound("living room", -10.0, None)
    clean = near - echo + np.float32(0.03) * echo
    speaking = _between(_judged(near, clean, far), USER_S + 0.25, USER_S + 1.5)
    assert np.median(speaking) < 0.5


def test_a_user_alone_is_not_explained_at_all() -> None:
    near, far = _sound("", 0.0, -26.0)
    explained = _judged(near, near, far)
    speaking = _between(explained, USER_S + 0.1, USER_S + 1.5)
    assert (speaking > 0.5).mean() < 0.05
    silent = _judged(near, near, np.zeros_like(far))
    assert silent.max() == 0


@pytest.mark.parametrize("extra_ms", [0, 100, 200, 350])
def test_the_delay_is_found(extra_ms: int) -> None:
    near, far = _sound("desk", -20.0, None)
    late = np.concatenate([np.zeros(extra_ms * 48, np.float32), near])[: len(near)]
    gate = EchoGate()
    for at in range(0, len(near) - 479, 480):
        here = slice(at, at + 480)
        gate.push(late[here], late[here], far[here])
    # 50 ms of devices, a little of room, in steps of 20 ms.
    assert gate.delay_s == pytest.approx(0.055 + extra_ms / 1000, abs=0.025)
    assert gate.explained() > 0.8


def test_a_delay_that_changes_is_found_again() -> None:
    near, far = _sound("desk", -20.0, None)
    half = len(near) // 2
    late = np.concatenate([near[:half], near[half - 200 * 48 : -200 * 48]])
    explained = _judged(late, late, far)
    assert np.median(_between(explained, 7.0, PLAYED_S)) > 0.9


def test_how_often_it_is_asked_changes_little() -> None:
    near, far = _sound("desk", -20.0, None)
    one, other = EchoGate(), EchoGate()
    for at in range(0, 480 * 600, 480):
        here = slice(at, at + 480)
        one.push(near[here], near[here], far[here])
        other.push(near[here], near[here], far[here])
        other.explained()
    assert one.explained() == pytest.approx(other.explained(), abs=0.1)


def test_reset_forgets() -> None:
    near, far = _sound("desk", -20.0, None)
    gate = EchoGate()

    def run() -> list[float]:
        out = []
        for at in range(0, 480 * 200, 480):
            here = slice(at, at + 480)
            gate.push(near[here], near[here], far[here])
            out.append(gate.explained())
        return out

    first = run()
    gate.reset()
    assert run() == first


def test_a_microphone_of_exact_zeros_explains_nothing() -> None:
    _, far = _sound("desk", -20.0, None)
    judged = _judged(np.zeros_like(far), np.zeros_like(far), far)
    assert not judged.any()


def test_a_soft_user_beside_a_badly_cancelled_echo_is_found_within_90_ms() -> None:
    near, far = _sound("living room", -10.0, -32.0)
    echo, _ = _sound("living room", -10.0, None)
    clean = near - echo + np.float32(0.3) * echo
    begun = _between(_judged(near, clean, far), USER_S, USER_S + 0.4)
    assert (begun[2:] < 0.5).all()


def test_where_nearly_all_is_cancelled_a_smeared_echo_is_still_an_echo() -> None:
    # The room smears the rise and fall that a correlation looks for.
    near, far = _sound("living room", -10.0, None)
    random = np.random.default_rng(4)
    slow = np.repeat(10 ** random.uniform(-0.5, 0.5, len(near) // 4800 + 1), 4800)[: len(near)]
    smeared = (near * slow).astype(np.float32)
    explained = _judged(smeared, np.float32(0.03) * near, far)
    assert (_between(explained, 4.0, PLAYED_S) < 0.7).mean() < 0.15
