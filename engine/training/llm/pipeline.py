"""From the written text to the shipped GGUF, step by step, each step kept in the work folder."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import grammar
from .chat_format import render
from .corpus import load_corpus
from .curve import draw_curve
from .dialogues import OTHER_POOL, DialogueMaker
from .export import argmax_agreement, quantise_q8, tokenizer_mismatches, write_f16
from .model import Llama, LlamaShape
from .tokenizer import load_tokenizer, train_tokenizer
from .train import TrainingPlan, load_average, train

DEFAULT_MINUTES = 50.0
TOKENIZER_DIALOGUES = 12000
CHECK_DIALOGUES = 400
GGUF_NAME = "llm-nano.gguf"
HELD_OUT = Path(__file__).parents[2] / "evaluation" / "data" / "chat_prompts.json"
DEV = Path(__file__).parent / "data" / "dev.json"

_log = logging.getLogger(__name__)


def held_out_wordings() -> Iterator[str]:
    """Every wording of every held-out family, of the evaluation and of the development list."""
    for path in (HELD_OUT, DEV):
        for item in json.loads(path.read_text(encoding="utf-8"))["prompts"]:
            yield item["prompt"]
            yield from grammar.expand(grammar.parse(item["family"]))


def make_dialogue_maker(other_pool: int = OTHER_POOL) -> DialogueMaker:
    """The generator of training conversations, held-out wordings excluded.

    ``other_pool`` is how many sentences beyond all intents it draws on.
    """
    return DialogueMaker(load_corpus(), held_out_wordings(), other_pool)


def run(work: Path, out: Path, minutes: float | None, seed: int) -> None:
    """Train llm-nano in ``work`` (resuming what is there) and write the GGUF to ``out``.

    ``minutes`` is processor time of the training loop, None for the default. Runs on a GPU when there is
    one. Raises RuntimeError when the exported model differs from the trained one.
    """
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    maker = make_dialogue_maker()
    tokenizer_path = work / "tokenizer.json"
    shape = LlamaShape()
    if not tokenizer_path.exists():
        rng = random.Random(f"{seed}-tokenizer")
        texts = (
            text
            for _ in range(TOKENIZER_DIALOGUES)
            for turn in maker.dialogue(rng)
            for text in (turn.user, turn.answer)
        )
        train_tokenizer(texts, shape.vocabulary, tokenizer_path)
    tokenizer = load_tokenizer(tokenizer_path)
    plan = TrainingPlan(seconds=60.0 * (DEFAULT_MINUTES if minutes is None else minutes), seed=seed)
    started_s = time.monotonic()
    model = train(tokenizer, maker.dialogue, shape, plan, work, _log.info)
    _log.info("trained for %.0f s", time.monotonic() - started_s)
    draw_curve(work / "curve.jsonl", work / "curve.png")
    export(model.cpu().eval(), tokenizer, work, out, maker, seed)


def export_checkpoint(work: Path, out: Path, seed: int) -> None:
    """Export what a run that is still going has reached, from its last checkpoint."""
    model = load_average(work / "checkpoint.pt", LlamaShape())
    scratch = work / "snapshot"
    scratch.mkdir(exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    (scratch / "tokenizer.json").write_bytes((work / "tokenizer.json").read_bytes())
    tokenizer = load_tokenizer(scratch / "tokenizer.json")
    export(model, tokenizer, scratch, out, make_dialogue_maker(), seed)


def export(
    model: Llama, tokenizer: Any, work: Path, out: Path, maker: DialogueMaker, seed: int
) -> None:
    """Write f16 and Q8_0, compare with torch, and put the Q8_0 file in ``out``."""
    f16, q8 = work / "llm-nano.f16.gguf", work / GGUF_NAME
    write_f16(model, work / "tokenizer.json", f16, maker.lots())
    quantise_q8(f16, q8)
    rng = random.Random(f"{seed}-check")
    dialogues = [maker.dialogue(rng) for _ in range(CHECK_DIALOGUES)]
    texts = [t for d in dialogues for turn in d for t in (turn.user, turn.answer)]
    texts += [render(dialogue) for dialogue in dialogues]
    different = tokenizer_mismatches(q8, tokenizer, texts)
    if different:
        raise RuntimeError(f"llama.cpp cuts {len(different)} texts differently: {different[0]!r}")
    rendered = [render(dialogue) for dialogue in dialogues[:30]]
    same_f16 = argmax_agreement(f16, model, tokenizer, rendered)
    same_q8 = argmax_agreement(q8, model, tokenizer, rendered)
    report = {"texts": len(texts), "argmax_f16": same_f16, "argmax_q8": same_q8}
    (work / "export.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    _log.info("export %s", report)
    if same_f16 < 0.995 or same_q8 < 0.95:
        raise RuntimeError(f"the exported model does not predict as the trained one does: {report}")
    (out / GGUF_NAME).write_bytes(q8.read_bytes())
