"""Whether recognised words are a piece of what the loudspeaker says: the last guard against echo.

Judged by words alone, so it must spare what people say: short answers, orders, and sentences of
their own that take up a word of the answer. Pure functions.
"""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
# What a user says to be answered or obeyed is his own, whatever the assistant is saying.
_ANSWERS = frozenset(
    re.findall(
        r"\S+",
        """yes yeah yep yup no nope nah ok okay sure right fine correct exactly true false maybe
        stop wait hold halt pause quiet enough cancel silence shush hush hey hello hi sorry pardon
        excuse what why how when where who which really please thanks thank again repeat continue
        next more go on never""",
    )
)
# Unmatched beside any number of echoed words, these show that someone else speaks.
_ORDERS = frozenset(
    re.findall(r"\S+", "stop wait hold halt pause quiet enough cancel silence shush hush sorry no")
)
_SHORT_WORDS = 3
"""Up to so many words may be an answer to a question that is being asked."""
_LONE_LETTERS = 5
_ALIKE = 0.72
_SHARE = 0.7
_SOUND_SHARE = 0.82
_HINT = 0.34


def matches_playback(words: str, playing_text: str) -> bool:
    """Whether ``words`` are a piece of ``playing_text``, as a recogniser would write its echo.

    ``playing_text`` is what is being spoken or was within the last second. True when the words follow
    each other there, a few misheard, left out or added. False for short answers and orders, for
    words out of a question (they may answer it), and for sentences that only share words with it.
    """
    heard, playing = _words(words), _words(playing_text)
    if not heard or not playing:
        return False
    if all(word in _ANSWERS for word in heard) and len(heard) <= _SHORT_WORDS:
        return False
    if len(heard) <= _SHORT_WORDS and _in_question(heard, playing_text):
        return False
    if len(heard) == 1:
        return len(heard[0]) >= _LONE_LETTERS and heard[0] in playing
    followed, strange = _followed(heard, playing)
    if any(word in _ORDERS for word in strange):
        return False
    if len(heard) == 2:
        return not strange and any(word not in _ANSWERS for word in heard)
    share = followed / len(heard)
    if share >= _SHARE:
        return True
    # Misheard words move letters across the gaps between them.
    return share >= _HINT and _sounds_alike("".join(heard), "".join(playing)) >= _SOUND_SHARE


def _words(text: str) -> list[str]:
    """Lower case words without marks and accents; 'fifty-six' is two."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return [word.replace("'", "") for word in _WORD.findall(plain)]


def _in_question(heard: list[str], playing_text: str) -> bool:
    """Whether the words stand in a question of ``playing_text``."""
    questions = re.findall(r"[^.!?…]+\?", playing_text)
    return any(not _followed(heard, _words(question))[1] for question in questions)


def _followed(heard: list[str], playing: list[str]) -> tuple[int, list[str]]:
    """How many of ``heard`` stand in this order in one stretch of ``playing``, and the others.

    The stretch may be half as long again as what was heard.
    """
    alike = [[_alike(word, other) for other in playing] for word in heard]
    width = len(heard) + len(heard) // 2
    best, strange = -1, heard
    for start in range(max(1, len(playing) - width + 1)):
        rows = [row[start : start + width] for row in alike]
        if sum(map(any, rows)) <= best:
            continue
        count, missed = _common(rows, heard)
        if count > best:
            best, strange = count, missed
    return best, strange


def _common(rows: list[list[bool]], heard: list[str]) -> tuple[int, list[str]]:
    """Longest common subsequence: its length, and the words of ``heard`` outside it."""
    width = len(rows[0])
    table = [[0] * (width + 1) for _ in range(len(rows) + 1)]
    for i in range(len(rows) - 1, -1, -1):
        for j in range(width - 1, -1, -1):
            if rows[i][j]:
                table[i][j] = table[i + 1][j + 1] + 1
            else:
                table[i][j] = max(table[i + 1][j], table[i][j + 1])
    missed: list[str] = []
    i = j = 0
    while i < len(rows):
        if j < width and rows[i][j]:
            i, j = i + 1, j + 1
        elif j < width and table[i][j + 1] >= table[i + 1][j]:
            j += 1
        else:
            missed.append(heard[i])
            i += 1
    return table[0][0], missed


def _alike(one: str, other: str) -> bool:
    """Whether a recogniser may have written one word for the other."""
    if one == other:
        return True
    longer = max(len(one), len(other))
    if min(len(one), len(other)) < 4 or longer - min(len(one), len(other)) > 2:
        return False
    return 1 - _distance(one, other) / longer >= _ALIKE


def _distance(one: str, other: str) -> int:
    """Edits between two words (V. I. Levenshtein, 1966)."""
    row = list(range(len(other) + 1))
    for i, char in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, beside in enumerate(other, 1):
            kept = before + (char != beside)
            before = row[j]
            row[j] = min(kept, row[j] + 1, row[j - 1] + 1)
    return row[-1]


def _sounds_alike(heard: str, playing: str) -> float:
    """How much of ``heard`` is found, letter by letter, in the best stretch of ``playing``.

    Approximate matching anywhere in a text: P. H. Sellers, "The theory and computation of
    evolutionary distances", J. Algorithms 1, 1980.
    """
    row = [0] * (len(playing) + 1)
    for i, char in enumerate(heard, 1):
        before, row[0] = row[0], i
        for j, beside in enumerate(playing, 1):
            kept = before + (char != beside)
            before = row[j]
            row[j] = min(kept, row[j] + 1, row[j - 1] + 1)
    return 1 - min(row) / len(heard)
