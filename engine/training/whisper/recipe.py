"""The whole way to whisper-nano: tokenizer, speech, training, export. Each step goes on where it
stopped.

Speech is made in a second process while training already runs on the first shards.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch

from engine.training.corpus import dialogues, sentences
from engine.training.errors import TrainingError
from engine.training.espeak import Espeak
from engine.training.whisper.batches import Batches
from engine.training.whisper.config import Shape
from engine.training.whisper.export import export
from engine.training.whisper.speech import SHARD_S, PhonemeTable, Shard, build_shard
from engine.training.whisper.text import TextTokenizer, train_tokenizer
from engine.training.whisper.train import CHECKPOINT, Plan, Trainer, development_batches
from engine.training.whisper.voices import ACCENTS, development_voice, training_voice

DEFAULT_MINUTES = 50.0
HOURS = 96
FIRST_SHARDS = 4  # hours of speech that must be there before training starts
DEVELOPMENT_S = 600.0
_DEVELOPMENT_SEED = 900_001  # a stream of text apart from the shards' own


def run(work: Path, out: Path, minutes: float | None, seed: int) -> None:
    """Train whisper-nano in `work` for `minutes` (default 50) and write the CTranslate2 folder
    `out`.

    Raises TrainingError where espeak-ng is missing or the speech could not be made.
    """
    work.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(work, seed)
    _phonemes(work, seed)
    maker = start_speech(work, seed, HOURS)
    try:
        development = Shard(_wait_for(work / "development", maker))
        _wait_for(_shard_folder(work, FIRST_SHARDS - 1), maker)
        plan = Plan(minutes=DEFAULT_MINUTES if minutes is None else minutes, seed=seed)
        trainer = Trainer(work, tokenizer, Shape(), plan)
        batches = Batches(tokenizer, plan.batch_s, seed + trainer.steps)

        def refresh() -> None:
            for index in range(len(batches.shards), HOURS):
                if not _shard_folder(work, index).exists():
                    break
                batches.add(Shard(_shard_folder(work, index)))

        refresh()
        trainer.train(batches, development_batches(development, tokenizer, 6), refresh)
    finally:
        maker.terminate()
        maker.join()
    export(trainer.averaged_state(), Shape(), tokenizer, out)


def export_checkpoint(work: Path, out: Path) -> None:
    """Write the CTranslate2 folder from the newest checkpoint in `work`, finished or not."""
    if not (work / CHECKPOINT).exists():
        raise TrainingError(f"There is no checkpoint in {work}: train first.")
    state = torch.load(work / CHECKPOINT, map_location="cpu", weights_only=True)
    tokenizer = TextTokenizer.load(work / "tokenizer.json")
    export(state["averaged"], Shape(**state["shape"]), tokenizer, out)


def texts(seed: int) -> Iterator[str]:
    """Endless text: four sentences of the corpus, then one line of its dialogues."""
    lines = chain.from_iterable(dialogues(seed))
    narrative = sentences(seed)
    while True:
        yield from islice(narrative, 4)
        yield next(lines)


def start_speech(work: Path, seed: int, hours: int) -> BaseProcess:
    """Start the process that makes the shards which `work` lacks."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=make_speech, args=(work, seed, hours), daemon=True)
    process.start()
    return process


def make_speech(work: Path, seed: int, hours: int) -> None:
    """Make the development set and every missing shard. Runs in its own process."""
    table = PhonemeTable(json.loads((work / "phonemes.json").read_text(encoding="utf-8")))
    if not (work / "development").exists():
        rng = np.random.default_rng([seed, _DEVELOPMENT_SEED])
        source = texts(seed + _DEVELOPMENT_SEED)
        build_shard(
            work / "development", source, partial(development_voice, rng), table, DEVELOPMENT_S
        )
    for index in range(hours):
        folder = _shard_folder(work, index)
        if not folder.exists():
            rng = np.random.default_rng([seed, index])
            build_shard(folder, texts(seed + index), partial(training_voice, rng), table, SHARD_S)


def _tokenizer(work: Path, seed: int) -> TextTokenizer:
    path = work / "tokenizer.json"
    if not path.exists():
        train_tokenizer(islice(texts(seed), 40_000), Shape().merges).save(path)
    return TextTokenizer.load(path)


def _phonemes(work: Path, seed: int) -> None:
    path = work / "phonemes.json"
    if not path.exists():
        table = PhonemeTable.learn(Espeak(), islice(texts(seed), 300), ACCENTS)
        path.write_text(json.dumps(table.symbols), encoding="utf-8")


def _shard_folder(work: Path, index: int) -> Path:
    return work / f"shard_{index:03d}"


def _wait_for(folder: Path, maker: BaseProcess) -> Path:
    while not folder.exists():
        if not maker.is_alive() and not folder.exists():
            raise TrainingError(
                "Making speech for the recogniser failed: see the messages above, then run again."
            )
        time.sleep(0.5)
    return folder
