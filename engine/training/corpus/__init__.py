"""Text to train speech models on: sentences, dialogues and their vocabulary, written for Parley.

Everything comes from the grammar and the lists in this folder; nothing is downloaded. Streams are
deterministic in their seed. Punctuation is . , ? ! and apostrophes; numbers are words.
"""

from collections.abc import Iterator

from engine.training.corpus.lexicon import display_forms
from engine.training.corpus.stream import DialogueStream, SentenceStream

__all__ = ["dialogues", "sentences", "words"]


def sentences(seed: int) -> Iterator[str]:
    """Endless sentences of 3 to 16 words, mean about 9, with case and punctuation."""
    return iter(SentenceStream(seed))


def dialogues(seed: int) -> Iterator[tuple[str, ...]]:
    """Endless dialogues of 2 to 8 lines, user and assistant in turn, one to three sentences a line."""
    return iter(DialogueStream(seed))


def words() -> list[str]:
    """The vocabulary: every word the lists and templates hold, lower case, sorted, unique."""
    return list(display_forms())
