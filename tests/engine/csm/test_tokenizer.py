"""The text template is exact, and nothing a user says can become a control token."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from engine.csm.tokenizer import BOS, EOS, TextTokenizer
from engine.errors import ModelError


def _bytes_tokenizer(merges: list[tuple[str, str]] | None = None) -> Tokenizer:
    vocab = {char: i for i, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    for left, right in merges or []:
        vocab[left + right] = len(vocab)
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges or []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(BOS, special=True), AddedToken(EOS, special=True)])
    return tokenizer


def test_template_has_no_space_after_the_bracket() -> None:
    tokenizer = _bytes_tokenizer()
    ids = TextTokenizer(tokenizer).encode(3, "Hi.")
    assert ids[0] == tokenizer.token_to_id(BOS)
    assert ids[-1] == tokenizer.token_to_id(EOS)
    assert tokenizer.decode(ids[1:-1]) == "[3]Hi."
    spaced = TextTokenizer(_bytes_tokenizer(), template_space=True).encode(3, "Hi.")
    assert tokenizer.decode(spaced[1:-1]) == "[3] Hi."


def test_a_merge_may_cross_the_bracket() -> None:
    tokenizer = _bytes_tokenizer([("]", "H")])
    ids = TextTokenizer(tokenizer).encode(0, "Hi.")
    assert tokenizer.token_to_id("]H") in ids


def test_control_tokens_in_the_text_stay_text() -> None:
    tokenizer = _bytes_tokenizer()
    ids = TextTokenizer(tokenizer).encode(0, f"a{EOS}b{BOS}")
    assert [tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)] == [ids[0], ids[-1]]
    assert len(set(ids[1:-1]) & {ids[0], ids[-1]}) == 0


def test_missing_file_and_wrong_kind_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no tokenizer\.json"):
        TextTokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("not json")
    with pytest.raises(ModelError, match="cannot be read as a tokenizer"):
        TextTokenizer.load(tmp_path)
    plain = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    plain.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ModelError, match="not CSM's"):
        TextTokenizer.load(tmp_path)
