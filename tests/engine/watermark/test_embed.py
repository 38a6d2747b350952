"""Putting the mark on: in the stream, inaudibly, and never where there is no sound."""

from __future__ import annotations

import numpy as np
import pytest

from engine.types import FloatArray
from engine.watermark.code import PERIOD
from engine.watermark.embed import Marker, mark_whole

FRAME = 1920


def streamed(samples: FloatArray, key: bytes, size: int = FRAME) -> FloatArray:
    marker = Marker(key)
    return np.concatenate(
        [marker.frame(samples[at : at + size]) for at in range(0, len(samples), size)]
    )


def whole_frames(samples: FloatArray) -> FloatArray:
    return samples[: len(samples) // FRAME * FRAME]


@pytest.mark.parametrize("size", [160, 1920, 3 * 1920])
def test_marked_in_frames_of_any_size_is_the_same_as_at_once(
    speech: FloatArray, key: bytes, size: int
) -> None:
    speech = whole_frames(speech)[: 24 * FRAME]
    np.testing.assert_allclose(streamed(speech, key, size), mark_whole(speech, key), atol=1e-6)


def test_a_frame_comes_out_as_long_as_it_went_in_and_of_the_same_kind(key: bytes) -> None:
    frame = np.full(FRAME, 0.1, np.float32)
    out = Marker(key).frame(frame)
    assert out.shape == (FRAME,)
    assert out.dtype == np.float32


def test_what_is_said_now_does_not_depend_on_what_comes(speech: FloatArray, key: bytes) -> None:
    speech = whole_frames(speech)
    changed = speech.copy()
    changed[10 * FRAME :] = 0.3
    np.testing.assert_array_equal(
        streamed(speech, key)[: 10 * FRAME], streamed(changed, key)[: 10 * FRAME]
    )


def test_the_same_key_and_place_give_the_same_sound_and_another_place_another(
    speech: FloatArray, key: bytes
) -> None:
    np.testing.assert_array_equal(mark_whole(speech, key), mark_whole(speech, key))
    np.testing.assert_array_equal(mark_whole(speech, key), mark_whole(speech, key, PERIOD))
    assert np.abs(mark_whole(speech, key) - mark_whole(speech, key, 7)).max() > 1e-4


def test_the_mark_goes_on_over_the_end_of_its_period(speech: FloatArray, key: bytes) -> None:
    speech = whole_frames(speech)
    late = mark_whole(speech, key, PERIOD - 3 * FRAME)
    early = Marker(key)
    # With the same sound before, the place three frames on is the beginning of the next period.
    parts = [early.frame(speech[: 3 * FRAME])]
    assert len(parts[0]) == 3 * FRAME
    wrapped = late[4 * FRAME : 20 * FRAME] - speech[4 * FRAME : 20 * FRAME]
    fresh = mark_whole(speech[3 * FRAME :], key)[FRAME : 17 * FRAME]
    np.testing.assert_allclose(wrapped, fresh - speech[4 * FRAME : 20 * FRAME], atol=1e-6)


def test_the_mark_is_there_and_thirty_decibels_below_the_speech(
    speech: FloatArray, key: bytes
) -> None:
    added = mark_whole(speech, key) - speech
    ratio_db = 10 * np.log10(np.sum(speech**2) / np.sum(added**2))
    assert 28 < ratio_db < 45


def test_the_mark_follows_the_loudness(speech: FloatArray, key: bytes) -> None:
    added = mark_whole(speech, key) - speech
    soft = speech * np.float32(1 / 8)
    softer = mark_whole(soft, key) - soft
    np.testing.assert_allclose(softer, added / 8, atol=1e-6)


def test_silence_stays_silence_also_right_after_speech(speech: FloatArray, key: bytes) -> None:
    speech = whole_frames(speech).copy()
    speech[12 * FRAME : 20 * FRAME] = 0.0
    out = streamed(speech, key)
    assert not out[12 * FRAME : 20 * FRAME].any()
    assert not Marker(key).frame(np.zeros(FRAME, np.float32)).any()


def test_no_click_at_the_seams_of_frames(speech: FloatArray, key: bytes) -> None:
    speech = whole_frames(speech)
    steps = np.abs(np.diff(streamed(speech, key) - speech))
    at_seams = steps[FRAME - 1 :: FRAME]
    assert at_seams.mean() < 2 * steps.mean()
    assert at_seams.max() <= steps.max()


def test_nothing_gets_louder_than_full_scale_and_louder_input_is_left(key: bytes) -> None:
    rng = np.random.default_rng(0)
    full = np.sign(rng.standard_normal(8 * FRAME)).astype(np.float32)
    assert np.abs(mark_whole(full, key)).max() <= 1.0
    over = np.float32(1.5) * full
    assert np.abs(mark_whole(over, key)).max() <= 1.5


def test_what_is_no_whole_number_of_blocks_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="100 samples are not whole blocks"):
        Marker(key).frame(np.zeros(100, np.float32))


def test_a_whole_sound_may_have_any_length(speech: FloatArray, key: bytes) -> None:
    assert len(mark_whole(speech[:12_345], key)) == 12_345
    assert len(mark_whole(speech[:0], key)) == 0
