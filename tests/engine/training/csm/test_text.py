"""Bytes as tokens: the file that is shipped and the ids that training uses are the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from engine.csm.tokenizer import TextTokenizer
from engine.training.csm.text import (
    VOCABULARY,
    segment_ids,
    speakable,
    text_offset,
    write_tokenizer,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder / "tokenizer.json")
    return folder


@pytest.mark.parametrize("text", ["Hello there.", "it's  two, is it?", "na\u00efve \u4f60\n"])
def test_the_engine_reads_the_ids_that_training_used(folder: Path, text: str) -> None:
    assert TextTokenizer.load(folder).encode(1, text) == segment_ids(text, 1)
    assert TextTokenizer.load(folder).vocab == VOCABULARY


def test_the_file_has_the_template_and_gives_the_text_back(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids = tokenizer.encode("[0]Good day.").ids
    assert ids == segment_ids("Good day.", 0)
    assert tokenizer.decode(ids) == "[0]Good day."


def test_speakable_leaves_letters_apostrophes_and_sentence_marks() -> None:
    assert speakable("Well-known \u2014 it\u2019s (7)  fine; ok?") == "Well known it's fine ok?"


def test_text_offset_points_at_the_first_character() -> None:
    ids = segment_ids("Xyz", 12)
    assert ids[text_offset(12)] == ord("X")
