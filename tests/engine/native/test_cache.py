"""Going back, saving and pasting positions; and what is wrong is said before any memory is touched."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.config import tiny
from engine.errors import DeviceError
from engine.native.decoder import NativeDecoder, NativeModel, native_decoder
from engine.native.library import NativeUnavailableError, load
from engine.types import Sampling
from tests.engine.native.models import CONFIGS, history, make_model, native

pytestmark = pytest.mark.usefixtures("native_path")


def state(decoder: NativeDecoder, end: int) -> tuple[np.ndarray, np.ndarray]:
    piece = decoder.save(0, end)
    return piece.keys.float().numpy(), piece.values.float().numpy()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "int4"])
def test_rolled_back_is_as_if_it_had_never_happened(precision: str) -> None:
    model = make_model(CONFIGS["wide"])
    ids, codes = history(model.config)
    straight, detour = (native(model, precision, threads=2) for _ in range(2))
    for decoder in (straight, detour):
        decoder.read(ids, codes)
    place, noise = detour.length, detour.noise
    for _ in range(3):
        detour.draw()
        detour.feed()
    detour.rollback(place)
    detour.noise = noise
    assert detour.length == place
    for decoder in (straight, detour):
        decoder.read(ids[:3], codes[:0])
    for _ in range(4):
        assert straight.draw()[0].tolist() == detour.draw()[0].tolist()
        straight.feed()
        detour.feed()
    for ours, theirs in zip(
        state(straight, straight.length), state(detour, detour.length), strict=True
    ):
        assert np.array_equal(ours, theirs)


def test_a_saved_piece_is_pasted_exactly() -> None:
    model = make_model(CONFIGS["nano"])
    ids, codes = history(model.config)
    first = native(model)
    first.read(ids, codes)
    head, tail = first.save(0, 5), first.save(5, first.length)
    other = first.spare()
    assert other.length == 0
    other.paste(head)
    other.paste(tail)
    for decoder in (first, other):
        decoder.read(ids, codes[:2])
    assert np.array_equal(first.force(codes[0]), other.force(codes[0]))
    third = first.spare()
    third.adopt(other)
    assert third.length == first.length
    assert np.array_equal(first.force(codes[1]), third.force(codes[1]))


def test_a_saved_piece_does_not_change_with_the_cache() -> None:
    model = make_model(tiny())
    ids, codes = history(model.config)
    decoder = native(model)
    decoder.read(ids, codes)
    piece = decoder.save(0, 4)
    before = piece.keys.clone()
    decoder.rollback(0)
    decoder.read(ids[::-1], codes)
    assert torch.equal(piece.keys, before)


def test_wrong_places_are_refused() -> None:
    model = make_model(tiny())
    ids, codes = history(model.config)
    decoder = native(model)
    decoder.read(ids, codes)
    for length in (-1, decoder.length + 1):
        with pytest.raises(ValueError, match="cannot roll back"):
            decoder.rollback(length)
    with pytest.raises(ValueError, match="not all stored"):
        decoder.save(3, decoder.length + 1)
    piece = decoder.save(3, 5)
    with pytest.raises(ValueError, match="cannot stand"):
        decoder.paste(piece)


def test_a_full_cache_is_said_before_it_overflows() -> None:
    model = make_model(tiny())
    decoder = native(model)
    decoder.read([1] * decoder.capacity, np.zeros((0, 4), np.int64))
    decoder.draw()
    with pytest.raises(IndexError, match="do not fit"):
        decoder.feed()
    with pytest.raises(IndexError, match="do not fit"):
        decoder.read([1], np.zeros((0, 4), np.int64))
    piece = decoder.save(decoder.capacity - 2, decoder.capacity)
    decoder.rollback(decoder.capacity - 2)
    decoder.paste(piece)
    assert decoder.length == decoder.capacity


@pytest.mark.parametrize("bad", [-1, 10_000])
def test_ids_that_the_model_lacks_are_refused(bad: int) -> None:
    model = make_model(tiny())
    ids, codes = history(model.config)
    decoder = native(model)
    with pytest.raises(IndexError, match="there is no text token"):
        decoder.read([bad], codes[:0])
    wrong = codes.copy()
    wrong[2, 1] = bad
    with pytest.raises(IndexError, match="there is no code"):
        decoder.read(ids, wrong)
    assert decoder.length == 0
    decoder.read(ids, codes)
    with pytest.raises(IndexError, match="there is no code"):
        decoder.force(wrong[2])


def test_what_must_come_first_is_asked_for() -> None:
    model = make_model(tiny())
    ids, codes = history(model.config)
    decoder = native(model)
    with pytest.raises(RuntimeError, match="read something"):
        decoder.draw()
    with pytest.raises(ValueError, match="nothing to read"):
        decoder.read([], codes[:0])
    decoder.read(ids, codes)
    with pytest.raises(RuntimeError, match="draw a frame"):
        decoder.feed()
    decoder.draw()
    decoder.rollback(2)
    with pytest.raises(RuntimeError, match="read something"):
        decoder.draw()


def test_packed_originals_can_be_let_go() -> None:
    model, same = make_model(tiny()), make_model(tiny())
    ids, codes = history(model.config)
    freed = NativeModel(model, "int8", 1, free=True).decoder(Sampling(), 3)
    assert model.audio_head.numel() == 0
    assert model.backbone.layers[0].get_parameter("mlp.up.weight").numel() == 0
    kept = native(same, "int8")
    for decoder in (freed, kept):
        decoder.read(ids, codes)
    assert np.array_equal(freed.force(codes[0]), kept.force(codes[0]))


def test_all_conversations_share_one_copy_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(tiny())
    model.precision = "int8"
    first, second = (native_decoder(model, Sampling(), seed) for seed in (1, 2))
    assert first is not None
    assert second is not None
    assert first.model is second.model
    assert first.model.precision == "int8"
    monkeypatch.setenv("PARLEY_NATIVE", "0")
    assert native_decoder(make_model(tiny()), Sampling(), 1) is None


def test_another_precision_is_refused() -> None:
    with pytest.raises(DeviceError, match="use auto, fp32, bf16, int8 or int4"):
        NativeModel(make_model(tiny()), "int2", 1)


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_NATIVE", "0")
    with pytest.raises(NativeUnavailableError, match="switched off"):
        load()
