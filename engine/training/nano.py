"""The built-in speech model from nothing: codec, tokens, speech model, export.

Each stage keeps its result in the work folder and is skipped when it is there, so an interrupted run goes
on where it was. `NanoPlan`'s defaults are the steps that made the shipped files.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch

from engine.config import CsmConfig, preset
from engine.csm.model import CsmModel
from engine.mimi.codec import MimiCodec
from engine.training.corpus import sentences, words
from engine.training.csm.evaluate import listen
from engine.training.csm.export import export_model, export_voices
from engine.training.csm.prepare import encode, prepare_shards, speak_shard
from engine.training.csm.store import write_shard
from engine.training.csm.text import speakable
from engine.training.csm.train import CsmRecipe, train_csm
from engine.training.mimi.data import build_codec_set, load_codec_set
from engine.training.mimi.export import finished_state, rounded
from engine.training.mimi.tokenizer import TokenizerRecipe, train_tokenizer
from engine.training.mimi.vocoder import VocoderRecipe, train_vocoder
from engine.training.run import Budget, Log

CONFIG = preset("csm-nano")
HELD_OUT_SEED = 99


@dataclass(frozen=True, slots=True)
class NanoPlan:
    """Sizes, recipes and amounts of speech of csm-nano with its codec."""

    config: CsmConfig = CONFIG
    tokenizer: TokenizerRecipe = field(default_factory=lambda: TokenizerRecipe(Budget(5_600)))
    vocoder: VocoderRecipe = field(default_factory=lambda: VocoderRecipe(Budget(10_000)))
    csm: CsmRecipe = field(default_factory=lambda: CsmRecipe(Budget(18_000)))
    codec_hours: float = 6.0
    speech_hours: float = 50.0
    shard_s: float = 1800.0
    held_out_s: float = 900.0
    listen_to: int = 8
    seed: int = 0

    def adjusted(self, minutes: float | None, seed: int) -> NanoPlan:
        """The plan with another seed and, where given, `minutes` for each training."""

        def budget(steps: Budget) -> Budget:
            return replace(steps, minutes=minutes)

        return replace(
            self,
            tokenizer=replace(self.tokenizer, budget=budget(self.tokenizer.budget), seed=seed),
            vocoder=replace(self.vocoder, budget=budget(self.vocoder.budget), seed=seed),
            csm=replace(self.csm, budget=budget(self.csm.budget), seed=seed),
            seed=seed,
        )


def run_mimi(work: Path, minutes: float | None, seed: int) -> None:
    """mimi-nano: train encoder and quantiser, freeze the codes, then train the decoder.

    With `minutes`, each of the two trainings gets half of them.
    """
    plan = NanoPlan().adjusted(minutes and minutes / 2, seed)
    train_decoder(work, train_codes(work, plan), plan)


def run_csm(work: Path, assets: Path, minutes: float | None, seed: int) -> None:
    """csm-nano: tokenise speech with mimi-nano, train, export the pack and its voices."""
    plan = NanoPlan().adjusted(minutes, seed)
    codec = train_codes(work, plan)
    finished = work / "mimi" / "codec.pt"
    if not finished.exists():
        train_decoder(work, codec, plan)
    codec.load_state(torch.load(finished, weights_only=True))
    prepare(work, codec, plan)
    train_speech(work, plan, codec)
    pack(work, plan.config, assets / "nano" / "csm", assets / "voices")


def train_codes(work: Path, plan: NanoPlan) -> MimiCodec:
    """First stage: a codec whose codes are final; its decoder is not trained yet."""
    frozen, folder = work / "mimi" / "codes.pt", work / "mimi" / "set"
    codec = MimiCodec(plan.config.mimi)
    if not frozen.exists():
        if not (folder / "phonemes.json").exists():
            build_codec_set(codec_texts(plan.seed), folder, plan.codec_hours, plan.seed)
        data = load_codec_set(folder)
        trained = train_tokenizer(plan.config.mimi, data, plan.tokenizer, work / "mimi")
        # Rounded as the shipped file is, so that the tokens are those of the shipped encoder.
        torch.save(rounded(finished_state(trained.codec), torch.float16), frozen)
    codec.load_state(torch.load(frozen, weights_only=True))
    return codec


def train_decoder(work: Path, codec: MimiCodec, plan: NanoPlan) -> MimiCodec:
    """Second stage: waves from the frozen codes. `codec` is trained in place."""
    train_vocoder(codec.model, plan.vocoder, work / "mimi")
    torch.save(codec.model.state_dict(), work / "mimi" / "codec.pt")
    return codec


def prepare(work: Path, codec: MimiCodec, plan: NanoPlan) -> None:
    """Tokenised shards, and a held-out one of other text."""
    held_out = work / "csm" / "held_out.npz"
    if not held_out.exists():
        spoken = speak_shard(HELD_OUT_SEED * 10_000, plan.held_out_s)
        write_shard(held_out, encode(codec.model, spoken))
    shards = work / "csm" / "shards"
    prepare_shards(codec.model, shards, plan.speech_hours, plan.seed, plan.shard_s)


def train_speech(work: Path, plan: NanoPlan, codec: MimiCodec | None = None) -> CsmModel:
    """The speech model from the shards. With a finished `codec` it is listened to at every checkpoint."""
    folder = work / "csm"
    held_out = folder / "held_out.npz"
    on_save = listener(codec, Log(folder / "listening.jsonl"), plan.listen_to) if codec else None
    return train_csm(plan.config, folder / "shards", plan.csm, folder, held_out, on_save)


def listener(codec: MimiCodec, log: Log, count: int) -> Callable[[CsmModel, int], None]:
    """Lets each checkpoint speak `count` held-out lines and logs how far they are from espeak's own."""
    spoken = speak_shard(HELD_OUT_SEED * 10_000 + 1, 8.0 * count, users=0.0)
    lines = encode(codec.model, spoken)
    waves = [utterance.samples for utterance, _ in spoken]
    prompts = {line.group: line for line in lines[-2:]}
    references = list(zip(lines, waves, strict=True))[:count]

    def hear(model: CsmModel, step: int) -> None:
        figures, _ = listen(model, codec, references, prompts)
        log.report(step, 0.0, **asdict(figures))

    return hear


def pack(work: Path, config: CsmConfig, out: Path, voices: Path) -> None:
    """Export what the work folder holds to `out` (the model) and `voices`."""
    codec, model = MimiCodec(config.mimi), CsmModel(config)
    codec.load_state(torch.load(work / "mimi" / "codec.pt", weights_only=True))
    state = torch.load(work / "csm" / "csm.pt", weights_only=True)
    model.load_state_dict(state["modules"]["model"])
    export_model(model.eval(), codec, out)
    export_voices(voices)


def codec_texts(seed: int) -> Iterator[str]:
    """Half sentences, half rows of random words: the codec needs sounds, not sense."""
    rng, plain, known = random.Random(seed), sentences(seed + 1), words()
    while True:
        if rng.random() < 0.5:
            yield speakable(next(plain))
        else:
            row = " ".join(rng.choice(known) for _ in range(rng.randint(4, 10)))
            yield speakable(row).capitalize() + rng.choice(".?")
