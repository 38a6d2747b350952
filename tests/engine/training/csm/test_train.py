"""The loop: learns, resumes exactly, and hands its weights on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config import CsmConfig, tiny
from engine.training.csm.evaluate import Sampling, speak
from engine.training.csm.losses import LossRecipe
from engine.training.csm.sequences import Mix, Piece
from engine.training.csm.store import Line, write_shard
from engine.training.csm.train import CsmRecipe, train_csm
from engine.training.run import Budget, Log, hold_then_fall

CONFIG: CsmConfig = tiny(4)
RECIPE = CsmRecipe(
    Budget(12),
    positions=120,
    round_sequences=6,
    warm_up_steps=2,
    report_every=4,
    save_every=5,
    validate_every=1000,
    losses=LossRecipe(guide_layer=0),
    mix=Mix(longest=120, prompt_frames=(4, 8)),
)


@pytest.fixture(autouse=True)
def no_curves(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take longer than these trainings; one test draws them."""
    if "curves" not in request.node.name:
        monkeypatch.setattr(Log, "plot", lambda _log: None)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    lines = [
        Line(
            f"Line {i}.",
            rng.integers(1, 32, (5 + i % 3, 4)).astype(np.uint16),
            np.array([[0, 0], [5, 3]], np.float32),
            i % 2 if i % 3 else 100,
        )
        for i in range(12)
    ]
    write_shard(tmp_path / "shards" / "0000.npz", lines)
    return tmp_path / "shards"


class InterruptedRunError(Exception):
    pass


def test_resumed_training_equals_uninterrupted_training(shards: Path, tmp_path: Path) -> None:
    whole = train_csm(CONFIG, shards, RECIPE, tmp_path / "whole")
    saves = []

    def stop(_model: object, step: int) -> None:
        saves.append(step)
        raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        train_csm(CONFIG, shards, RECIPE, tmp_path / "parts", on_save=stop)
    assert 0 < saves[0] < RECIPE.budget.steps
    parts = train_csm(CONFIG, shards, RECIPE, tmp_path / "parts")
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, parts.state_dict()[name]), name


def test_training_learns_and_draws_its_curves(shards: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, budget=Budget(60), save_every=30, learning_rate=5e-3)
    train_csm(CONFIG, shards, recipe, tmp_path)
    rows = Log(tmp_path / "csm.jsonl").rows()
    assert rows[-1]["code0_ce"] < 0.9 * rows[0]["code0_ce"]
    assert rows[-1]["hours_heard"] > rows[0]["hours_heard"] > 0
    assert (tmp_path / "csm.png").stat().st_size > 1000


def test_another_seed_is_another_training(shards: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, budget=Budget(2))
    one = train_csm(CONFIG, shards, recipe, tmp_path / "one")
    other = train_csm(CONFIG, shards, replace(recipe, seed=1), tmp_path / "other")
    assert not torch.equal(one.codebook0_head.weight, other.codebook0_head.weight)


def test_speaking_is_bounded_repeatable_and_within_the_codec(shards: Path, tmp_path: Path) -> None:
    model = train_csm(CONFIG, shards, replace(RECIPE, budget=Budget(1)), tmp_path)
    prompt = Line("Hm.", np.ones((4, 4), np.uint16), np.zeros((0, 2), np.float32), 0)
    sampling = Sampling((0.9, 0.5))
    first, ended = speak(model, [Piece(prompt, 0)], "Hello.", 0, sampling, seed=3)
    again, _ = speak(model, [Piece(prompt, 0)], "Hello.", 0, sampling, seed=3)
    assert (first == again).all()
    assert first.shape[1] == 4 and first.max() < CONFIG.mimi.codebook_size
    assert ended or len(first) == 12 + 2 * len("Hello.")


def test_schedule_holds_then_falls_in_a_line() -> None:
    assert hold_then_fall(0.4, 0.4, 0.02) == 1.0
    assert hold_then_fall(0.7, 0.4, 0.02) == pytest.approx(0.51)
    assert hold_then_fall(1.0, 0.4, 0.02) == pytest.approx(0.02)


def test_budget_follows_steps_or_the_clock() -> None:
    assert Budget(10).progress(5, 1e9) == 0.5
    assert Budget(10, minutes=2).progress(9, 60) == 0.5
