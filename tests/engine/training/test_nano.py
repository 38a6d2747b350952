"""The whole way from nothing to a pack that the engine speaks with, at toy size."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.config import CsmConfig, tiny
from engine.generator import SpeechEngine
from engine.training import nano
from engine.training.csm.losses import LossRecipe
from engine.training.csm.sequences import Mix
from engine.training.csm.train import CsmRecipe
from engine.training.espeak import Espeak
from engine.training.mimi.tokenizer import FRAME, TokenizerRecipe
from engine.training.mimi.vocoder import VocoderRecipe
from engine.training.run import Budget, Log
from engine.voice import load_voice


@pytest.fixture(scope="module")
def plan(espeak: Espeak) -> nano.NanoPlan:
    size = tiny(4)
    config: CsmConfig = replace(
        size,
        text_vocab=258,
        backbone=replace(size.backbone, max_positions=1024),
        mimi=replace(size.mimi, context=8),
    )
    cuts = (4, 8 * FRAME)
    return nano.NanoPlan(
        config=config,
        tokenizer=TokenizerRecipe(
            Budget(3),
            start_batch=cuts,
            batch=cuts,
            final_batch=cuts,
            unquantised_steps=1,
            kmeans_batches=2,
        ),
        vocoder=VocoderRecipe(Budget(2), hours=0.01, batch=2, frames=8, stretch=3, unscored=1),
        csm=CsmRecipe(
            Budget(3),
            positions=300,
            round_sequences=3,
            losses=LossRecipe(guide_layer=0),
            mix=Mix(longest=300),
        ),
        codec_hours=0.01,
        speech_hours=0.02,
        shard_s=36.0,
        held_out_s=12.0,
        listen_to=2,
    )


@pytest.fixture(scope="module")
def assets(plan: nano.NanoPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("work")
    codec = nano.train_codes(work, plan)
    nano.train_decoder(work, codec, plan)
    nano.prepare(work, codec, plan)
    nano.train_speech(work, plan, codec)
    nano.pack(work, plan.config, work / "assets" / "csm", work / "assets" / "voices")
    return work / "assets"


def test_the_engine_speaks_with_the_pack_in_every_shipped_voice(assets: Path) -> None:
    engine = SpeechEngine.load(assets / "csm", device="cpu")
    for folder in sorted((assets / "voices").iterdir()):
        voice = load_voice(folder)
        assert "synthetic" in voice.consent
        assert engine.prepare_voice(voice).codes.min() >= 1
        conversation = engine.conversation(voice)
        frames = list(conversation.speak("Hello."))
        assert all(np.isfinite(frame.samples).all() for frame in frames)


def test_the_pack_says_how_to_sample_and_where_text_begins(assets: Path) -> None:
    generation = json.loads((assets / "csm" / "generation_config.json").read_text())
    assert generation["do_sample"] is False and generation["bos_token_id"] == 256
    config = json.loads((assets / "csm" / "config.json").read_text())
    assert config["model_type"] == "csm" and config["codec_config"]["model_type"] == "mimi"


def test_checkpoints_are_listened_to(assets: Path) -> None:
    rows = Log(assets.parent / "csm" / "listening.jsonl").rows()
    assert rows[-1]["sentences"] == 2 and rows[-1]["codec_dtw_l1"] > 0
    assert 0 <= rows[-1]["ended"] <= 1


def test_a_finished_stage_is_not_run_again(plan: nano.NanoPlan, assets: Path) -> None:
    work = assets.parent
    before = (work / "mimi" / "codes.pt").read_bytes()
    another = plan.adjusted(None, seed=5)
    nano.train_codes(work, another)
    assert (work / "mimi" / "codes.pt").read_bytes() == before


def test_minutes_and_seed_reach_every_training(plan: nano.NanoPlan) -> None:
    changed = plan.adjusted(2.5, seed=7)
    for recipe in (changed.tokenizer, changed.vocoder, changed.csm):
        assert recipe.budget.minutes == 2.5 and recipe.seed == 7
