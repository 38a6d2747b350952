"""From the corpus to tokenised shards: text is spoken by espeak and encoded by the finished codec."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine.training.corpus import dialogues, sentences
from engine.training.csm.store import FIRST_USER_GROUP, Line, write_shard
from engine.training.csm.text import speakable
from engine.training.espeak import Espeak, EspeakVoice
from engine.training.mimi.network import MimiNetwork, latents_of
from engine.training.speech import ASSISTANTS, Utterance, render, user_voice

FRAME_RATE_HZ = 12.5
FRAME = 1920
_BATCH_SAMPLES = 60 * 24_000
_SENTENCE = re.compile(r"[^.?!]+[.?!]+")


def lines_of_text(seed: int) -> Iterator[str]:
    """What is spoken: sentences, the sentences of dialogues, and short openings of either.

    Short ones matter: the app speaks the first clause of an answer by itself.
    """
    rng = random.Random(seed)
    plain, talks = sentences(seed), dialogues(seed)
    spoken: list[str] = []
    while True:
        if rng.random() < 0.3:
            while not spoken:
                spoken = [s.strip() for line in next(talks) for s in _SENTENCE.findall(line)]
            text = speakable(spoken.pop())
        else:
            text = speakable(next(plain))
        if rng.random() < 0.12:
            text = _opening(text, rng)
        if 1 <= len(text) <= 130 and any(c.isalpha() for c in text):
            yield text


def _opening(text: str, rng: random.Random) -> str:
    """The first words of a sentence as a clause of its own."""
    words = text.rstrip(".?!").split()
    few = words[: rng.randint(1, min(5, len(words)))]
    return " ".join(few).rstrip(",") + rng.choice(",,,.")


@torch.no_grad()
def encode_batch(model: MimiNetwork, waves: list[NDArray[np.float32]]) -> list[NDArray[np.uint16]]:
    """Codes (T, K) of each wave, each from a fresh state. Padding is harmless: the codec is causal."""
    frames = [-(-len(wave) // FRAME) for wave in waves]
    padded = np.zeros((len(waves), max(frames) * FRAME), np.float32)
    for row, wave in enumerate(waves):
        padded[row, : len(wave)] = wave
    device = next(model.parameters()).device
    with torch.autocast(device.type, torch.bfloat16):
        latents = latents_of(model, torch.from_numpy(padded).to(device)).float()
    codes = model.quantizer.encode(latents).transpose(1, 2).cpu().numpy()
    return [codes[row, :count].astype(np.uint16) for row, count in enumerate(frames)]


def encode(model: MimiNetwork, spoken: list[tuple[Utterance, int]]) -> list[Line]:
    """Encode utterances with their group numbers, in batches of like length."""
    order = sorted(range(len(spoken)), key=lambda i: len(spoken[i][0].samples))
    codes: dict[int, NDArray[np.uint16]] = {}
    batch: list[int] = []

    def flush() -> None:
        waves = [spoken[i][0].samples for i in batch]
        codes.update(zip(batch, encode_batch(model, waves), strict=True))
        batch.clear()

    for i in order:
        if batch and len(spoken[i][0].samples) * (len(batch) + 1) > _BATCH_SAMPLES:
            flush()
        batch.append(i)
    flush()
    lines: list[Line] = []
    for i, (utterance, group) in enumerate(spoken):
        words = [(float(first), start * FRAME_RATE_HZ) for first, _, start in utterance.words]
        table = np.array(words, np.float32).reshape(-1, 2)
        lines.append(Line(utterance.text, codes[i], table, group))
    return lines


def speak_shard(seed: int, seconds: float, users: float = 0.15) -> list[tuple[Utterance, int]]:
    """About `seconds` of speech: the assistants' voices in turn, and `users` of it by others.

    The others speak in groups of some ten lines in one manner, so that a conversation can keep its user.
    """
    espeak, rng, texts = Espeak(), random.Random(seed), lines_of_text(seed)
    assistants = list(ASSISTANTS.values())
    spoken: list[tuple[Utterance, int]] = []
    total, user_total, group = 0.0, 0.0, FIRST_USER_GROUP + seed * 1000

    def add(voice: EspeakVoice, number: int, rms: float) -> float:
        utterance = render(espeak, next(texts), voice, rms)
        if len(utterance.samples):
            spoken.append((utterance, number))
        return utterance.seconds

    while total < seconds:
        if user_total < users * total:
            voice, rms = user_voice(rng), 10 ** rng.uniform(-1.4, -0.85)
            for _ in range(10):
                lasted = add(voice, group, rms)
                total, user_total = total + lasted, user_total + lasted
            group += 1
        else:
            number = len(spoken) % len(assistants)
            total += add(assistants[number], number, 0.09)
    return spoken


def prepare_shards(
    model: MimiNetwork, folder: Path, hours: float, seed: int, shard_s: float = 1800.0
) -> None:
    """Write shards until there are `hours`; shards that exist are kept, so an interruption costs little."""
    for number in range(round(hours * 3600 / shard_s)):
        path = folder / f"{number:04d}.npz"
        if not path.exists():
            spoken = speak_shard(seed * 10_000 + number, shard_s)
            write_shard(path, encode(model, spoken))
