"""The ring against a plain list: what goes in comes out, and positions name the same samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audio.ring import Ring


@given(capacity=st.integers(1, 40), sizes=st.lists(st.integers(0, 40), max_size=30))
def test_keeps_exactly_the_newest_samples(capacity: int, sizes: list[int]) -> None:
    ring = Ring(capacity)
    everything: list[float] = []
    for size in sizes:
        piece = np.arange(len(everything), len(everything) + min(size, capacity), dtype=np.float32)
        ring.put(piece)
        everything.extend(piece.tolist())
        assert ring.end == len(everything)
        assert ring.oldest == max(0, len(everything) - capacity)
        assert ring.between(ring.oldest, ring.end).tolist() == everything[ring.oldest :]


@given(
    capacity=st.integers(8, 64),
    steps=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=40),
)
def test_a_reader_behind_the_writer_gets_every_sample_once(
    capacity: int, steps: list[tuple[int, int]]
) -> None:
    ring = Ring(capacity)
    read = 0
    for wish, get in steps:
        put = min(wish, capacity - (ring.end - read))
        ring.put(np.arange(ring.end, ring.end + put, dtype=np.float32))
        out = np.full(min(get, ring.end - read), -1.0, np.float32)
        ring.read_at(read, out)
        assert out.tolist() == list(range(read, read + len(out)))
        read += len(out)


def test_what_is_written_ahead_is_seen_only_when_shown() -> None:
    ring = Ring(8)
    ring.put(np.ones(6, np.float32))
    ring.write_at(6, np.full(4, 2.0, np.float32))
    assert ring.end == 6
    ring.advance(10)
    assert ring.between(4, 10).tolist() == [1.0, 1.0, 2.0, 2.0, 2.0, 2.0]


def test_more_than_it_holds_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Ring(4).put(np.zeros(5, np.float32))
