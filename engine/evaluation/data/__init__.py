"""What the models are judged on: written apart from what they are trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

SENTENCES: Final = Path(__file__).parent / "sentences.txt"
"""Everyday sentences, one a line, worded without looking at the training text."""


def evaluation_sentences() -> list[str]:
    """The sentences of ``SENTENCES``, in order."""
    lines = SENTENCES.read_text("utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()]
