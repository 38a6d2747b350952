"""A line encoded while it is said: the codes do not tell how it came."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.listening import BLOCK_FRAMES, Listener
from engine.mimi.codec import MimiCodec
from tests.engine.tiny import tiny_engine

FRAME = 1920


@pytest.fixture(scope="module")
def codec() -> MimiCodec:
    return tiny_engine().codec


def sound(frames: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(frames * FRAME)).astype(np.float32)


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 10 * FRAME), max_size=5), frames=st.floats(0, 10))
def test_the_codes_are_the_same_in_whatever_pieces_the_sound_came(
    codec: MimiCodec, cuts: list[int], frames: float
) -> None:
    whole = sound(frames)
    listener = Listener(codec)
    for cut in sorted(cuts):
        listener.hear(whole[:cut])
    codes = listener.finish(whole)
    assert np.array_equal(codes, Listener(codec).finish(whole))
    assert codes.shape == (-(-len(whole) // FRAME), 4)


def test_codes_tell_sounds_apart_and_what_came_before_them(codec: MimiCodec) -> None:
    """What all other tests here rely on: a codec of which they could not fail has no ear."""
    codes, other = codec.encode(sound(9)), codec.encode(sound(9, 1))
    assert (codes != other).mean() > 0.5
    assert (codes[3:] != codec.encode(sound(9)[3 * FRAME :])).any()


def test_they_are_the_codes_of_the_whole(codec: MimiCodec) -> None:
    whole = sound(9.5)
    assert np.array_equal(Listener(codec).finish(whole), codec.encode(whole))


def test_what_was_heard_before_is_encoded_before(
    codec: MimiCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener(codec)
    lengths: list[int] = []
    encode = listener._stream.encode
    monkeypatch.setattr(
        listener._stream, "encode", lambda piece: (lengths.append(len(piece)), encode(piece))[1]
    )
    listener.hear(sound(9)[: 6 * FRAME])
    assert lengths == [BLOCK_FRAMES * FRAME]
    listener.hear(sound(9))
    listener.finish(sound(9.5))
    assert lengths == [BLOCK_FRAMES * FRAME] * 2 + [2 * FRAME]
    listener.finish(sound(9.5))  # the end of it once more
    assert lengths[3:] == [2 * FRAME]


def test_who_goes_on_after_the_end_is_encoded_on_from_there(codec: MimiCodec) -> None:
    whole = sound(13)
    listener = Listener(codec)
    for until in (5.5, 9, 9.2, 13):
        part = whole[: round(until * FRAME)]
        assert np.array_equal(listener.finish(part), Listener(codec).finish(part))
    assert len(listener._codes) == 3


def test_another_sound_begins_anew(codec: MimiCodec) -> None:
    for before, after in itertools.permutations([sound(9, 1), sound(9, 2), sound(3, 1)], 2):
        listener = Listener(codec)
        listener.hear(before)
        assert np.array_equal(listener.finish(after), Listener(codec).finish(after))
        assert np.array_equal(listener.finish(before), Listener(codec).finish(before))
