"""Sampling follows the distribution, honours top-k and forbidden ids, and is reproducible."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.csm.sampling import candidates, frame_noise, mask_ids, sample


def _noise(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _ranks(seed: int, logits: Tensor, top_k: int) -> Tensor:
    rows, vocab = logits.shape
    return frame_noise(_noise(seed), rows, candidates(vocab, top_k))


def test_frequencies_follow_the_softmax() -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0])
    rows = logits.repeat(40_000, 1)
    drawn = sample(rows, 0.7, 0, _ranks(1, rows, 0))
    shares = torch.bincount(drawn, minlength=4) / 40_000
    assert torch.allclose(shares, (logits / 0.7).softmax(-1), atol=0.01)


@given(st.integers(1, 20), st.integers(0, 2**31))
def test_top_k_never_leaves_the_k_likeliest(k: int, seed: int) -> None:
    logits = torch.randn(64, 20, generator=_noise(seed))
    drawn = sample(logits, 1.5, k, _ranks(seed + 1, logits, k))
    best = logits.topk(k).indices
    assert (best == drawn.unsqueeze(-1)).any(-1).all()


def test_ties_at_the_k_th_place_are_kept() -> None:
    logits = torch.tensor([[1.0, 1.0, 1.0, -9.0]]).repeat(600, 1)
    assert set(sample(logits, 1.0, 2, _ranks(0, logits, 2)).tolist()) == {0, 1, 2}


def test_zero_temperature_is_argmax_whatever_the_noise() -> None:
    logits = torch.randn(8, 30)
    for seed in (3, 4):
        assert torch.equal(sample(logits, 0.0, 5, _ranks(seed, logits, 5)), logits.argmax(-1))


def test_candidates_hold_the_top_k_and_room_for_ties() -> None:
    assert candidates(2051, 50) == 64
    assert candidates(40, 50) == candidates(40, 0) == 40


def test_same_seed_same_codes_in_either_precision() -> None:
    logits = torch.randn(50, 30, generator=_noise(9)).bfloat16()
    first = sample(logits, 0.9, 10, _ranks(4, logits, 10))
    assert torch.equal(first, sample(logits, 0.9, 10, _ranks(4, logits, 10)))
    assert torch.equal(first, sample(logits.float(), 0.9, 10, _ranks(4, logits, 10)))


def test_reserved_ids_are_never_drawn_even_when_likeliest() -> None:
    logits = torch.zeros(400, 11)
    logits[:, 8:] = 50.0
    drawn = sample(mask_ids(logits, 8), 1.0, 0, _ranks(5, logits, 0))
    assert int(drawn.max()) < 8
    drawn = sample(mask_ids(logits, 8, forbid_zero=True), 1.0, 0, _ranks(5, logits, 0))
    assert int(drawn.min()) > 0
    assert logits[0, 8] == 50.0  # the caller's logits are not touched
