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
from engine.training.corpus.grammar import Grammar, Template, parse
from engine.training.corpus.morphology import fix_articles

MIN_WORDS = 3
MAX_WORDS = 16
_SHARE_SALAD = 0.2
_SHARE_WRITTEN = 0.25  # of what is not salad
_SHARE_EXCHANGED = 0.30  # of what is not salad
_AMBIGUOUS = -1
_SHORT = 6  # words
_DROP_SHORT = 0.4  # share of short sentences left out, which brings the mean to nine words
_SHARE_FREE_TURNS = 0.35  # of a dialogue's exchanges: any sentence, answered by any other
_REPLIES = (
    "",
    "",
    "",
    "I see.",
    "well,",
    "yes,",
    "no,",
    "really?",
    "of course.",
    "that's true.",
    "oh,",
)
_EXCHANGE_PROBABILITY = 0.33  # per content word
_SALAD_DECK_SHARE = 0.3  # of the vocabulary, rarest first
_STATING = frozenset(
    "the a an my your his her our their he she it we they you i this that it's".split()
)
_ASKING = frozenset(
    "what what's where where's when how why who which whose is are was do does did can could will would"
    " should have has shall may".split()
)
_LOOSE = re.compile(r" +(?:([.,?!])| )")  # what an empty alternative leaves behind
_WORD = re.compile(r"[A-Za-z']+")
_START = re.compile(r"(?:^|(?<=[.?!] ))[a-z]")


def finish(text: str) -> str:
    """Chooses articles and capitalises the first letter of each sentence."""
    text = fix_articles(_LOOSE.sub(lambda match: match.group(1) or " ", text.strip()))
    return _START.sub(lambda match: match.group().upper(), text)


@lru_cache(maxsize=1)
def _word_classes() -> tuple[dict[str, int], tuple[tuple[str, ...], ...]]:
    """Content word -> class number, and the words of each class; words of two classes are left out."""
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
    verbs = list(lexicon.verbs.values())
    groups += [[forms[i] for forms in verbs] for i in range(4)]
    groups.append([forms[4] for forms in verbs if forms[4] not in forms[:4]])
    function = {w.lower() for name in ("function", "number", "interj") for w in single[name]}
    classes: dict[str, int] = {}
    members: list[tuple[str, ...]] = []
    for number, group in enumerate(groups):
        kept = tuple(dict.fromkeys(w for w in group if w.lower() not in function))
        members.append(kept)
        for word in kept:
            classes[word] = number if word not in classes else _AMBIGUOUS
    plain = {word: number for word, number in classes.items() if number != _AMBIGUOUS}
    return plain, tuple(members)


class SentenceStream:
    """The state of one stream: random generator, word counts and decks."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"sentences {seed}")
        self._grammar = Grammar(self._rng)
        self._frames = [parse(line) for line in lex.read_lines("frames")]
        self._written = [
            parse(line)
            for name, times in lex.WRITTEN.items()
            for line in lex.read_lines(name) * times
        ]
        attachments = lex.read_lines("attachments")
        self._attachments = {
            kind: [parse(line) for line in attachments if line[-1] == kind] for kind in ".?"
        }
        self._display = lex.display_forms()
        self._needs = lex.needs()
        self._counts: Counter[str] = Counter()
        self._frame_deck: list[Template] = []
        self._written_deck: list[Template] = []
        self._salad_deck: list[str] = []

    def __iter__(self) -> Iterator[str]:
        while True:
            text = finish(self._draw())
            words = _WORD.findall(text)
            if len(words) <= _SHORT and self._rng.random() < _DROP_SHORT:
                continue
            if MIN_WORDS <= len(words) <= MAX_WORDS:
                self._counts.update(word.lower() for word in words)
                yield text

    def _draw(self) -> str:
        rng = self._rng
        if rng.random() < _SHARE_SALAD:
            return self._salad()
        text = self.natural()
        return self._exchange(text) if rng.random() < _SHARE_EXCHANGED else text

    def natural(self) -> str:
        """A hand-written or a grammar sentence, not yet capitalised."""
        rng = self._rng
        return self._written_sentence() if rng.random() < _SHARE_WRITTEN else self._frame()

    def _frame(self) -> str:
        if not self._frame_deck:
            self._frame_deck = self._frames.copy()
            self._rng.shuffle(self._frame_deck)
        return self._lengthen(self._grammar.expand(self._frame_deck.pop()))

    def _lengthen(self, text: str) -> str:
        """Puts most short statements and questions into a longer sentence."""
        start = text.split(" ", 1)[0].lower()
        kind = "?" if text.endswith("?") and start in _ASKING else ""
        kind = "." if text.endswith(".") and start in _STATING else kind
        if not kind or text.count(" ") > 6 or self._rng.random() > 0.7:
            return text
        template = self._rng.choice(self._attachments[kind])
        return self._grammar.expand(template).replace("~", text[:-1])

    def _written_sentence(self) -> str:
        if not self._written_deck:
            self._written_deck = list(self._written)
            self._rng.shuffle(self._written_deck)
        return self._grammar.expand(self._written_deck.pop())

    def _salad(self) -> str:
        rng = self._rng
        count = rng.randint(5, 13)
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
        words.sort(key=lambda word: self._counts[word] / self._needs[word])
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
            candidates = [rng.choice(members[number]) for _ in range(3)]
            return min(candidates, key=lambda word: counts[word.lower()])

        return _WORD.sub(swap, text)


class DialogueStream:
    """The state of one stream of dialogues, chained from exchanges of user and assistant."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"dialogues {seed}")
        self._grammar = Grammar(self._rng)
        self._exchanges = [
            (parse(user.strip()), parse(answer.strip()))
            for user, _, answer in (line.partition(" | ") for line in lex.read_lines("exchanges"))
        ]
        self._sentences = SentenceStream(seed)
        self._deck: list[tuple[Template, Template]] = []

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
        if self._rng.random() < _SHARE_FREE_TURNS:
            turn = self._sentences.natural(), self._sentences.natural()
            return finish(turn[0]), finish(f"{self._rng.choice(_REPLIES)} {turn[1]}".strip())
        user, answer = self._deck.pop()
        question, reply = self._grammar.expand_pair(user, answer)
        return finish(question), finish(reply)
