"""Our network is Whisper, and what is exported is what was trained."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.training.corpus import sentences
from engine.training.whisper.batches import Batch, collate, silent_item
from engine.training.whisper.config import MEL_BANDS, Shape
from engine.training.whisper.evaluate import load_model, transcribe
from engine.training.whisper.export import export, write_transformers
from engine.training.whisper.losses import Weights, compute_losses
from engine.training.whisper.model import Recogniser
from engine.training.whisper.text import TextTokenizer, train_tokenizer
from engine.training.whisper.train import CHECKPOINT, Plan, Trainer, schedule, stock_share

TINY = Shape(
    width=32,
    heads=2,
    encoder_layers=2,
    decoder_layers=2,
    feed_forward=64,
    merges=40,
    guided_heads=1,
)


@pytest.fixture(scope="module")
def tokenizer() -> TextTokenizer:
    return train_tokenizer(islice(sentences(1), 300), merges=TINY.merges)


@pytest.fixture
def model(tokenizer: TextTokenizer) -> Recogniser:
    torch.manual_seed(0)
    return Recogniser(TINY, tokenizer.size).eval()


def _batch(tokenizer: TextTokenizer) -> Batch:
    rng = np.random.default_rng(0)
    items = [silent_item(tokenizer, rng) for _ in range(3)]
    return collate(items, tokenizer, max(len(item.mel) for item in items))


def test_logits_equal_transformers(
    model: Recogniser, tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    from transformers import WhisperForConditionalGeneration

    write_transformers(model.state_dict(), TINY, tokenizer, tmp_path)
    theirs = WhisperForConditionalGeneration.from_pretrained(tmp_path).eval()
    features = torch.randn(2, 3000, MEL_BANDS)
    tokens = torch.tensor([[tokenizer.sot, tokenizer.no_timestamps, *tokenizer.encode("Hi there")]])
    tokens = tokens.repeat(2, 1)
    with torch.no_grad():
        ours = model.decode(tokens, model.encode(features).output).logits
        reference = theirs(input_features=features.transpose(1, 2), decoder_input_ids=tokens).logits
    assert (ours - reference).abs().max() < 1e-4


def test_exported_folder_runs_in_the_stock_class(
    model: Recogniser, tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    export(model.state_dict(), TINY, tokenizer, tmp_path / "nano")
    stock = load_model(tmp_path / "nano")
    assert not stock.model.is_multilingual
    assert stock.feature_extractor.hop_length == 320
    assert isinstance(transcribe(stock, np.zeros(8000, np.float32), beam=1), str)


def test_an_update_lowers_the_loss(model: Recogniser, tokenizer: TextTokenizer) -> None:
    batch, weights = _batch(tokenizer), Weights.at(0.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    before = compute_losses(model, batch, weights)
    before.total.backward()
    optimizer.step()
    after = compute_losses(model, batch, weights)
    assert after.total.item() < before.total.item()
    assert after.text.item() < before.text.item()


def test_aids_fade() -> None:
    first, last = Weights.at(0.0), Weights.at(1.0)
    assert first.ctc > last.ctc and first.phonemes > last.phonemes and first.guided > last.guided
    assert Weights.at(2.0) == last


def test_schedule_follows_the_clock() -> None:
    plan = Plan(minutes=10.0, seed=0)
    assert schedule(plan, 0.0, 0) < 0.1
    assert schedule(plan, 0.2, 10_000) == 1.0
    assert 0.0 < schedule(plan, 0.9, 10_000) < 0.2
    assert schedule(plan, 1.0, 10_000) == 0.0
    assert stock_share(plan, 0.0) == 0.0 < stock_share(plan, 0.5) < stock_share(plan, 0.95)


def test_training_goes_on_from_its_checkpoint(tokenizer: TextTokenizer, tmp_path: Path) -> None:
    trainer = Trainer(tmp_path, tokenizer, TINY, Plan(minutes=5.0, seed=0))
    batch = _batch(tokenizer)
    trainer.step(batch)
    trainer.elapsed_s = 12.0
    trainer.save()
    assert (tmp_path / CHECKPOINT).exists()
    resumed = Trainer(tmp_path, tokenizer, TINY, Plan(minutes=5.0, seed=0))
    assert (resumed.steps, resumed.elapsed_s) == (1, 12.0)
    trainer.step(batch)
    resumed.step(batch)
    ours, theirs = trainer.averaged_state(), resumed.averaged_state()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
