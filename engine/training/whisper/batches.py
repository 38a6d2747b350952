"""Batches for whisper-nano: utterances joined, damaged, padded, and their targets laid out.

An item is one to three neighbouring utterances of a voice with pauses between them, or silence.
Items of like length share a batch of about `seconds` of sound. Padding is zeros after
normalisation, as faster-whisper pads; nothing masks it, as nothing masks it there. Knows no
network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.training.whisper.augment import augment, silence
from engine.training.whisper.config import FRAMES_PER_S, MEL_BANDS, POSITIONS_PER_S, STOCK_FRAMES
from engine.training.whisper.mel import FLOOR, normalise
from engine.training.whisper.speech import Shard, Utterance
from engine.training.whisper.text import TextTokenizer

IGNORE = -100
SILENCE_SHARE = 0.03
TIMESTAMP_SHARE = 0.15
JOIN_SHARE = 0.2
MAX_ITEM_S = 16.0
STOCK_ITEMS = 4  # items of a batch padded to STOCK_FRAMES
POOL = 384  # items sorted by length together
WORD_TAIL_S = 0.5  # a last word's assumed length

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Item:
    """One training example before padding.

    `mel` (T, MEL_BANDS) normalised; `tokens` decoder ids from start-of-transcript to end-of-text;
    `spans` (tokens, 2) first and last position of the word that each token continues, −1 where
    none; `ctc` ids of the plain words; `phonemes` (T // 2,) ids, IGNORE outside speech.
    """

    mel: Floats
    tokens: list[int]
    spans: NDArray[np.int64]
    ctc: list[int]
    phonemes: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded tensors: features (B, T, MEL_BANDS), inputs and targets (B, L), spans (B, L, 2), CTC
    targets joined end to end (sum of lengths,) with their lengths (B,) and the positions they may
    use (B,), phonemes (B, P)."""

    features: Tensor
    inputs: Tensor
    targets: Tensor
    spans: Tensor
    ctc_targets: Tensor
    ctc_lengths: Tensor
    positions: Tensor
    phonemes: Tensor
    seconds: float

    def to(self, device: torch.device) -> Batch:
        """The same batch on `device`."""
        moved: dict[str, Any] = {}
        for name in self.__slots__:
            value = getattr(self, name)
            moved[name] = value.to(device) if isinstance(value, Tensor) else value
        return Batch(**moved)


def make_item(
    utterances: Sequence[Utterance],
    tokenizer: TextTokenizer,
    rng: np.random.Generator,
    damage: bool = True,
) -> Item:
    """Join `utterances` with pauses, damage the sound lightly, lay out the targets."""
    head = int(rng.integers(0, FRAMES_PER_S // 2))
    pieces = [np.full((head, MEL_BANDS), FLOOR, np.float32)]
    text, cursor = "", head
    words: list[tuple[int, int]] = []  # (first character in text, frame)
    phonemes: list[tuple[int, int]] = []  # (id, frame)
    pause = 0
    for utterance in utterances:
        shift = len(text) + 1 if text else 0
        text += (" " if text else "") + utterance.text
        words += [(int(c) + shift, cursor + round(s * FRAMES_PER_S)) for c, s in utterance.words]
        phonemes += [(int(p), cursor + round(s * FRAMES_PER_S)) for p, s in utterance.phonemes]
        pause = int(rng.integers(5, 40))
        pieces += [utterance.mel.astype(np.float32), np.full((pause, MEL_BANDS), FLOOR, np.float32)]
        cursor += len(utterance.mel) + pause
    raw = np.concatenate(pieces)
    raw = raw[: len(raw) - len(raw) % 2]
    ids, starts = tokenizer.encode_words(text)
    timed = rng.random() < TIMESTAMP_SHARE
    first_s, last_s = head / FRAMES_PER_S, (cursor - pause) / FRAMES_PER_S
    opening = [tokenizer.timestamp(first_s)] if timed else [tokenizer.no_timestamps]
    closing = [tokenizer.timestamp(last_s)] if timed else []
    spans = np.full((2 + len(ids) + len(closing) + 1, 2), -1, np.int64)
    spans[2 : 2 + len(ids)] = _word_spans(starts, words, len(raw))
    return Item(
        mel=normalise(augment(raw, rng) if damage else raw),
        tokens=[tokenizer.sot, *opening, *ids, *closing, tokenizer.eot],
        spans=spans,
        ctc=tokenizer.encode_plain(text),
        phonemes=_frame_labels(phonemes, len(raw) // 2),
    )


def silent_item(tokenizer: TextTokenizer, rng: np.random.Generator) -> Item:
    """Nothing said: the first token is no-speech, the transcript is empty."""
    frames = 2 * int(rng.integers(15, 150))
    tokens = [tokenizer.sot, tokenizer.no_timestamps, tokenizer.eot]
    return Item(
        mel=normalise(silence(frames, rng)),
        tokens=tokens,
        spans=np.full((len(tokens), 2), -1, np.int64),
        ctc=[],
        phonemes=np.zeros(frames // 2, np.int64),
    )


def _word_spans(
    starts: Sequence[int], words: Sequence[tuple[int, int]], frames: int
) -> NDArray[np.int64]:
    """Positions (tokens, 2) of the word around each token, one position of slack before and
    two after.
    """
    if not words:
        return np.full((len(starts), 2), -1, np.int64)
    firsts = np.array([first for first, _ in words])
    frame = np.array([at for _, at in words])
    ends = np.append(frame[1:], min(frame[-1] + int(WORD_TAIL_S * FRAMES_PER_S), frames))
    index = np.maximum(np.searchsorted(firsts, np.asarray(starts), side="right") - 1, 0)
    last = frames // 2 - 1
    spans = np.stack([frame[index] // 2 - 1, ends[index] // 2 + 2], axis=1)
    return np.clip(spans, 0, last)


def _frame_labels(phonemes: Sequence[tuple[int, int]], positions: int) -> NDArray[np.int64]:
    """The phoneme heard at each position, 0 in pauses."""
    labels = np.zeros(positions, np.int64)
    for (phoneme, start), (_, end) in zip(
        phonemes, [*phonemes[1:], (0, 2 * positions)], strict=False
    ):
        labels[start // 2 : min(end // 2, start // 2 + POSITIONS_PER_S // 3)] = phoneme
    return labels


def collate(items: Sequence[Item], tokenizer: TextTokenizer, frames: int) -> Batch:
    """Pad `items` to `frames` mel frames (even) and to their longest text."""
    count, length = len(items), max(len(item.tokens) for item in items) - 1
    features = np.zeros((count, frames, MEL_BANDS), np.float32)
    inputs = np.full((count, length), tokenizer.eot, np.int64)
    targets = np.full((count, length), IGNORE, np.int64)
    spans = np.full((count, length, 2), -1, np.int64)
    phonemes = np.full((count, frames // 2), IGNORE, np.int64)
    for row, item in enumerate(items):
        tokens = np.array(item.tokens)
        features[row, : len(item.mel)] = item.mel
        inputs[row, : len(tokens) - 1] = tokens[:-1]
        targets[row, : len(tokens) - 1] = tokens[1:]
        spans[row, : len(tokens) - 1] = item.spans[1:]
        phonemes[row, : len(item.phonemes)] = item.phonemes
        if not item.ctc:
            targets[row, 0] = tokenizer.no_speech
    return Batch(
        features=torch.from_numpy(features),
        inputs=torch.from_numpy(inputs),
        targets=torch.from_numpy(targets),
        spans=torch.from_numpy(spans),
        ctc_targets=torch.tensor([i for item in items for i in item.ctc], dtype=torch.int64),
        ctc_lengths=torch.tensor([len(item.ctc) for item in items]),
        positions=torch.tensor([len(item.mel) // 2 for item in items]),
        phonemes=torch.from_numpy(phonemes),
        seconds=sum(len(item.mel) for item in items) / FRAMES_PER_S,
    )


class Batches:
    """An endless, seeded stream of batches over shards that may still be growing in number."""

    def __init__(self, tokenizer: TextTokenizer, seconds: float, seed: int) -> None:
        self.shards: list[Shard] = []
        self._tokenizer = tokenizer
        self._budget = int(seconds * FRAMES_PER_S)
        self._rng = np.random.default_rng(seed)
        self._order: list[tuple[int, int]] = []
        self.stock_padding_share = 0.0
        """Share of batches padded to STOCK_FRAMES, as the stock class does; they cost ten
        times the time.
        """

    def add(self, shard: Shard) -> None:
        """Mix a new shard into what is left of the current pass."""
        number = len(self.shards)
        self.shards.append(shard)
        self._order += [(number, index) for index in range(len(shard))]
        self._shuffle()

    def _shuffle(self) -> None:
        order = self._rng.permutation(len(self._order))
        self._order = [self._order[i] for i in order]

    def __iter__(self) -> Iterator[Batch]:
        while True:
            items = [self._draw() for _ in range(POOL)]
            items.sort(key=lambda item: len(item.mel))
            groups = list(self._groups(items))
            for index in self._rng.permutation(len(groups)):
                yield self._pad(groups[index])

    def _groups(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        group: list[Item] = []
        for item in items:  # ascending, so the last one sets the padded length
            if group and (len(group) + 1) * len(item.mel) > self._budget:
                yield group
                group = []
            group.append(item)
        if group:
            yield group

    def _pad(self, group: list[Item]) -> Batch:
        longest = len(group[-1].mel)
        draw = self._rng.random()
        if draw < self.stock_padding_share:
            quiet = silent_item(self._tokenizer, self._rng)
            return collate([*group[: STOCK_ITEMS - 1], quiet], self._tokenizer, STOCK_FRAMES)
        extra = 2 * int(self._rng.integers(0, FRAMES_PER_S // 2)) if draw < 0.5 else 0
        return collate(group, self._tokenizer, longest + extra)

    def _draw(self) -> Item:
        if self._rng.random() < SILENCE_SHARE:
            return silent_item(self._tokenizer, self._rng)
        if not self._order:
            self._order = [(s, i) for s, shard in enumerate(self.shards) for i in range(len(shard))]
            self._shuffle()
        number, index = self._order.pop()
        shard = self.shards[number]
        chosen = [shard[index]]
        wanted = 1 + (self._rng.random() < JOIN_SHARE) + (self._rng.random() < JOIN_SHARE / 2)
        for following in range(index + 1, min(index + wanted, len(shard))):
            seconds = sum(u.seconds for u in chosen) + shard.frames[following] / FRAMES_PER_S
            if shard.voice(following) != chosen[0].voice or seconds > MAX_ITEM_S:
                break
            chosen.append(shard[following])
        return make_item(chosen, self._tokenizer, self._rng)
