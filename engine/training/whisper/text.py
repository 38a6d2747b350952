"""Whisper's text side in small: a byte-level BPE with Whisper's special tokens.

Text keeps its case and punctuation and starts with a space, as in Whisper. Ids: bytes and merges,
then the eight specials, then timestamps (which tokenizer.json leaves out: the converter and
faster-whisper count them up from `<|notimestamps|>`). Knows no sound.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from engine.evaluation.wer import normalise_words
from engine.training.whisper.config import SPECIAL_TOKENS, TIMESTAMP_STEP_S, TIMESTAMPS


class TextTokenizer:
    """Text to ids and back. Make one with `train_tokenizer` or `TextTokenizer.load`."""

    def __init__(self, backend: Tokenizer) -> None:
        self.backend = backend
        self.eot = self._id("<|endoftext|>")
        self.sot = self._id("<|startoftranscript|>")
        self.no_speech = self._id("<|nospeech|>")
        self.no_timestamps = self._id("<|notimestamps|>")
        self.timestamp_begin = self.no_timestamps + 1
        self.space = self._id("Ġ")
        self.size = self.timestamp_begin + TIMESTAMPS

    @staticmethod
    def load(path: Path) -> TextTokenizer:
        """Read `tokenizer.json`."""
        return TextTokenizer(Tokenizer.from_file(str(path)))

    def save(self, path: Path) -> None:
        """Write `tokenizer.json`."""
        self.backend.save(str(path))

    def encode(self, text: str) -> list[int]:
        """Ids of ` text` (with the leading space that Whisper expects)."""
        return self.backend.encode(" " + text.strip(), add_special_tokens=False).ids

    def encode_plain(self, text: str) -> list[int]:
        """Ids of the words alone, lower case, no punctuation: what CTC can hear."""
        return self.encode(" ".join(normalise_words(text)))

    def encode_words(self, text: str) -> tuple[list[int], list[int]]:
        """Ids of ` text` and, for each, the index of its first character in `text` (−1: only
        the space).
        """
        encoding = self.backend.encode(" " + text, add_special_tokens=False)
        starts = [min(max(a, 0), max(b - 2, 0)) for a, b in encoding.offsets]
        return encoding.ids, starts

    def decode(self, ids: Iterable[int]) -> str:
        """Text of the ids below end-of-text; specials and timestamps are dropped."""
        return self.backend.decode([i for i in ids if i < self.eot]).strip()

    def timestamp(self, seconds: float) -> int:
        """The id of a time, rounded to the step and held within the table."""
        index = round(seconds / TIMESTAMP_STEP_S)
        return self.timestamp_begin + min(max(index, 0), TIMESTAMPS - 1)

    def _id(self, token: str) -> int:
        index = self.backend.token_to_id(token)
        assert index is not None, token
        return index


def train_tokenizer(texts: Iterable[str], merges: int) -> TextTokenizer:
    """Learn `merges` byte pairs from `texts` (deterministic) and append the special tokens.

    Three more merges (space with `-`, `'` and the first byte of ♩) are added by hand:
    faster-whisper's default `suppress_tokens=[-1]` bans the first token of ` -`, ` '` and ` ♩`,
    which without them is the lone space.
    """
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.train_from_iterator(
        (" " + text for text in texts),
        trainers.BpeTrainer(
            vocab_size=256 + merges,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    learnt = json.loads(learner.to_str())["model"]
    vocabulary: dict[str, int] = learnt["vocab"]
    pairs: list[tuple[str, str]] = [(a, b) for a, b in learnt["merges"]]
    for second in ("-", "'", "â"):
        if "Ġ" + second not in vocabulary:
            vocabulary["Ġ" + second] = len(vocabulary)
            pairs.append(("Ġ", second))
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(list(SPECIAL_TOKENS))
    return TextTokenizer(backend)
