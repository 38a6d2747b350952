"""From text to batches: voices apart, shards whole, targets where the sound is."""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.training.corpus import sentences
from engine.training.espeak import Espeak
from engine.training.whisper.augment import augment, silence
from engine.training.whisper.batches import (
    IGNORE,
    Batches,
    collate,
    make_item,
    silent_item,
)
from engine.training.whisper.config import FRAMES_PER_S, MEL_BANDS, STOCK_FRAMES
from engine.training.whisper.losses import guided_loss
from engine.training.whisper.mel import FLOOR
from engine.training.whisper.speech import PhonemeTable, Shard, build_shard
from engine.training.whisper.text import TextTokenizer, train_tokenizer
from engine.training.whisper.voices import (
    ASSISTANT_VOICES,
    DEVELOPMENT_VARIANTS,
    HELD_OUT_VARIANTS,
    TRAINING_VARIANTS,
    held_out_voice,
    training_voice,
)


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return train_tokenizer(islice(sentences(1), 1000), merges=200)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory, espeak: Espeak) -> Shard:
    folder = tmp_path_factory.mktemp("speech") / "shard"
    _build(folder)
    return Shard(folder)


def _build(folder: Path) -> None:
    rng = np.random.default_rng(5)
    table = PhonemeTable.learn(Espeak(), islice(sentences(4), 5), ["en-us"])
    build_shard(folder, sentences(5), partial(training_voice, rng), table, seconds=60.0)


def test_evaluation_voices_are_never_trained_on() -> None:
    assert not set(HELD_OUT_VARIANTS) & set(TRAINING_VARIANTS)
    assert not set(DEVELOPMENT_VARIANTS) & (set(TRAINING_VARIANTS) | set(HELD_OUT_VARIANTS))
    rng = np.random.default_rng(0)
    trained = [training_voice(rng).name for _ in range(3000)]
    assert set(ASSISTANT_VOICES) <= set(trained)
    assert not {name.split("+")[1] for name in trained} & set(HELD_OUT_VARIANTS)
    judged = {held_out_voice(rng).name.split("+")[1] for _ in range(300)}
    assert judged == set(HELD_OUT_VARIANTS)


def test_shards_repeat(shard: Shard, tmp_path: Path) -> None:
    _build(tmp_path / "again")
    again = Shard(tmp_path / "again")
    assert len(again) == len(shard) > 5
    assert again[3].text == shard[3].text
    assert again[3].mel.shape == shard[3].mel.shape
    # The library's own flutter runs on from one utterance to the next, so not to the bit.
    difference = np.abs(again[3].mel.astype(np.float32) - shard[3].mel.astype(np.float32))
    assert float(difference.mean()) < 0.1
    assert sum(shard[i].seconds for i in range(len(shard))) >= 60.0


def test_word_times_point_into_the_sound(shard: Shard) -> None:
    for index in range(len(shard)):
        utterance = shard[index]
        assert utterance.words[0, 0] == 0
        assert np.all(np.diff(utterance.words[:, 0]) > 0)
        assert utterance.words[-1, 1] < utterance.seconds


def test_an_item_of_two_holds_both(shard: Shard, tokenizer: TextTokenizer) -> None:
    rng = np.random.default_rng(0)
    pair = [shard[0], shard[1]]
    item = make_item(pair, tokenizer, rng, damage=False)
    assert tokenizer.decode(item.tokens) == f"{pair[0].text} {pair[1].text}"
    assert item.tokens[0] == tokenizer.sot and item.tokens[-1] == tokenizer.eot
    assert len(item.mel) >= len(pair[0].mel) + len(pair[1].mel)
    text_spans = item.spans[(item.spans[:, 0] >= 0)]
    assert len(text_spans) == len(tokenizer.encode(tokenizer.decode(item.tokens)))
    assert np.all(np.diff(text_spans[:, 0]) >= 0)
    assert text_spans.max() < len(item.mel) // 2
    assert len(item.phonemes) == len(item.mel) // 2


def test_silence_teaches_no_speech(tokenizer: TextTokenizer) -> None:
    rng = np.random.default_rng(0)
    item = silent_item(tokenizer, rng)
    batch = collate([item], tokenizer, len(item.mel))
    assert batch.targets[0].tolist() == [tokenizer.no_speech, tokenizer.eot]
    assert batch.inputs[0].tolist() == [tokenizer.sot, tokenizer.no_timestamps]


def test_padding_is_zero_and_is_not_scored(shard: Shard, tokenizer: TextTokenizer) -> None:
    rng = np.random.default_rng(0)
    item = make_item([shard[0]], tokenizer, rng)
    batch = collate([item], tokenizer, STOCK_FRAMES)
    used = len(item.mel)
    assert batch.features.shape == (1, STOCK_FRAMES, MEL_BANDS)
    assert not batch.features[0, used:].any()
    assert (batch.phonemes[0, used // 2 :] == IGNORE).all()
    assert int(batch.positions[0]) == used // 2


def test_batches_repeat_and_keep_their_budget(shard: Shard, tokenizer: TextTokenizer) -> None:
    streams: list[list[torch.Tensor]] = []
    for _ in range(2):
        batches = Batches(tokenizer, seconds=20.0, seed=3)
        batches.add(shard)
        streams.append([batch.features for batch in islice(batches, 4)])
        for features in streams[-1]:
            assert features.shape[1] % 2 == 0
            longest = features.shape[1]
            assert len(features) == 1 or len(features) * (longest - FRAMES_PER_S) <= 20 * 50
    for first, second in zip(*streams, strict=True):
        assert torch.equal(first, second)


def test_damage_is_light_and_finite(shard: Shard) -> None:
    rng = np.random.default_rng(0)
    clean = shard[0].mel.astype(np.float32)
    for _ in range(200):
        damaged = augment(clean, rng)
        assert damaged.shape == clean.shape and damaged.dtype == np.float32
        assert np.isfinite(damaged).all() and damaged.min() >= FLOOR
        # What is loud stays louder than what is quiet.
        loud = clean.mean(axis=1) > np.quantile(clean.mean(axis=1), 0.8)
        quiet = clean.mean(axis=1) <= np.quantile(clean.mean(axis=1), 0.1)
        assert damaged[loud].mean() > damaged[quiet].mean()
    assert np.isfinite(silence(40, rng)).all()


def test_guided_loss_is_the_attention_outside_the_span() -> None:
    log_attention = torch.tensor([[[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]]]).log()
    spans = torch.tensor([[[0, 1], [-1, -1]]])
    assert float(guided_loss(log_attention, spans)) == pytest.approx(-np.log(0.75), abs=1e-5)
    assert float(guided_loss(log_attention, torch.full((1, 2, 2), -1))) == 0.0
