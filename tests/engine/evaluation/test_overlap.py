"""The check that the test sentences were not trained on."""

from __future__ import annotations

import re

from engine.evaluation.data import SENTENCES, evaluation_sentences
from engine.evaluation.overlap import find_overlap
from engine.evaluation.wer import normalise_words

TEST = ["The cat sat on the mat today.", "Come in, it's open!", "Nobody here likes cold green tea."]


def test_nothing_shared() -> None:
    overlap = find_overlap(TEST, ["A dog ran.", "The cat sat on a chair.", "cold green tea"])
    assert (overlap.sampled, overlap.runs, overlap.shared) == (3, 5, ())
    assert overlap.share == 0.0
    assert overlap.clean


def test_shared_run_is_listed_with_its_sentence() -> None:
    overlap = find_overlap(TEST, ["I think the CAT sat, on the roof."])
    assert overlap.shared == ("the cat sat on the",)
    assert overlap.offenders == ((TEST[0], ("the cat sat on the",)),)
    assert overlap.share == 1 / 5
    assert not overlap.clean
    assert overlap.whole == ()


def test_whole_sentences_are_found_even_short_and_inside_others() -> None:
    overlap = find_overlap(TEST, ["Please come in it's open, he said.", TEST[2].lower()])
    assert overlap.whole == (TEST[1], TEST[2])
    assert not overlap.clean


def test_the_sentences_are_as_promised() -> None:
    sentences = evaluation_sentences()
    assert len(sentences) >= 100
    assert len(set(sentences)) == len(sentences)
    for sentence in sentences:
        assert re.fullmatch(r"[A-Z][A-Za-z ,.?!']*[.?!]", sentence), sentence
        assert 5 <= len(normalise_words(sentence)) <= 14, sentence
    assert SENTENCES.is_file()
