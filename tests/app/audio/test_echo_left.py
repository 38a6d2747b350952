"""What a canceller leaves, and whether it may be of the echo."""

from __future__ import annotations

import numpy as np
import pytest

from app.audio.echo_left import LeftOver
from app.core.types import FloatArray

SURPRISE_DB = 9.0


def noise(count: int, db: float, seed: int) -> FloatArray:
    """(count, 160) of white noise at a level in dBFS."""
    samples = np.random.default_rng(seed).standard_normal((count, 160))
    return np.asarray(samples * 10 ** (db / 20), np.float32)


def syllables(count: int, seed: int) -> FloatArray:
    """(count, 160): how loud speech is from block to block, 0.05 to 1, four times a second."""
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    level = 0.05 + 0.95 * np.sin(np.arange(count) * np.pi * 0.04 + phase) ** 2
    return np.asarray(level[:, None], np.float32)


def echo_and_left(count: int, leak_db: float, seed: int) -> tuple[FloatArray, FloatArray]:
    """An echo at -30 dBFS and what is left of it, each with the rhythm of speech."""
    rhythm = syllables(count, seed)
    return rhythm * noise(count, -30.0, seed), rhythm * noise(count, -30.0 + leak_db, seed + 1)


def told(left_over: LeftOver, echo: FloatArray, left: FloatArray) -> list[float]:
    """What is told of each block."""
    found: list[float] = []
    for one, other in zip(echo, left, strict=True):
        left_over.block(one, other)
        found.append(left_over.unexplained_db)
    return found


@pytest.mark.parametrize("leak_db", [-30.0, -20.0, -8.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_usually_left_of_an_echo_is_explained(leak_db: float, seed: int) -> None:
    assert max(told(LeftOver(), *echo_and_left(800, leak_db, seed))[100:]) < SURPRISE_DB - 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_voice_quieter_than_the_echo_is_not_explained(seed: int) -> None:
    echo, left = echo_and_left(600, -30.0, seed)
    left[500:] += noise(100, -42.0, 9)
    found = told(LeftOver(), echo, left)
    assert max(found[100:500]) < SURPRISE_DB - 1
    assert min(found[500:]) > SURPRISE_DB


def test_one_band_alone_is_no_surprise() -> None:
    echo, left = echo_and_left(600, -30.0, 1)
    time_s = np.arange(100 * 160) / 16_000
    whistle = 0.002 * np.sin(2 * np.pi * 1_000 * time_s)
    left[500:] += (whistle * np.minimum(1, time_s / 0.2)).reshape(100, 160).astype(np.float32)
    assert max(told(LeftOver(), echo, left)[100:]) < SURPRISE_DB - 1


def test_a_hiss_that_is_mostly_high_is_not_explained() -> None:
    echo, left = echo_and_left(600, -30.0, 1)
    hiss = np.fft.rfft(noise(100, -45.0, 4), axis=1)
    hiss[:, :25] = 0  # below 2.5 kHz
    left[500:] += np.fft.irfft(hiss, axis=1).astype(np.float32)
    found = told(LeftOver(), echo, left)
    assert max(found[100:500]) < SURPRISE_DB - 1
    assert min(found[500:505]) > SURPRISE_DB


def test_an_echo_that_begins_again_is_explained_from_its_first_block() -> None:
    echo, left = echo_and_left(400, -20.0, 4)
    background = noise(900, -70.0, 5)
    left_over = LeftOver()
    told(left_over, echo, left + background[:400])
    for block in background[400:500]:
        left_over.quiet(block)
    again = told(left_over, echo, left + background[500:900])
    assert max(again) < SURPRISE_DB - 1


def test_while_the_room_is_unknown_nothing_is_told() -> None:
    left_over = LeftOver()
    first = told(left_over, noise(49, -60.0, 1), noise(49, -20.0, 2))
    assert max(first) == 0.0
    told(left_over, *echo_and_left(200, -20.0, 1))
    assert told(left_over, *(noise(3, each, 3) for each in (-60.0, -20.0)))[-1] > SURPRISE_DB
    left_over.forget()
    assert max(told(left_over, noise(49, -60.0, 1), noise(49, -20.0, 2))) == 0.0


def test_a_voice_that_goes_on_does_not_become_what_is_usually_left() -> None:
    echo, left = echo_and_left(1_000, -30.0, 2)
    left[400:600] += noise(200, -36.0, 8)
    left[700:] += noise(300, -36.0, 9)
    found = told(LeftOver(), echo, left)
    assert min(found[700:720]) > SURPRISE_DB


def test_noise_of_the_room_is_known_from_before_the_answer() -> None:
    left_over = LeftOver()
    told(left_over, *echo_and_left(100, -20.0, 1))
    background = noise(1_500, -45.0, 6)
    for block in background[:1_000]:
        left_over.quiet(block)
    echo, left = echo_and_left(400, -20.0, 3)
    left = np.asarray(0.001 * left + background[1_000:1_400], np.float32)
    assert max(told(left_over, np.float32(0.001) * echo, left)) < 1.0


def test_what_can_hardly_be_heard_is_no_surprise() -> None:
    left_over = LeftOver()
    silence = np.zeros((200, 160), np.float32)
    told(left_over, silence, silence)
    assert max(told(left_over, silence[:50], noise(50, -78.0, 1))) < 1.0
    assert max(told(left_over, silence[:50], noise(50, -55.0, 1))) > SURPRISE_DB


def test_exact_silence_is_no_trouble() -> None:
    silence = np.zeros((100, 160), np.float32)
    left_over = LeftOver()
    for block in silence:
        left_over.quiet(block)
    assert max(told(left_over, silence, silence)) == 0.0
