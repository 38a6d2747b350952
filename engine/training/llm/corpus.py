"""The written text behind llm-nano: intents, topics, slot lists, read from ``data/*.txt``.

Knows the file format, not how conversations are put together (``dialogues.py``). In an intent file
``##`` starts an intent (name, ``*weight``, ``set slot`` or ``ask slot``), ``<`` is one family of user
wordings, ``>`` an answer, ``>*`` one of a series that "another one" goes through, ``-`` the answer
to a question about something the user has not told, ``why>`` the answer to a following "why", ``more>``
to a following "tell me more".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from . import grammar

DATA = Path(__file__).parent / "data"
INTENT_FILES = (
    "intents_social.txt",
    "intents_parley.txt",
    "intents_declines.txt",
    "profile.txt",
    "statements.txt",
    "opinions.txt",
    "world.txt",
)
MORE_FILES = (
    "more_wordings.txt",
    "wordings_parley.txt",
    "wordings_life.txt",
    "wordings_requests.txt",
    "wordings_facts.txt",
    "wordings_rest.txt",
)
TOPIC_PATTERNS = (
    "$info {topic}",
    "$whatare {topic}",
    "{topic} (facts|please|info)",
    "{topic} (tell me something|what about them|what do you know about that|what can you tell me)",
    "(do|did) you know (a fact|facts|anything interesting|many things) about {topic}",
)


class CorpusError(ValueError):
    """A line of the corpus that does not follow the format."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family of wordings: its pattern, parsed, and the number of its expansions."""

    pattern: str
    parsed: grammar.Sequence
    size: int


@dataclass(slots=True)
class Intent:
    """What users may want, how they may say it, and what is answered."""

    name: str
    weight: float = 1.0
    sets: str | None = None
    asks: str | None = None
    repeats: bool = False
    families: list[Family] = field(default_factory=list[Family])
    answers: list[str] = field(default_factory=list[str])
    series: list[str] = field(default_factory=list[str])
    untold: list[str] = field(default_factory=list[str])
    why: str | None = None
    more: str | None = None


@dataclass(frozen=True, slots=True)
class Topic:
    """Something llm-nano knows three sentences about."""

    names: tuple[str, ...]
    first: str
    more: str
    why: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything that is written, parsed."""

    intents: dict[str, Intent]
    topics: list[Topic]
    lists: dict[str, list[str]]
    extras: dict[str, list[str]]
    topic_families: list[Family]
    salad_answers: list[str]
    synonym_groups: list[str]

    def wordings(self) -> int:
        """User wordings of all families, slots counted once."""
        families = [f for intent in self.intents.values() for f in intent.families]
        return sum(f.size for f in families) + sum(f.size for f in self.topic_families)


def load_corpus(folder: Path = DATA) -> Corpus:
    """Read and check all files. Raises CorpusError with file and line."""
    macros = _read_macros(folder / "macros.txt")
    intents: dict[str, Intent] = {}
    for name in INTENT_FILES:
        for intent in _read_intents(folder / name, macros):
            if intent.name in intents:
                raise CorpusError(f"{name}: intent {intent.name!r} is defined twice")
            intents[intent.name] = intent
    for file in MORE_FILES:
        for name, families in _read_more(folder / file, macros).items():
            if name not in intents:
                raise CorpusError(f"{file}: there is no intent {name!r}")
            intents[name].families.extend(families)
    salad = [line[2:] for line in _lines(folder / "salad.txt") if line.startswith("> ")]
    return Corpus(
        intents,
        _read_topics(folder / "topics.txt"),
        _read_lists(folder / "lists.txt"),
        _read_extras(folder / "followups.txt"),
        [_family(_expand_macros(pattern, macros)) for pattern in TOPIC_PATTERNS],
        salad,
        _lines(folder / "synonyms.txt"),
    )


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip() and line[0:2] != "# "]


def _family(pattern: str) -> Family:
    parsed = grammar.parse(pattern)
    return Family(pattern, parsed, grammar.count(parsed))


def _read_macros(path: Path) -> dict[str, str]:
    macros: dict[str, str] = {}
    for line in _lines(path):
        name, _, pattern = line.partition(" = ")
        macros[name.strip()] = pattern.strip()
    return macros


def _expand_macros(pattern: str, macros: dict[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        if match[0] not in macros:
            raise CorpusError(f"unknown macro {match[0]} in {pattern!r}")
        return macros[match[0]]

    return re.sub(r"\$\w+", replace, pattern)


def _read_intents(path: Path, macros: dict[str, str]) -> list[Intent]:
    intents: list[Intent] = []
    for line in _lines(path):
        if line.startswith("## "):
            intents.append(_read_header(line[3:].split()))
            continue
        if not intents:
            raise CorpusError(f"{path.name}: {line!r} stands before the first intent")
        intent = intents[-1]
        kind, _, text = line.partition(" ")
        if kind == "<":
            intent.families.append(_family(_expand_macros(text, macros)))
        elif kind == ">":
            intent.answers.append(text)
        elif kind == ">*":
            intent.series.append(text)
        elif kind == "-":
            intent.untold.append(text)
        elif kind == "why>":
            intent.why = text
        elif kind == "more>":
            intent.more = text
        elif line == ">> repeat":
            intent.repeats = True
        else:
            raise CorpusError(f"{path.name}: cannot read {line!r}")
    for intent in intents:
        if not intent.families or not (intent.answers or intent.series or intent.repeats):
            raise CorpusError(f"{path.name}: intent {intent.name!r} lacks wordings or answers")
    return intents


def _read_more(path: Path, macros: dict[str, str]) -> dict[str, list[Family]]:
    more: dict[str, list[Family]] = {}
    current: list[Family] = []
    for line in _lines(path):
        if line.startswith("## "):
            current = more.setdefault(line[3:], [])
        elif line.startswith("< "):
            current.append(_family(_expand_macros(line[2:], macros)))
        else:
            raise CorpusError(f"{path.name}: cannot read {line!r}")
    return more


def _read_header(words: list[str]) -> Intent:
    intent = Intent(words[0])
    rest = iter(words[1:])
    for word in rest:
        if word.startswith("*"):
            intent.weight = float(word[1:])
        elif word == "set":
            intent.sets = next(rest)
        elif word == "ask":
            intent.asks = next(rest)
        else:
            raise CorpusError(f"intent {intent.name!r}: unknown word {word!r}")
    return intent


def _read_topics(path: Path) -> list[Topic]:
    blocks: list[list[str]] = []
    for line in _lines(path):
        if line.startswith("## "):
            blocks.append([line[3:]])
        else:
            blocks[-1].append(line)
    for block in blocks:
        if len(block) != 4:
            raise CorpusError(f"topic {block[0]!r} needs three lines, it has {len(block) - 1}")
    return [Topic(tuple(n.strip() for n in b[0].split("|")), b[1], b[2], b[3]) for b in blocks]


def _read_lists(path: Path) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for line in _lines(path):
        name, _, values = line.partition(":")
        lists.setdefault(name, []).extend(v.strip() for v in values.split(","))
    return lists


def _read_extras(path: Path) -> dict[str, list[str]]:
    extras: dict[str, list[str]] = {}
    current: list[str] = []
    for line in _lines(path):
        if line.startswith("@"):
            current = extras.setdefault(line[1:], [])
        else:
            current.append(line)
    return extras
