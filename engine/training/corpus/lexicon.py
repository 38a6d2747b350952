"""The word lists of the corpus, read from the text files beside this module.

A file holds sections, `[name]`, with one entry a line; a countable noun may give its plural after a
slash (`child/children`), an irregular verb its five forms. Knows nothing of sentences.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.training.corpus.morphology import comparative, doubles, plural, verb_forms

FORMS = "bpdgn"  # base, present third person, past (did), -ing, participle
LISTS = ("nouns", "modifiers", "names", "verbs", "misc")
# Hand-written sentences, without and with choices, and how often a line stands in a deck.
WRITTEN = {"sentences": 1, "situations": 4}
_HERE = Path(__file__).parent
_IRREGULAR_ADJECTIVES = (
    "good better best",
    "bad worse worst",
    "far further furthest",
    "little less least",
    "many more most",
)
_TOKEN = re.compile(r"[A-Za-z']+")
_SLOT = re.compile(r"\{[^{}|]*\}")
_CHOICE = re.compile(r"\{(?:\d=)?([^{}]*\|[^{}]*)\}")  # the inside of an innermost choice
# Classes whose entries have no plural.
_UNCOUNTED = frozenset(
    "foodmass drink mass hobby school material weathermass female male surname city country"
    " nationality language day month season holiday".split()
)
NOUN_CLASSES = frozenset(
    "person animal food object clothes vehicle place nature body illness abstract event tech"
    " shape group kin measure timeunit".split()
)


def read_lines(name: str) -> tuple[str, ...]:
    """The entries of a plain corpus file, without blank lines."""
    text = (_HERE / f"{name}.txt").read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def tokens(text: str) -> list[str]:
    """The words of a text or template as written: apostrophes kept, slot names dropped."""
    text = _SLOT.sub(" ", text)
    while (shorter := _CHOICE.sub(r"\1", text)) != text:
        text = shorter
    found = (token.strip("'") for token in _TOKEN.findall(text))
    return [token for token in found if token and token != "s"]  # of {name}'s


_NEED_OF_NOUN_FORM = 0.75
_NEED_OF_VERB_FORM = 0.6


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Entries by section, with inflection tables; all maps are read-only by agreement."""

    singular: dict[str, tuple[str, ...]]
    plurals: dict[str, tuple[str, ...]]
    verbs: dict[str, tuple[str, ...]]  # first word of a verb -> forms in the order of FORMS

    def inflect(self, verb: str, form: str) -> str:
        """A verb (`look after`) in one of FORMS."""
        head, space, rest = verb.partition(" ")
        return self.verbs[head][FORMS.index(form)] + space + rest


def _sections() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in LISTS:
        current: list[str] = []
        for line in read_lines(name):
            if line.startswith("["):
                current = found.setdefault(line[1:-1], [])
            else:
                current.append(line)
    return found


@lru_cache(maxsize=1)
def load() -> Lexicon:
    """Reads the lists once."""
    sections = _sections()
    verbs: dict[str, tuple[str, ...]] = {}
    for line in sections.pop("irregular"):
        forms = line.split()
        verbs[forms[0]] = (forms[0], forms[1], forms[2], forms[3], forms[4])
    doubling = frozenset(sections.pop("doubling"))
    heads = set(doubling) - verbs.keys()
    for name, entries in sections.items():
        if name.startswith("act_") or name in ("intransitive", "extra"):
            heads.update(entry.split()[0] for entry in entries)
    for template in read_lines("verb_phrases"):
        if not template.startswith("{"):
            heads.add(template.split()[0])
    for head in heads - verbs.keys():
        verbs[head] = verb_forms(head, head in doubling or doubles(head))
    singular: dict[str, tuple[str, ...]] = {}
    plurals: dict[str, tuple[str, ...]] = {}
    for name, entries in sections.items():
        pairs = [entry.partition("/") for entry in entries]
        singular[name] = tuple(pair[0] for pair in pairs)
        if name in NOUN_CLASSES:
            plurals[name] = tuple(pair[2] or plural(pair[0]) for pair in pairs)
    return Lexicon(singular=singular, plurals=plurals, verbs=verbs)


def graded(lexicon: Lexicon) -> list[tuple[str, str, str]]:
    """Adjectives with comparative and superlative."""
    regular = [
        (a, comparative(a, "er"), comparative(a, "est")) for a in lexicon.singular["comparable"]
    ]
    rows = [line.split() for line in _IRREGULAR_ADJECTIVES]
    irregular = {row[0]: (row[0], row[1], row[2]) for row in rows}
    return [row for row in regular if row[0] not in irregular] + list(irregular.values())


@lru_cache(maxsize=1)
def display_forms() -> dict[str, str]:
    """Every word of the corpus: lower-case word -> the word as written (London, I'm, table)."""
    lexicon = load()
    lower: set[str] = set()
    cased: dict[str, str] = {"i": "I", "i'm": "I'm", "i'll": "I'll", "i'd": "I'd", "i've": "I've"}
    for entries in (*lexicon.singular.values(), *lexicon.plurals.values()):
        for entry in entries:
            lower.update(tokens(entry))
    for forms in lexicon.verbs.values():
        lower.update(forms)
    for row in graded(lexicon):
        lower.update(row)
    for name in ("verb_phrases", "frames", *WRITTEN, "exchanges", "attachments"):
        for line in read_lines(name):
            words = tokens(line)
            lower.update(words[1:])
            if words and words[0].lower() not in cased:
                lower.add(words[0].lower())
    result: dict[str, str] = {word: word for word in lower if word.islower()}
    for word in lower:
        result.setdefault(word.lower(), word)
    result.update(cased)
    return {word: result[word] for word in sorted(result)}


@lru_cache(maxsize=1)
def needs() -> dict[str, float]:
    """How often a word must be heard, relative to a word without inflected relatives.

    `asked` also teaches most of `asking`, so the forms of a verb and the two of a noun need less.
    """
    lexicon = load()
    found = dict.fromkeys(display_forms(), 1.0)
    for name, plurals in lexicon.plurals.items():
        for pair in zip(lexicon.singular[name], plurals, strict=True):
            if pair[0] != pair[1] and " " not in pair[0]:
                found.update({word.lower(): _NEED_OF_NOUN_FORM for word in pair})
    for row in graded(lexicon):
        found.update(dict.fromkeys(row, _NEED_OF_NOUN_FORM))
    for forms in lexicon.verbs.values():
        found.update(dict.fromkeys(forms, _NEED_OF_VERB_FORM))
    return found
