"""The network, its optimiser, its batches, its schedule, and the GGUF written from it."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.training.llm.batches import encode_dialogues, group_by_length, make_batch
from engine.training.llm.chat_format import Exchange, render
from engine.training.llm.export import (
    argmax_agreement,
    quantise_q8,
    tokenizer_mismatches,
    write_f16,
)
from engine.training.llm.model import Llama, LlamaShape
from engine.training.llm.muon import orthogonalise
from engine.training.llm.tokenizer import load_tokenizer, train_tokenizer
from engine.training.llm.train import (
    TrainingPlan,
    batch_loss,
    learning_rate_share,
    load_average,
    train,
)

SHAPE = LlamaShape(vocabulary=320, width=64, layers=2, heads=2, hidden=96, context=128)
TALK = [Exchange("hello there", "Hello. What is on your mind?"), Exchange("i am 42", "Good.")]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    train_tokenizer(["hello there what is on your mind"] * 20, SHAPE.vocabulary, path)
    return load_tokenizer(path)


def test_tokenizer_keeps_digits_apart_and_loses_nothing(tokenizer: Any) -> None:
    for text in ("hello 1234", "ünïcode 😀 ok", "  two  spaces", "1 22 333"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert len(tokenizer.encode("2222").ids) == 4


def test_only_answers_count_in_full(tokenizer: Any) -> None:
    encoded = encode_dialogues(tokenizer, [TALK])[0]
    answered = encoded.ids[encoded.weights == 1.0].tolist()

    assert encoded.ids.tolist() == tokenizer.encode(render(TALK)).ids
    assert tokenizer.decode(answered) == "Hello. What is on your mind?Good."
    assert answered.count(tokenizer.token_to_id("<|end|>")) == 2


def test_batches_keep_to_the_budget_and_lose_only_what_is_too_long(tokenizer: Any) -> None:
    rng = random.Random(0)
    talks = [[Exchange("a " * rng.randint(1, 40), "Fine.")] for _ in range(60)]
    encoded = encode_dialogues(tokenizer, talks)

    groups = group_by_length(encoded, tokens=300, longest=70)

    kept = [len(d.ids) for group in groups for d in group]
    assert sorted(kept) == sorted(len(d.ids) for d in encoded if len(d.ids) <= 70)
    assert all(len(group) * max(len(d.ids) for d in group) <= 300 for group in groups)


def test_padding_changes_no_prediction(tokenizer: Any) -> None:
    torch.manual_seed(0)
    model = _random_model()
    short, long = encode_dialogues(tokenizer, [TALK[:1], TALK])
    batch = make_batch([short, long])

    padded = model(batch.ids)[0, : len(short.ids) - 1]

    alone = model(torch.from_numpy(short.ids[None, :-1]))[0]
    assert torch.allclose(padded, alone, atol=1e-5)
    assert batch.weights[0, len(short.ids) - 1 :].sum() == 0


def test_the_future_is_not_seen() -> None:
    model = _random_model()
    ids = torch.randint(0, SHAPE.vocabulary, (1, 20))
    changed = ids.clone()
    changed[0, 12:] = 7

    assert torch.allclose(model(ids)[0, :12], model(changed)[0, :12], atol=1e-5)
    assert not torch.allclose(model(ids)[0, 12:], model(changed)[0, 12:], atol=1e-3)


@pytest.mark.parametrize("shape", [(64, 64), (96, 64), (64, 96)])
def test_muon_update_is_nearly_orthogonal(shape: tuple[int, int]) -> None:
    update = orthogonalise(torch.randn(shape, generator=torch.Generator().manual_seed(1))).float()
    values = torch.linalg.svdvals(update)

    assert values.min() > 0.5 and values.max() < 1.4


def test_learning_rate_warms_up_holds_and_falls() -> None:
    plan = TrainingPlan(seconds=100, seed=1, warmup_steps=10, hold_share=0.25)
    steps = [learning_rate_share(plan, 1000, p / 100) for p in range(101)]

    assert learning_rate_share(plan, 0, 0.0) == pytest.approx(0.1)
    assert steps[:26] == [1.0] * 26
    assert all(a > b for a, b in pairwise(steps[25:]))
    assert steps[-1] == pytest.approx(plan.final_share)


def test_training_learns_resumes_and_ends(tokenizer: Any, tmp_path: Path) -> None:
    lines: list[str] = []
    plan = TrainingPlan(seconds=1.5, seed=1, tokens_per_batch=200, warmup_steps=2)
    batch = make_batch(encode_dialogues(tokenizer, [TALK]))
    torch.manual_seed(plan.seed)
    untrained = batch_loss(Llama(SHAPE), batch)[1]

    model = train(tokenizer, lambda rng: TALK, SHAPE, plan, tmp_path, lines.append)
    again = train(tokenizer, lambda rng: TALK, SHAPE, plan, tmp_path, lines.append)

    assert batch_loss(model, batch)[1] < untrained
    assert any(line.startswith("resumed") for line in lines)
    weights = load_average(tmp_path / "checkpoint.pt", SHAPE).state_dict()
    for name, value in again.state_dict().items():
        assert torch.equal(value.cpu(), weights[name])


def test_gguf_cuts_and_predicts_as_torch_does(tokenizer: Any, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    pytest.importorskip("gguf")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    model = _random_model()
    write_f16(model, tmp_path / "tokenizer.json", tmp_path / "f16.gguf")
    quantise_q8(tmp_path / "f16.gguf", tmp_path / "q8.gguf")
    rng = np.random.default_rng(3)
    pieces = ["hello", " there", "42", "'s", " it's", "ü", "😀", "  ", "\n", "x_y", "...", " 7"]
    texts = ["".join(rng.choice(pieces, rng.integers(1, 9))) for _ in range(1000)]

    assert tokenizer_mismatches(tmp_path / "q8.gguf", tokenizer, [*texts, render(TALK)]) == []
    assert argmax_agreement(tmp_path / "f16.gguf", model, tokenizer, [render(TALK)]) >= 0.97
    assert (tmp_path / "q8.gguf").stat().st_size < (tmp_path / "f16.gguf").stat().st_size


def _random_model() -> Llama:
    """Random weights that are large enough everywhere for mistakes to show."""
    generator = torch.Generator().manual_seed(4)
    model = Llama(SHAPE)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2:
                scale = 1.0 if "token_embd" in name else parameter.shape[1] ** -0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
            else:
                parameter.copy_(1 + 0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()
