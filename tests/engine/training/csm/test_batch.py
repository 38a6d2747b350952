"""Padding, targets and the corruption of the history."""

from __future__ import annotations

import numpy as np

from engine.training.csm.batch import Corruption, collate, corrupt
from engine.training.csm.sequences import Piece, lay_out
from tests.engine.training.csm.test_sequences import K, line

HEAVY = Corruption(early=(0.9,), late=(0.9,), most=1.6)


def sequences():
    return [
        lay_out([Piece(line(frames=20), 0, corruption=0.25), Piece(line("No.", 30), 0)], K),
        lay_out([Piece(line("Well.", 9, seed=3), 1)], K),
    ]


def test_targets_are_the_true_next_frames_however_corrupt_the_inputs_are() -> None:
    made = sequences()
    clean = collate(made, None, 0.0, np.random.default_rng(0))
    dirty = collate(made, HEAVY, 0.0, np.random.default_rng(0))
    assert (dirty.targets == clean.targets).all()
    assert (dirty.inputs != clean.inputs).any()
    first = made[0]
    scored = first.weight > 0
    wanted = first.frames[np.flatnonzero(scored) + 1, :K]
    assert (clean.targets[0][clean.weight[0] > 0].numpy() == wanted).all()


def test_text_and_eos_frames_are_never_corrupted() -> None:
    laid = sequences()[0]
    frames = corrupt(laid, np.full(K, 1.0), 1.6, np.random.default_rng(0))
    kept = ~laid.audio | (laid.frames[:, :K] == 0).all(1)
    assert (frames[kept] == laid.frames[kept]).all()
    assert (frames != laid.frames).any()


def test_replacements_are_codes_of_the_same_codebook_from_other_frames() -> None:
    laid = sequences()[0]
    frames = corrupt(laid, np.full(K, 1.0), 1.6, np.random.default_rng(0))
    for codebook in range(K):
        assert set(frames[:, codebook]) <= set(laid.frames[:, codebook])


def test_the_voice_prompt_is_corrupted_less() -> None:
    laid = lay_out([Piece(line(frames=300), 0, corruption=0.25), Piece(line(frames=300), 0)], K)
    rng = np.random.default_rng(0)
    changed = np.zeros(len(laid.frames))
    for _ in range(30):
        changed += (corrupt(laid, np.full(K, 0.5), 1.6, rng) != laid.frames).any(1)
    prompt = changed[(laid.segment == 0) & laid.audio].mean()
    body = changed[(laid.segment == 1) & laid.audio].mean()
    assert prompt < 0.6 * body


def test_padding_has_no_mask_and_no_weight() -> None:
    batch = collate(sequences(), None, 0.0, np.random.default_rng(0))
    short = len(sequences()[1].frames)
    assert not batch.mask[1, short:].any() and not batch.weight[1, short:].any()
    assert batch.mask[1, :short].any(1).all()
    assert batch.end.sum() == 3


def test_corruption_grows_over_the_training() -> None:
    recipe = Corruption(early=(0.1, 0.2), late=(0.3, 0.2), grown=0.5)
    assert recipe.chances(0.0, 3).tolist() == [0.1, 0.2, 0.2]
    assert np.allclose(recipe.chances(0.25, 3), [0.2, 0.2, 0.2])
    assert recipe.chances(0.9, 3).tolist() == [0.3, 0.2, 0.2]
