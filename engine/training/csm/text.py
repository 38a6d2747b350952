"""Text for the small speech models: which characters they know, and their byte tokenizer.

The ids here are those of the `tokenizer.json` that `write_tokenizer` makes: id = byte, then BOS and EOS. A
larger model brings its own tokenizer; only the nano pack uses this one.
"""

from __future__ import annotations

import re
from pathlib import Path

BOS_ID = 256
EOS_ID = 257
VOCABULARY = 258
BOS, EOS = "<|begin_of_text|>", "<|end_of_text|>"

_OTHER = re.compile(r"[^A-Za-z' .,?!]+")
_SPACES = re.compile(r"\s+")


def speakable(text: str) -> str:
    """Only letters, apostrophes, single spaces and . , ? ! are left, as after text normalisation."""
    text = text.replace("\u2019", "'").replace("-", " ")
    return _SPACES.sub(" ", _OTHER.sub(" ", text)).strip()


def segment_ids(text: str, speaker: int) -> list[int]:
    """Ids of a segment's text: BOS, `[speaker]text`, EOS. No space after the bracket."""
    return [BOS_ID, *f"[{speaker}]{text}".encode(), EOS_ID]


def text_offset(speaker: int) -> int:
    """Position of the text's first character within `segment_ids`."""
    return 1 + len(f"[{speaker}]")


def write_tokenizer(path: Path) -> None:
    """Write a byte-level BPE without merges whose ids are the bytes, with the BOS … EOS template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from tokenizers.pre_tokenizers import ByteLevel

    vocabulary = {character: byte for byte, character in _byte_characters().items()}
    assert set(vocabulary) == set(ByteLevel.alphabet()), "byte alphabet differs from the library's"
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([BOS, EOS])
    assert tokenizer.token_to_id(BOS) == BOS_ID and tokenizer.token_to_id(EOS) == EOS_ID
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A {EOS}", special_tokens=[(BOS, BOS_ID), (EOS, EOS_ID)]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path), pretty=False)


def _byte_characters() -> dict[int, str]:
    """GPT-2's printable stand-in for every byte: printable Latin-1 stands for itself, others move up."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    characters = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in characters]
    return characters | {byte: chr(256 + place) for place, byte in enumerate(others)}
