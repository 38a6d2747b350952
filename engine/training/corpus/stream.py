"""The endless streams of sentences and dialogues.

Mixes grammar sentences, hand-written ones, both with a third of their content words exchanged, and
word salad. Salad takes the words heard least so far, which keeps the rarest word frequent enough to
be learnt. Knows nothing of speech.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from engine.training.corpus import lexicon as lex
from engine.training.corpus.grammar import Grammar, Part, parse
from engine.training.corpus.morphology import fix_articles

MIN_WORDS = 3
MAX_WORDS = 16
_SHARE_SALAD = 0.16
_SHARE_WRITTEN = 0.25  # of what is not salad
_SHARE_EXCHANGED = 0.30  # of what is not salad
_EXCHANGE_PROBABILITY = 0.33  # per content word
_SALAD_DECK_SHARE = 0.3  # of the vocabulary, rarest first
_WORD = re.compile(r"[A-Za-z']+")
_START = re.compile(r"(?:^|(?<=[.?!] ))[a-z]")


def finish(text: str) -> str:
    """Chooses articles and capitalises the first letter of each sentence."""
    text = fix_articles(text.replace("  ", " "))
    return _START.sub(lambda match: match.group().upper(), text)


@lru_cache(maxsize=1)
def _word_classes() -> tuple[dict[str, int], tuple[tuple[str, ...], ...]]:
    """Content word -> class number, and the words of each class (words of two classes: the first)."""
    lexicon = lex.load()
    single = {
        name: [e for e in entries if " " not in e] for name, entries in lexicon.singular.items()
    }
    nouns = sorted(lex.NOUN_CLASSES)
    groups: list[list[str]] = [
        [w for name in nouns for w in single[name]],
        [w for name in nouns for w in lexicon.plurals[name] if " " not in w],
        [w for name in ("mass", "foodmass", "material", "drink") for w in single[name]],
        [w for name in single if name.endswith("adj") for w in single[name]] + single["quality"],
        single["manner"],
        single["female"] + single["male"],
        single["city"],
        single["country"],
        single["colour"],
    ]
    groups += [[forms[i] for forms in lexicon.verbs.values()] for i in range(5)]
    function = {w.lower() for name in ("function", "number", "interj") for w in single[name]}
    classes: dict[str, int] = {}
    members: list[tuple[str, ...]] = []
    for number, group in enumerate(groups):
        kept = tuple(dict.fromkeys(w for w in group if w.lower() not in function))
        members.append(kept)
        for word in kept:
            classes.setdefault(word, number)
    return classes, tuple(members)


class SentenceStream:
    """The state of one stream: random generator, word counts and decks."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"sentences {seed}")
        self._grammar = Grammar(self._rng)
        self._frames = [parse(line) for line in lex.read_lines("frames")]
        self._written = lex.read_lines("sentences")
        self._display = lex.display_forms()
        self._counts: Counter[str] = Counter()
        self._frame_deck: list[tuple[Part, ...]] = []
        self._written_deck: list[str] = []
        self._salad_deck: list[str] = []

    def __iter__(self) -> Iterator[str]:
        while True:
            text = finish(self._draw())
            words = _WORD.findall(text)
            if MIN_WORDS <= len(words) <= MAX_WORDS:
                self._counts.update(word.lower() for word in words)
                yield text

    def _draw(self) -> str:
        rng = self._rng
        if rng.random() < _SHARE_SALAD:
            return self._salad()
        text = self._written_sentence() if rng.random() < _SHARE_WRITTEN else self._frame()
        return self._exchange(text) if rng.random() < _SHARE_EXCHANGED else text

    def _frame(self) -> str:
        if not self._frame_deck:
            self._frame_deck = self._frames.copy()
            self._rng.shuffle(self._frame_deck)
        return self._grammar.expand(self._frame_deck.pop())

    def _written_sentence(self) -> str:
        if not self._written_deck:
            self._written_deck = list(self._written)
            self._rng.shuffle(self._written_deck)
        return self._written_deck.pop()

    def _salad(self) -> str:
        rng = self._rng
        count = rng.randint(4, 12)
        words: list[str] = []
        for _ in range(count):
            if not self._salad_deck:
                self._salad_deck = self._rarest()
            words.append(self._display[self._salad_deck.pop()])
        if count > 6 and rng.random() < 0.4:
            words[count // 2] += ","
        return " ".join(words) + rng.choice("....?!")

    def _rarest(self) -> list[str]:
        words = list(self._display)
        self._rng.shuffle(words)
        words.sort(key=lambda word: self._counts[word])
        deck = words[: int(len(words) * _SALAD_DECK_SHARE)]
        self._rng.shuffle(deck)
        return deck

    def _exchange(self, text: str) -> str:
        """Replaces a third of the content words by words of the same kind, rarer ones first."""
        classes, members = _word_classes()
        rng, counts = self._rng, self._counts

        def swap(match: re.Match[str]) -> str:
            number = classes.get(match.group())
            if number is None or rng.random() > _EXCHANGE_PROBABILITY:
                return match.group()
            pair = rng.choice(members[number]), rng.choice(members[number])
            return min(pair, key=lambda word: counts[word.lower()])

        return _WORD.sub(swap, text)


class DialogueStream:
    """The state of one stream of dialogues, chained from exchanges of user and assistant."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"dialogues {seed}")
        self._grammar = Grammar(self._rng)
        self._exchanges = [
            (parse(user.strip()), parse(answer.strip()))
            for user, _, answer in (line.partition("|") for line in lex.read_lines("exchanges"))
        ]
        self._sentences = iter(SentenceStream(seed))
        self._deck: list[tuple[tuple[Part, ...], tuple[Part, ...]]] = []

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        while True:
            lines: list[str] = []
            for _ in range(self._rng.randint(1, 4)):
                lines.extend(self._exchange())
            yield tuple(lines)

    def _exchange(self) -> tuple[str, str]:
        if not self._deck:
            self._deck = self._exchanges.copy()
            self._rng.shuffle(self._deck)
        user, answer = self._deck.pop()
        question, reply = self._grammar.expand_all((user, answer))
        return finish(question), finish(reply)
