"""Finding the mark again, and not finding what is not there. The README's table has the figures."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
import soxr

from engine.types import FloatArray
from engine.watermark.code import payload_of
from engine.watermark.detect import SURE, verify
from engine.watermark.embed import mark_whole
from tests.engine.watermark.conftest import RATE_HZ, speechlike


@pytest.fixture(scope="module")
def marked(speech: FloatArray) -> FloatArray:
    return mark_whole(speech, bytes(range(32)))


def resampled(samples: FloatArray, rate_hz: float) -> FloatArray:
    away = soxr.resample(samples, RATE_HZ, rate_hz)
    return np.asarray(soxr.resample(away, rate_hz, RATE_HZ), np.float32)


def test_a_mark_is_found_and_read(marked: FloatArray, key: bytes) -> None:
    verdict = verify(marked, key)
    assert verdict.found
    assert verdict.p_value < 1e-100
    assert verdict.payload == payload_of(key)
    assert verdict.speed == 1.0
    assert verdict.spans_s == ((0.0, 4.0),)


def test_no_mark_is_found_where_there_is_none(speech: FloatArray, key: bytes) -> None:
    verdict = verify(speech, key)
    assert not verdict.found
    assert verdict.p_value > 1e-3
    assert verdict.payload is None
    assert verdict.spans_s == ()


def test_the_mark_of_another_key_is_not_found(marked: FloatArray, other_key: bytes) -> None:
    verdict = verify(marked, other_key)
    assert not verdict.found
    assert verdict.p_value > 1e-3


def test_no_chance_is_too_small_over_many_keys(speech: FloatArray) -> None:
    # The bound is a bound: of 60 keys, one in ten may look as unlikely as one in ten, not more.
    keys = [number.to_bytes(32, "big") for number in range(60)]
    values = [verify(speech[:48_000], key, any_speed=False).p_value for key in keys]
    assert np.mean(np.array(values) < 0.1) <= 0.1
    assert min(values) > SURE


def test_a_piece_cut_out_anywhere_is_enough(marked: FloatArray, key: bytes) -> None:
    verdict = verify(marked[31_415 : 31_415 + 2 * RATE_HZ], key)
    assert verdict.found
    assert verdict.payload == payload_of(key)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_the_mark_survives_resampling(marked: FloatArray, key: bytes, rate_hz: int) -> None:
    assert verify(resampled(marked, rate_hz), key, any_speed=False).found


@pytest.mark.parametrize(("kind", "subtype"), [("MP3", "MPEG_LAYER_III"), ("OGG", "OPUS")])
def test_the_mark_survives_compression(
    marked: FloatArray, key: bytes, kind: str, subtype: str
) -> None:
    file = io.BytesIO()
    soundfile.write(file, marked, RATE_HZ, format=kind, subtype=subtype)
    file.seek(0)
    back, rate_hz = soundfile.read(file, dtype="float32")
    assert rate_hz == RATE_HZ
    assert verify(np.asarray(back, np.float32), key, any_speed=False).found


def test_the_mark_survives_sixteen_bits_softness_inversion_and_noise(
    marked: FloatArray, key: bytes
) -> None:
    rough = np.round(marked * 0.25 * 32_768) / 32_768
    noise = np.random.default_rng(0).standard_normal(len(rough)) * np.std(rough) * 0.03
    assert verify(np.asarray(-rough + noise, np.float32), key, any_speed=False).found


@pytest.mark.parametrize("speed", [0.991, 1.0004, 1.01])
def test_the_mark_is_found_at_another_speed(marked: FloatArray, key: bytes, speed: float) -> None:
    faster = np.asarray(soxr.resample(marked, RATE_HZ * speed, RATE_HZ), np.float32)
    verdict = verify(faster, key)
    assert verdict.found
    assert verdict.speed == pytest.approx(speed, abs=1e-4)
    assert not verify(faster, key, any_speed=False).found or abs(speed - 1) < 1e-3


def test_in_a_long_file_the_marked_part_is_named(key: bytes) -> None:
    other = speechlike(24.0, seed=1)
    other[12 * RATE_HZ : 16 * RATE_HZ] = mark_whole(other[12 * RATE_HZ : 16 * RATE_HZ], key)
    verdict = verify(other, key)
    assert verdict.found
    start_s, stop_s = verdict.spans_s[0]
    assert 5.0 <= start_s <= 12.0
    assert 16.0 <= stop_s <= 25.0


@pytest.mark.parametrize("length", [0, 1, 500, 12_000])
def test_what_is_too_short_or_silent_is_not_marked(length: int, key: bytes) -> None:
    assert not verify(np.zeros(length, np.float32), key).found
