"""What a mark is made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.watermark.code import (
    PERIOD,
    Payload,
    WatermarkKeyError,
    mark_of,
    payload_of,
    sequences,
)


@given(st.integers(0, 15), st.integers(0, 2**20 - 1))
def test_a_payload_survives_its_bytes(version: int, key_id: int) -> None:
    payload = Payload(version, key_id)
    assert Payload.from_bytes(payload.to_bytes()) == payload


@given(st.integers(0, 15), st.integers(0, 2**20 - 1), st.integers(0, 3), st.integers(1, 255))
def test_every_single_wrong_byte_is_noticed(
    version: int, key_id: int, place: int, wrong: int
) -> None:
    data = bytearray(Payload(version, key_id).to_bytes())
    data[place] ^= wrong
    assert Payload.from_bytes(bytes(data)) is None


def test_the_key_id_does_not_depend_on_chance_and_tells_keys_apart(
    key: bytes, other_key: bytes
) -> None:
    assert payload_of(key) == payload_of(bytes(key))
    assert payload_of(key).key_id != payload_of(other_key).key_id


def test_a_mark_has_power_one_and_no_likeness_to_another_keys(key: bytes, other_key: bytes) -> None:
    ours, theirs = mark_of(key), mark_of(other_key)
    assert np.mean(np.square(ours)) == pytest.approx(1.0, abs=0.05)
    assert abs(np.mean(ours * theirs)) < 6 / np.sqrt(PERIOD)


def test_the_sequences_are_independent_signs(key: bytes) -> None:
    signs = sequences(key)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    likeness = signs @ signs.T / PERIOD - np.eye(len(signs))
    assert np.abs(likeness).max() < 6 / np.sqrt(PERIOD)


def test_a_key_of_the_wrong_length_is_told_in_one_sentence() -> None:
    with pytest.raises(WatermarkKeyError, match="has 32 bytes and this one has 5"):
        mark_of(b"short")
