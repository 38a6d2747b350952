"""Branches as rows: only where they were prepared, only as many, and only the last ones begun."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.csm.model import CsmModel
from engine.runtime import decoders
from engine.runtime.ahead import StaticDecoder
from engine.runtime.decoders import make_decoder, prepare_branches, stage_of
from engine.runtime.eager import EagerDecoder
from engine.runtime.static_branches import StaticBranches
from engine.runtime.turns import TakingTurns
from engine.types import CodeArray, Sampling
from tests.engine.decoder_cases import TEXT, frames, random_model


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> CsmModel:
    """One that runs in the arrangement of a card."""
    torch.set_num_threads(1)
    monkeypatch.setattr(decoders, "native_decoder", lambda *_: None)
    return random_model().bfloat16()


def begun(model: CsmModel, sampling: Sampling | None = None) -> StaticDecoder:
    decoder = make_decoder(model, sampling or Sampling(), 3)
    assert isinstance(decoder, StaticDecoder)
    decoder.read(TEXT, frames(3))
    return decoder


def test_rows_are_made_only_where_they_are_asked_for(model: CsmModel) -> None:
    prepare_branches(model, 1)
    assert isinstance(begun(model).branch(2, 5), TakingTurns)
    assert stage_of(model).branches is None
    prepare_branches(model, 3)
    rows = stage_of(model).branches
    assert rows is not None
    assert rows.frame.weights is stage_of(model).frame.weights
    for count in (1, 2, 3):
        assert isinstance(begun(model).branch(count, 5), StaticBranches)
    assert isinstance(begun(model).branch(4, 5), TakingTurns)
    prepare_branches(model, 2)
    assert stage_of(model).branches is rows


def test_plain_pytorch_needs_nothing_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "native_decoder", lambda *_: None)
    model = random_model()
    prepare_branches(model, 4)
    assert isinstance(make_decoder(model, Sampling(), 0), EagerDecoder)
    assert not model.derived


def test_more_noise_than_a_captured_frame_looks_at_takes_turns(
    model: CsmModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_branches(model, 2)
    rows = stage_of(model).branches
    assert rows is not None
    monkeypatch.setattr(rows.frame, "count", 20)
    assert isinstance(begun(model, Sampling(top_k=3)).branch(2, 5), StaticBranches)
    assert isinstance(begun(model, Sampling(top_k=0)).branch(2, 5), TakingTurns)


def test_only_the_last_ones_go_on(model: CsmModel) -> None:
    prepare_branches(model, 2)
    first = begun(model).branch(2, 5)
    first.draw(1)
    second = begun(model).branch(2, 5)
    second.draw(1)
    first.feed(first.alive)
    with pytest.raises(RuntimeError, match="last"):
        first.draw(1)
    with pytest.raises(RuntimeError, match="last"):
        first.save(0)
    second.feed(second.alive)
    assert second.save(1).positions == 1


def test_what_is_owed_to_the_cache_is_there_before_it_is_shared(model: CsmModel) -> None:
    """The last frame of a decoder may be fed but not computed; branches see it all the same."""
    drawn = list[CodeArray]()
    for rows in (1, 2):
        prepare_branches(model, rows)
        decoder = begun(model)
        decoder.draw(1)
        decoder.feed()
        drawn.append(decoder.branch(2, 5).draw(1).codes)
    np.testing.assert_array_equal(drawn[0], drawn[1])
