"""Dialogues to training batches: token ids, loss weights, batches of like length.

Shapes: B dialogues, T tokens.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .chat_format import ASSISTANT, BOS, END, USER, Exchange, user_text

USER_WEIGHT = 0.1
DIALOGUES_PER_POOL = 600
# Share of BPE merges left out in user words (Provilkov et al. 2020, "BPE-Dropout"): words that
# share a stem then share tokens, and a rare word is not foreign.
MERGES_LEFT_OUT = 0.05

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EncodedDialogue:
    """Token ids and, for each, how much its prediction counts."""

    ids: Ints
    weights: Floats


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs, targets and weights, each (B, T)."""

    ids: Tensor
    targets: Tensor
    weights: Tensor


def encode_dialogues(
    tokenizer: Any, dialogues: list[list[Exchange]], user_tokenizer: Any = None
) -> list[EncodedDialogue]:
    """Encode each conversation with the weights 1 on answers, 0.1 on user words.

    ``user_tokenizer`` cuts the user words where it is given, such as one that leaves merges out.
    """
    bos, user, assistant, end = (tokenizer.token_to_id(t) for t in (BOS, USER, ASSISTANT, END))
    turns = [turn for dialogue in dialogues for turn in dialogue]
    cut = user_tokenizer or tokenizer
    asked_ids = iter([e.ids for e in cut.encode_batch([user_text(turn.user) for turn in turns])])
    answered_ids = iter([e.ids for e in tokenizer.encode_batch([turn.answer for turn in turns])])
    result: list[EncodedDialogue] = []
    for dialogue in dialogues:
        ids, weights = [bos], [0.0]
        for _ in dialogue:
            asked, answered = next(asked_ids), next(answered_ids)
            ids += [user, *asked, end, assistant, *answered, end]
            weights += [0.0] + [USER_WEIGHT] * len(asked) + [USER_WEIGHT, 0.0]
            weights += [1.0] * (len(answered) + 1)
        result.append(EncodedDialogue(np.array(ids), np.array(weights, dtype=np.float32)))
    return result


def group_by_length(
    dialogues: list[EncodedDialogue], tokens: int, longest: int
) -> list[list[EncodedDialogue]]:
    """Batches of like length with at most ``tokens`` padded tokens each.

    One dialogue per row needs no attention mask, and short rows make attention cheap: packing
    several into rows of 320 spent a third of the time there. Longer ones than ``longest`` are left
    out.
    """
    groups: list[list[EncodedDialogue]] = [[]]
    for dialogue in sorted(dialogues, key=lambda d: len(d.ids)):
        size = len(dialogue.ids)
        if size > longest:
            break
        if (len(groups[-1]) + 1) * size > tokens:
            groups.append([])
        groups[-1].append(dialogue)
    return [group for group in groups if group]


def make_batch(dialogues: list[EncodedDialogue]) -> Batch:
    """Pad to the longest; padding comes last, so causal attention never sees it."""
    length = max(len(d.ids) for d in dialogues) - 1
    ids = np.zeros((len(dialogues), length), dtype=np.int64)
    targets = np.zeros_like(ids)
    weights = np.zeros(ids.shape, dtype=np.float32)
    for row, dialogue in enumerate(dialogues):
        size = len(dialogue.ids) - 1
        ids[row, :size] = dialogue.ids[:-1]
        targets[row, :size] = dialogue.ids[1:]
        weights[row, :size] = dialogue.weights[1:]
    return Batch(torch.from_numpy(ids), torch.from_numpy(targets), torch.from_numpy(weights))


def stream_batches(
    tokenizer: Any,
    make_dialogue: Callable[[random.Random], list[Exchange]],
    seed: int,
    first_pool: int,
    tokens_per_batch: int,
    longest: int,
) -> Iterator[tuple[int, Batch]]:
    """Endless fresh batches with the index of the pool they came from, for resuming."""
    pool = first_pool
    user_tokenizer = type(tokenizer).from_str(tokenizer.to_str())
    user_tokenizer.model.dropout = MERGES_LEFT_OUT
    while True:
        rng = random.Random(f"{seed}-{pool}")
        dialogues = [make_dialogue(rng) for _ in range(DIALOGUES_PER_POOL)]
        encoded = encode_dialogues(tokenizer, dialogues, user_tokenizer)
        groups = group_by_length(encoded, tokens_per_batch, longest)
        rng.shuffle(groups)
        for group in groups:
            yield pool, make_batch(group)
        pool += 1
