"""The codec: a stream is the whole, nothing looks ahead, and bad input is refused."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from engine.config import MimiConfig
from engine.mimi.codec import MimiCodec, MimiStream
from engine.mimi.lanes import CHUNK_FRAMES
from engine.types import CodeArray, FloatArray

STREAM_TOLERANCE = 1e-5  # of sound in [-1, 1]; fp32 sums are ordered by the length of the input
CUTS = [[1], [2], [3], [1, 4, 2, 7], [CHUNK_FRAMES + 3]]


def pieces(frames: int, sizes: Sequence[int]) -> list[slice]:
    """Cut ``frames`` into runs of the given sizes, again and again."""
    cuts: list[slice] = []
    start = 0
    for size in itertools.cycle(sizes):
        if start >= frames:
            return cuts
        cuts.append(slice(start, min(start + size, frames)))
        start += size
    raise AssertionError("unreachable")


def decoded(stream: MimiStream, codes: CodeArray, sizes: Sequence[int]) -> FloatArray:
    return np.concatenate([stream.decode(codes[cut]) for cut in pieces(len(codes), sizes)])


def encoded(
    stream: MimiStream, sound: FloatArray, sizes: Sequence[int], frame: int = 1920
) -> CodeArray:
    cuts = pieces(len(sound) // frame, sizes)
    return np.concatenate([stream.encode(sound[c.start * frame : c.stop * frame]) for c in cuts])


def test_the_small_codec_is_worth_testing(codec: MimiCodec, sound: FloatArray) -> None:
    codes = codec.encode(sound)
    used = [len(np.unique(codes[:, k])) for k in range(codes.shape[1])]
    assert min(used) >= 6
    assert codec.decode(codes).std() > 0.01


def test_shapes_and_kinds(codec: MimiCodec, config: MimiConfig, sound: FloatArray) -> None:
    codes = codec.encode(sound)
    assert (codes.shape, codes.dtype) == ((40, config.codebooks), np.dtype(np.int64))
    again = codec.decode(codes)
    assert (again.shape, again.dtype) == (sound.shape, np.dtype(np.float32))


@pytest.mark.parametrize("sizes", CUTS)
def test_stream_decodes_like_the_whole(
    codec: MimiCodec, sound: FloatArray, sizes: list[int]
) -> None:
    codes = codec.encode(sound)
    streamed = decoded(codec.stream(), codes, sizes)
    np.testing.assert_allclose(streamed, codec.decode(codes), atol=STREAM_TOLERANCE)


@pytest.mark.parametrize("sizes", CUTS)
def test_stream_encodes_like_the_whole(
    codec: MimiCodec, sound: FloatArray, sizes: list[int]
) -> None:
    np.testing.assert_array_equal(encoded(codec.stream(), sound, sizes), codec.encode(sound))


def test_streams_do_not_disturb_each_other(codec: MimiCodec, sound: FloatArray) -> None:
    codes = codec.encode(sound)
    backwards = codes[::-1].copy()
    one, two = codec.stream(), codec.stream()
    ones: list[FloatArray] = []
    twos: list[FloatArray] = []
    heard: list[CodeArray] = []
    for index in range(len(codes)):
        ones.append(one.decode(codes[index : index + 1]))
        heard.append(two.encode(sound[index * 1920 : (index + 1) * 1920]))
        twos.append(two.decode(backwards[index : index + 1]))
        codec.decode(codes[:2])  # nor does whole work in between
    np.testing.assert_allclose(np.concatenate(ones), codec.decode(codes), atol=STREAM_TOLERANCE)
    np.testing.assert_allclose(np.concatenate(twos), codec.decode(backwards), atol=STREAM_TOLERANCE)
    np.testing.assert_array_equal(np.concatenate(heard), codes)


def test_reset_is_fresh(codec: MimiCodec, sound: FloatArray) -> None:
    codes = codec.encode(sound)
    stream = codec.stream()
    stream.decode(codes[5:9])
    stream.encode(sound[: 3 * 1920])
    carried = stream.decode(codes[:2])
    stream.reset()
    fresh = codec.stream().decode(codes[:2])
    assert np.abs(carried - fresh).max() > 1e-3  # otherwise this test could not fail
    np.testing.assert_array_equal(stream.decode(codes[:2]), fresh)
    np.testing.assert_array_equal(
        stream.encode(sound[: 2 * 1920]), codec.stream().encode(sound[: 2 * 1920])
    )


def test_a_saved_state_is_come_back_to_exactly(codec: MimiCodec, sound: FloatArray) -> None:
    codes = codec.encode(sound)
    stream = codec.stream()
    stream.decode(codes[:7])
    stream.encode(sound[: 7 * 1920])
    state = stream.save()
    said = [stream.decode(codes[7:11])]
    heard = [stream.encode(sound[7 * 1920 : 9 * 1920])]
    stream.decode(codes[::-1])  # far enough that the attention's ring is written all over
    stream.encode(sound[::-1])
    for other in (stream, stream, codec.stream()):
        other.restore(state)
        said.append(other.decode(codes[7:11]))
        heard.append(other.encode(sound[7 * 1920 : 9 * 1920]))
    for again, codes_again in zip(said[1:], heard[1:], strict=True):
        np.testing.assert_array_equal(again, said[0])
        np.testing.assert_array_equal(codes_again, heard[0])
    np.testing.assert_array_equal(heard[0], codes[7:9])
    assert np.abs(codec.stream().decode(codes[7:11]) - said[0]).max() > 1e-3


def test_a_state_saved_at_the_beginning_is_the_beginning(
    codec: MimiCodec, sound: FloatArray
) -> None:
    codes = codec.encode(sound)
    stream = codec.stream()
    state = stream.save()
    stream.decode(codes)
    stream.encode(sound)
    stream.restore(state)
    np.testing.assert_array_equal(stream.decode(codes[:3]), codec.decode(codes[:3]))
    np.testing.assert_array_equal(stream.encode(sound[: 3 * 1920]), codes[:3])


def test_both_directions_at_once(codec: MimiCodec, sound: FloatArray) -> None:
    codes = codec.encode(sound)
    whole, stream = codec.decode(codes), codec.stream()
    with ThreadPoolExecutor(2) as pool:
        said = pool.submit(decoded, stream, codes, [1])
        heard = pool.submit(encoded, stream, sound, [2])
        np.testing.assert_allclose(said.result(), whole, atol=STREAM_TOLERANCE)
        np.testing.assert_array_equal(heard.result(), codes)


def test_past_does_not_depend_on_future(codec: MimiCodec, sound: FloatArray) -> None:
    codes = codec.encode(sound)
    changed_sound = sound.copy()
    changed_sound[20 * 1920 :] = np.flip(sound[20 * 1920 :])
    changed = codec.encode(changed_sound)
    np.testing.assert_array_equal(changed[:20], codes[:20])
    assert (changed[20:] != codes[20:]).any()

    other = codes.copy()
    other[20:] = codes[:20]
    np.testing.assert_allclose(
        codec.decode(other)[: 20 * 1920], codec.decode(codes)[: 20 * 1920], atol=STREAM_TOLERANCE
    )


@pytest.mark.parametrize("samples", [1, 1919, 1921, 5000])
def test_odd_lengths_are_filled_with_silence(
    codec: MimiCodec, sound: FloatArray, samples: int
) -> None:
    frames = -(-samples // 1920)
    filled = np.zeros(frames * 1920, np.float32)
    filled[:samples] = sound[:samples]
    np.testing.assert_array_equal(codec.encode(sound[:samples]), codec.encode(filled))
    with pytest.raises(ValueError, match="whole frames of 1920"):
        codec.stream().encode(sound[:samples])


def test_nothing_gives_nothing(codec: MimiCodec, config: MimiConfig) -> None:
    no_codes = np.zeros((0, config.codebooks), np.int64)
    no_sound = np.zeros(0, np.float32)
    stream = codec.stream()
    assert codec.encode(no_sound).shape == stream.encode(no_sound).shape == no_codes.shape
    assert codec.decode(no_codes).shape == stream.decode(no_codes).shape == no_sound.shape


@pytest.mark.parametrize("wrong", [32, 34, -1])
def test_reserved_ids_are_refused(codec: MimiCodec, config: MimiConfig, wrong: int) -> None:
    codes = np.zeros((3, config.codebooks), np.int64)
    codes[1, 2] = wrong
    with pytest.raises(ValueError, match="run from 0 to 31"):
        codec.decode(codes)
    with pytest.raises(ValueError, match="run from 0 to 31"):
        codec.stream().decode(codes)


def test_wrong_number_of_codebooks_is_refused(codec: MimiCodec) -> None:
    with pytest.raises(ValueError, match=r"\(T, 4\)"):
        codec.decode(np.zeros((3, 5), np.int64))
