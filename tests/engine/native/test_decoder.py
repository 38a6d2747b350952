"""The native decoder against plain PyTorch: the same logits, the same codes, the same rules."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import tiny
from engine.native.decoder import NativeModel
from engine.runtime.eager import EagerDecoder
from engine.types import Sampling
from tests.engine.native.models import (
    CONFIGS,
    dequantised,
    divergence,
    forced,
    history,
    make_model,
    native,
)

pytestmark = pytest.mark.usefixtures("native_path")
THREADS = (1, 3)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("threads", THREADS)
def test_fp32_gives_pytorchs_logits(name: str, threads: int) -> None:
    model = make_model(CONFIGS[name])
    ids, codes = history(model.config)
    theirs = forced(EagerDecoder(model, Sampling(), 0), ids, codes)
    ours = forced(native(model, threads=threads), ids, codes)
    assert np.abs(ours - theirs).max() < 1e-4


@pytest.mark.parametrize("name", ["tiny", "odd", "nano"])
def test_a_long_read_gives_what_single_positions_give(name: str) -> None:
    """The kernels for many positions, over more than one block of them, against those for one."""
    model = make_model(CONFIGS[name])
    ids, codes = history(model.config, texts=71, frames=60)
    at_once, one_by_one = native(model, threads=2), native(model)
    at_once.read(ids, codes)
    for token in ids:
        one_by_one.read([token], codes[:0])
    for frame in codes:
        one_by_one.read([], frame[None])
    theirs = EagerDecoder(model, Sampling(), 0)
    theirs.read(ids, codes)
    logits = [decoder.force(codes[0]) for decoder in (at_once, one_by_one, theirs)]
    assert np.abs(logits[0] - logits[2]).max() < 1e-4
    assert np.abs(logits[1] - logits[2]).max() < 1e-4


def test_bf16_weights_give_what_the_same_weights_give_in_fp32() -> None:
    """Weights are read as they are and activations stay in fp32; only the cache is rounded."""
    model = make_model(CONFIGS["wide"], torch.bfloat16)
    ids, codes = history(model.config)
    ours = forced(native(model, "bf16", threads=2), ids, codes)
    wide = make_model(CONFIGS["wide"], torch.bfloat16).float()
    assert np.abs(ours - forced(EagerDecoder(wide, Sampling(), 0), ids, codes)).max() < 0.03
    rounded = forced(EagerDecoder(model, Sampling(), 0), ids, codes)
    assert np.abs(ours - rounded).max() < 0.1


@pytest.mark.parametrize("name", ["odd", "wide", "nano"])
@pytest.mark.parametrize(("precision", "bound"), [("int8", 2e-4), ("int4", 1.5e-3)])
def test_quantised_weights_differ_by_little(name: str, precision: str, bound: float) -> None:
    """From their own dequantised values by the rounding of activations alone; from the originals
    by a bounded divergence."""
    model = make_model(CONFIGS[name])
    ids, codes = history(model.config)
    decoder = native(model, precision, threads=2)
    ours = forced(decoder, ids, codes)
    same = forced(EagerDecoder(dequantised(decoder, model), Sampling(), 0), ids, codes)
    exact = forced(EagerDecoder(model, Sampling(), 0), ids, codes)
    assert divergence(ours, same) < 1e-4
    assert divergence(ours, exact) < bound * float(exact.std()) ** 2 * 10


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8", "int4"])
def test_several_threads_compute_what_one_does(precision: str) -> None:
    model = make_model(CONFIGS["wide"])
    ids, codes = history(model.config, texts=20)
    ours = [forced(native(model, precision, threads=n), ids, codes) for n in (1, 2, 4)]
    assert np.array_equal(ours[0], ours[1])
    assert np.array_equal(ours[0], ours[2])


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=0.0),
        Sampling(temperature=1.3, top_k=0),
        Sampling(temperature=0.7, top_k=3, depth_temperature=0.0),
        Sampling(temperature=0.0, depth_temperature=1.0),
        Sampling(top_k=10_000),
    ],
)
@pytest.mark.parametrize("name", ["tiny", "nano"])
def test_the_same_seed_draws_the_same_codes(name: str, sampling: Sampling) -> None:
    model = make_model(CONFIGS[name])
    ids, codes = history(model.config)
    ours = native(model, sampling=sampling, seed=11)
    theirs = EagerDecoder(model, sampling, 11)
    for decoder in (ours, theirs):
        decoder.read(ids, codes)
    for number in range(25):
        at_least = 1 if number % 2 else 0
        mine, mine_over = ours.draw(at_least)
        other, other_over = theirs.draw(at_least)
        assert mine.tolist() == other.tolist()
        assert mine_over == other_over
        ours.feed()
        theirs.feed()
    assert ours.noise == theirs.noise
    assert ours.length == theirs.length == len(ids) + len(codes) + 25


def test_a_line_ends_softly_and_only_when_it_may() -> None:
    """A backbone that says zero, and a depth decoder that then says zero four times."""
    model = make_model(replace(tiny(6), audio_vocab=40))
    ids, codes = history(model.config)
    with torch.no_grad():
        model.codebook0_head.weight.zero_()
        model.audio_head.zero_()  # all logits equal: greedy takes code 0
    ours, theirs = native(model), EagerDecoder(model, Sampling(), 3)
    for decoder in (ours, theirs):
        decoder.read(ids, codes)
        decoder.sampling = Sampling(temperature=0.0)
        frame, over = decoder.draw()
        assert over
        assert not frame.any()
        frame, over = decoder.draw(at_least=1)
        assert not over
        assert frame[0] != 0


def test_probability_above_one_half_forces_the_end() -> None:
    model = make_model(tiny())
    ids, codes = history(model.config)
    probe = EagerDecoder(model, Sampling(), 0)
    probe.read(ids, codes)
    logits = probe.force(codes[0])[0]
    with torch.no_grad():  # code 0's row points where the state points: its logit grows alone
        best = int(np.argmax(logits[: model.config.mimi.codebook_size]))
        model.codebook0_head.weight[0] = 40 * model.codebook0_head.weight[best]
    for seed in range(3):
        decoder = native(model, sampling=Sampling(temperature=5.0, top_k=0), seed=seed)
        decoder.read(ids, codes)
        assert decoder.draw()[0][0] == 0


def test_ids_that_the_codec_lacks_are_never_drawn() -> None:
    model = make_model(tiny())
    ids, codes = history(model.config)
    known = model.config.mimi.codebook_size
    with torch.no_grad():
        model.codebook0_head.weight[known:] *= 1000
        model.audio_head[:, known:] *= 1000
    for temperature in (0.0, 1.0):
        decoder = native(model, sampling=Sampling(temperature=temperature))
        decoder.read(ids, codes)
        for _ in range(20):
            frame, _ = decoder.draw()
            assert frame.max() < known
            decoder.feed()


@pytest.mark.parametrize("top_k", [0, 5])
def test_damaged_weights_give_noise_and_nothing_worse(top_k: int) -> None:
    """Logits that are no numbers have no order, and what is drawn must still be a code."""
    model = make_model(CONFIGS["wide"])
    ids, codes = history(model.config)
    known = model.config.mimi.codebook_size
    with torch.no_grad():
        model.codebook0_head.weight[::3] = torch.nan
        model.audio_head[:, 1::2] = torch.nan
        model.audio_head[0] = torch.nan
    decoder = native(model, sampling=Sampling(top_k=top_k))
    decoder.read(ids, codes)
    for _ in range(20):
        frame, _ = decoder.draw(at_least=1)
        assert 0 <= frame.min() <= frame.max() < known
        assert frame[0] % 3 != 0
        decoder.feed()


def test_conversations_on_two_threads_take_turns() -> None:
    model = make_model(CONFIGS["wide"])
    ids, codes = history(model.config)
    engine = NativeModel(model, "fp32", 2)

    def said(seed: int) -> list[list[int]]:
        decoder = engine.decoder(Sampling(), seed)
        decoder.read(ids, codes)
        frames: list[list[int]] = []
        for _ in range(60):
            frames.append(decoder.draw(at_least=1)[0].tolist())
            decoder.feed()
        return frames

    alone = [said(seed) for seed in (1, 2)]
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(said, (1, 2))) == alone


def test_builds_for_plainer_processors_give_the_same_numbers(other_build: Path) -> None:
    for name, precision in (("odd", "fp32"), ("wide", "bf16"), ("odd", "int8"), ("wide", "int4")):
        model = make_model(CONFIGS[name])
        ids, codes = history(model.config, texts=5)
        plain = native(model, precision, path=other_build, threads=2)
        assert other_build.parent.name == f"{plain.model.kernels}0"
        ours = forced(native(model, precision), ids, codes)
        theirs = forced(plain, ids, codes)
        # (Only some processors read many positions of bf16 weights in bf16, so here are few.)
        if precision in ("fp32", "bf16"):
            assert np.abs(theirs - ours).max() < 1e-5
        else:  # sums in another order turn the last bit of an 8-bit activation, and of those after it
            assert divergence(theirs, ours) < 1e-4
