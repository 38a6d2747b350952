"""Byte-level BPE for llm-nano, in the form that llama.cpp calls ``gpt2``.

Merges are learnt with digits separated, so numbers stay digit by digit.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .chat_format import SPECIAL_TOKENS


def train_tokenizer(texts: Iterable[str], vocabulary: int, path: Path) -> None:
    """Learn ``vocabulary`` tokens from ``texts`` and write ``tokenizer.json`` to ``path``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), byte_level]
    )
    trainer: Any = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # No merge holds a digit now, so plain byte-level splitting gives the same tokens, and it is
    # the one that llama.cpp implements.
    tokenizer.pre_tokenizer = byte_level
    tokenizer.decoder = decoders.ByteLevel()
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))


def load_tokenizer(path: Path) -> Any:
    """The ``tokenizers.Tokenizer`` saved at ``path``."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))
