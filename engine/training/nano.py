"""The built-in speech model from nothing: codec, tokens, speech model, export.

Each stage keeps its result in the work folder and is skipped when it is there, so an interrupted run goes
on where it was. Stage times on one core are in the documentation of `NanoPlan`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from engine.config import preset
from engine.csm.model import CsmModel
from engine.mimi.codec import MimiCodec
from engine.training.corpus import sentences, words
from engine.training.csm.export import export_model, export_voices
from engine.training.csm.prepare import encode, prepare_shards, speak_shard
from engine.training.csm.store import write_shard
from engine.training.csm.text import speakable
from engine.training.csm.train import CsmRecipe, train_csm
from engine.training.mimi.data import build_codec_set, load_codec_set
from engine.training.mimi.export import finished_state, rounded
from engine.training.mimi.tokenizer import Tokenizer, TokenizerRecipe, train_tokenizer
from engine.training.mimi.vocoder import VocoderRecipe, train_vocoder
from engine.training.run import Budget

CONFIG = preset("csm-nano")
HELD_OUT_SEED = 99


@dataclass(frozen=True, slots=True)
class NanoPlan:
    """Minutes of the three trainings and hours of speech; the defaults made the shipped files."""

    tokenizer_minutes: float = 24.0
    vocoder_minutes: float = 25.0
    csm_minutes: float = 70.0
    codec_hours: float = 2.5
    speech_hours: float = 40.0


def run_mimi(work: Path, minutes: float | None, seed: int) -> None:
    """mimi-nano: train encoder and quantiser, freeze the codes, then train the decoder."""
    plan = NanoPlan()
    if minutes is not None:
        share = minutes / (plan.tokenizer_minutes + plan.vocoder_minutes)
        plan = replace(
            plan,
            tokenizer_minutes=plan.tokenizer_minutes * share,
            vocoder_minutes=plan.vocoder_minutes * share,
        )
    train_decoder(work, train_codes(work, plan, seed), plan, seed)


def run_csm(work: Path, assets: Path, minutes: float | None, seed: int) -> None:
    """csm-nano: tokenise speech with mimi-nano, train, export the pack and its voices."""
    plan = NanoPlan() if minutes is None else replace(NanoPlan(), csm_minutes=minutes)
    codec = train_codes(work, plan, seed)
    if not (work / "mimi" / "codec.pt").exists():
        train_decoder(work, codec, plan, seed)
    prepare(work, codec, plan, seed)
    train_speech(work, plan, seed)
    pack(work, assets / "nano" / "csm", assets / "voices")


def train_codes(work: Path, plan: NanoPlan, seed: int) -> MimiCodec:
    """First stage: a codec whose codes are final; its decoder is not trained yet."""
    frozen = work / "mimi" / "codes.pt"
    codec = MimiCodec(CONFIG.mimi)
    if not frozen.exists():
        if not (work / "mimi" / "set" / "phonemes.json").exists():
            build_codec_set(codec_texts(seed), work / "mimi" / "set", plan.codec_hours, seed)
        data = load_codec_set(work / "mimi" / "set")
        recipe = TokenizerRecipe(Budget(20_000, plan.tokenizer_minutes), seed=seed)
        trained: Tokenizer = train_tokenizer(CONFIG.mimi, data, recipe, work / "mimi")
        # Rounded as the shipped file is, so that the tokens are those of the shipped encoder.
        torch.save(rounded(finished_state(trained.codec), torch.float16), frozen)
    codec.load_state(torch.load(frozen, weights_only=True))
    return codec


def train_decoder(work: Path, codec: MimiCodec, plan: NanoPlan, seed: int) -> MimiCodec:
    """Second stage: waves from the frozen codes. `codec` is trained in place."""
    recipe = VocoderRecipe(Budget(20_000, plan.vocoder_minutes), seed=seed)
    train_vocoder(codec.model, recipe, work / "mimi")
    torch.save(codec.model.state_dict(), work / "mimi" / "codec.pt")
    return codec


def prepare(work: Path, codec: MimiCodec, plan: NanoPlan, seed: int) -> None:
    """Tokenised shards, and a held-out one of other text."""
    held_out = work / "csm" / "held_out.npz"
    if not held_out.exists():
        spoken = speak_shard(HELD_OUT_SEED * 10_000, 900.0)
        write_shard(held_out, encode(codec.model, spoken))
    prepare_shards(codec.model, work / "csm" / "shards", plan.speech_hours, seed)


def train_speech(work: Path, plan: NanoPlan, seed: int) -> CsmModel:
    """The speech model from the shards."""
    recipe = CsmRecipe(Budget(100_000, plan.csm_minutes), seed=seed)
    folder = work / "csm"
    return train_csm(CONFIG, folder / "shards", recipe, folder, folder / "held_out.npz")


def pack(work: Path, out: Path, voices: Path) -> None:
    """Export what the work folder holds to `out` (the model) and `voices`."""
    codec, model = MimiCodec(CONFIG.mimi), CsmModel(CONFIG)
    finished = work / "mimi" / "codec.pt"
    codec.load_state(torch.load(finished, weights_only=True))
    state = torch.load(work / "csm" / "csm.pt", weights_only=True)
    model.load_state_dict(state["modules"]["model"])
    export_model(model.eval(), codec, out)
    export_voices(voices)


def codec_texts(seed: int) -> Iterator[str]:
    """Half sentences, half rows of random words: the codec needs sounds, not sense."""
    import random

    rng, plain, known = random.Random(seed), sentences(seed + 1), words()
    while True:
        if rng.random() < 0.5:
            yield speakable(next(plain))
        else:
            row = " ".join(rng.choice(known) for _ in range(rng.randint(4, 10)))
            yield speakable(row).capitalize() + rng.choice(".?")
