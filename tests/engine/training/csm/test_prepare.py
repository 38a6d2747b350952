"""From text to tokens."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from engine.training.csm.prepare import encode, lines_of_text
from engine.training.csm.text import speakable
from engine.training.mimi.network import build
from engine.training.speech import Utterance, phoneme_track
from tests.engine.training.mimi.test_export import SMALL


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    model = build(SMALL, training=True)
    with torch.no_grad():
        for group in (model.quantizer.rvq_first, model.quantizer.rvq_rest):
            for layer in group.vq.layers:
                layer._codebook.embedding_sum.normal_(std=0.3)
    return model


def utterance(samples: int, seed: int) -> Utterance:
    wave = np.random.default_rng(seed).normal(0, 0.2, samples).astype(np.float32)
    return Utterance(f"Text {seed}.", wave, ((0, 4, 0.0), (5, 1, 0.16)), ())


def test_lines_are_speakable_bounded_and_repeatable() -> None:
    lines = list(islice(lines_of_text(5), 200))
    assert lines == list(islice(lines_of_text(5), 200))
    assert all(line == speakable(line) and 0 < len(line) <= 130 for line in lines)
    assert any(len(line.split()) <= 2 for line in lines)
    assert len(set(lines)) > 190


def test_tokens_do_not_depend_on_what_else_is_in_the_batch(codec) -> None:
    spoken = [(utterance(n, i), i) for i, n in enumerate((5000, 1920, 9000, 300))]
    together = encode(codec, spoken)
    assert [line.frames for line in together] == [3, 1, 5, 1]
    assert [line.group for line in together] == [0, 1, 2, 3]
    for i, one in enumerate(spoken):
        alone = encode(codec, [one])[0]
        assert (alone.codes == together[i].codes).mean() > 0.9  # bf16: a near tie may fall over
        assert alone.text == together[i].text


def test_word_times_become_frames(codec) -> None:
    line = encode(codec, [(utterance(9000, 1), 0)])[0]
    assert np.allclose(line.words, [[0, 0], [5, 2.0]])


def test_phoneme_track_holds_each_sound_until_the_next() -> None:
    ids = {"a": 1, "b": 2}
    track = phoneme_track((("a", 0.0), ("b", 0.05), ("?", 0.11)), 7, 50.0, ids)
    assert track.tolist() == [1, 1, 2, 2, 2, 0, 0]
