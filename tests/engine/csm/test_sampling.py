"""Sampling follows the distribution, honours top-k and forbidden ids, and is reproducible."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.csm.sampling import mask_ids, sample


def _noise(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_frequencies_follow_the_softmax() -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0])
    drawn = sample(logits.repeat(40_000, 1), 0.7, 0, _noise(1))
    shares = torch.bincount(drawn, minlength=4) / 40_000
    assert torch.allclose(shares, (logits / 0.7).softmax(-1), atol=0.01)


@given(st.integers(1, 20), st.integers(0, 2**31))
def test_top_k_never_leaves_the_k_likeliest(k: int, seed: int) -> None:
    logits = torch.randn(64, 20, generator=_noise(seed))
    drawn = sample(logits, 1.5, k, _noise(seed + 1))
    best = logits.topk(k).indices
    assert (best == drawn.unsqueeze(-1)).any(-1).all()


def test_ties_at_the_k_th_place_are_kept() -> None:
    logits = torch.tensor([[1.0, 1.0, 1.0, -9.0]]).repeat(600, 1)
    assert set(sample(logits, 1.0, 2, _noise(0)).tolist()) == {0, 1, 2}


def test_zero_temperature_is_argmax_and_takes_no_noise() -> None:
    noise = _noise(3)
    before = noise.get_state().clone()
    logits = torch.randn(8, 30)
    assert torch.equal(sample(logits, 0.0, 5, noise), logits.argmax(-1))
    assert torch.equal(noise.get_state(), before)


def test_same_seed_same_codes_in_either_precision() -> None:
    logits = torch.randn(50, 30, generator=_noise(9)).bfloat16()
    first = sample(logits, 0.9, 10, _noise(4))
    assert torch.equal(first, sample(logits, 0.9, 10, _noise(4)))
    assert torch.equal(first, sample(logits.float(), 0.9, 10, _noise(4)))


def test_reserved_ids_are_never_drawn_even_when_likeliest() -> None:
    logits = torch.zeros(400, 11)
    logits[:, 8:] = 50.0
    drawn = sample(mask_ids(logits, 8), 1.0, 0, _noise(5))
    assert int(drawn.max()) < 8
    drawn = sample(mask_ids(logits, 8, forbid_zero=True), 1.0, 0, _noise(5))
    assert int(drawn.min()) > 0
    assert logits[0, 8] == 50.0  # the caller's logits are not touched
