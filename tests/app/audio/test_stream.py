"""Converting piece by piece gives what converting at once gives, to the last sample."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.audio.stream import SeamlessResampler
from app.core.types import FloatArray

RATES = [16_000, 22_050, 24_000, 44_100, 48_000, 96_000]


def noise(count: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, count).astype(np.float32)


def played(upsampler: SeamlessResampler, pieces: list[FloatArray]) -> FloatArray:
    """What a ring holds after the pieces: every final part, and the last tail."""
    finals: list[FloatArray] = []
    tail = np.zeros(0, np.float32)
    for piece in pieces:
        final, tail = upsampler.push(piece)
        finals.append(final)
    return np.concatenate([*finals, tail])


@pytest.mark.parametrize("rate", RATES)
@given(sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=8))
@example(sizes=[1, 1, 1, 2037, 3000])  # 4630.5 samples at 22 050 Hz
@settings(max_examples=15)
def test_pieces_make_the_whole(rate: int, sizes: list[int]) -> None:
    speech = noise(sum(sizes))
    pieces = np.split(speech, np.cumsum(sizes)[:-1])
    upsampler = SeamlessResampler(24_000, rate)
    made = played(upsampler, pieces)
    whole = soxr.resample(speech, 24_000, rate)
    assert len(made) == upsampler.count(len(speech))
    shared = min(len(made), len(whole))
    assert abs(len(made) - len(whole)) <= 1
    np.testing.assert_allclose(made[:shared], whole[:shared], atol=2e-5)


@pytest.mark.parametrize("rate", RATES)
def test_the_tail_is_there_before_the_next_piece(rate: int) -> None:
    final, tail = SeamlessResampler(24_000, rate).push(noise(1920))
    assert len(final) + len(tail) == round(1920 * rate / 24_000)


@pytest.mark.parametrize("rate", RATES)
def test_a_long_stream_keeps_little(rate: int) -> None:
    upsampler = SeamlessResampler(24_000, rate)
    for number in range(40):
        upsampler.push(noise(1920, number))
    assert len(upsampler._context) < 24_000 * 0.015 + 320


@pytest.mark.parametrize("rate", RATES)
@given(sizes=st.lists(st.integers(0, 2000), min_size=1, max_size=20))
@settings(max_examples=15)
def test_a_stream_follows_its_input_without_shift(rate: int, sizes: list[int]) -> None:
    sound = noise(sum(sizes))
    stream = SeamlessResampler(rate, 48_000)
    made = np.concatenate([stream.stream(part) for part in np.split(sound, np.cumsum(sizes)[:-1])])
    whole = soxr.resample(sound, rate, 48_000) if len(sound) else sound
    assert 0 <= len(whole) - len(made) <= 0.006 * 48_000 + 1
    np.testing.assert_allclose(made, whole[: len(made)], atol=3e-5)
