"""The two figures of audibility, on sounds of which the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evaluation.audibility import noise_to_mask_db, segmental_ratio_db
from engine.types import FloatArray
from tests.engine.watermark.conftest import speechlike


def white(count: int, seed: int = 1) -> FloatArray:
    return np.asarray(np.random.default_rng(seed).standard_normal(count), np.float32)


def test_the_ratio_is_that_of_the_powers() -> None:
    sound = white(24_000)
    ratio = segmental_ratio_db(sound, sound * np.float32(0.1))
    np.testing.assert_allclose(ratio, 20.0, atol=1e-3)


def test_pauses_do_not_count() -> None:
    sound = np.concatenate([white(4800), np.zeros(48_000, np.float32)])
    added = np.full_like(sound, 0.1)
    assert len(segmental_ratio_db(sound, added)) == 10


def test_loud_noise_is_over_the_mask_and_faint_noise_under_it() -> None:
    sound = speechlike(2.0)
    noise = white(len(sound)) * np.float32(np.std(sound))
    assert np.mean(noise_to_mask_db(sound, noise) > 0) > 0.8
    assert np.mean(noise_to_mask_db(sound, noise * np.float32(1e-5)) > 0) == 0


def test_ten_decibels_more_noise_is_ten_decibels_more() -> None:
    sound = speechlike(1.0)
    noise = white(len(sound)) * np.float32(0.01)
    louder = noise * np.float32(10**0.5)
    difference = noise_to_mask_db(sound, louder) - noise_to_mask_db(sound, noise)
    assert np.median(difference) == pytest.approx(10, abs=0.01)


def test_a_tone_hides_less_noise_than_noise_does() -> None:
    tone = np.sin(2 * np.pi * 2000 * np.arange(24_000) / 24_000).astype(np.float32)
    beside = white(24_000)
    band = slice(12, 14)  # around 2 kHz
    under_tone = noise_to_mask_db(tone, beside * np.float32(0.01))[:, band]
    under_noise = noise_to_mask_db(beside, white(24_000, 2) * np.float32(0.01))[:, band]
    # The same power to hide behind: the tone's is all in these bands, the noise's spread over all.
    assert under_tone.mean() - under_noise.mean() > -10
    assert noise_to_mask_db(beside, beside)[:, band].mean() == pytest.approx(5.5, abs=3)
