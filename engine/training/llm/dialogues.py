"""Conversations from the corpus: which intent follows which, what is remembered, how it is said.

Deterministic for a given ``random.Random``. Knows nothing of tokens.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from . import grammar
from .chat_format import Exchange
from .corpus import Corpus, Family, Intent, Topic
from .noise import Noise, pseudo_word, read_synonyms
from .other import QUESTION_ANSWERS, other_sentences

TOPIC_WEIGHT = 17.0
UNKNOWN_WEIGHT = 11.0
SALAD_WEIGHT = 4.0
OTHER_WEIGHT = 26.0
OTHER_POOL = 30_000
LENGTH_WEIGHTS = {1: 26, 2: 20, 3: 17, 4: 13, 5: 10, 6: 8, 7: 6}
UNKNOWN_ANSWERS = (
    "I do not know about that, sorry. I am only a small model.",
    "Sorry, I know too little about that to say anything useful.",
)
# What a file says about its own surety: answers to these intents are given however unsure.
URGENT_INTENTS = ("emergency", "crisis")
NEVER_WITHHELD = 1_000_000
BEGINNING = 24
SHORTEST_BEGINNING = 4
NOTHING_SAID = "I have not said anything yet."
# Slots whose value is sometimes a word that no list holds, so that copying is learnt.
_PSEUDO_SHARE = {"name": 0.3, "petname": 0.15, "city": 0.12, "likething": 0.06, "first": 0.15}
_OPEN_SLOTS = {"likething": 0.15, "subject": 0.05}


def plain(text: str) -> str:
    """Words only, for comparing wordings."""
    return " ".join("".join(c if c.isalnum() or c == "'" else " " for c in text.lower()).split())


@dataclass(slots=True)
class State:
    """What a conversation remembers."""

    profile: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    planned: list[str] = field(default_factory=list[str])
    why: str | None = None
    more: list[str] = field(default_factory=list[str])
    series: Intent | None = None
    told: list[str] = field(default_factory=list[str])
    last_answer: str = NOTHING_SAID


class DialogueMaker:
    """Makes conversations; ``held_out`` wordings are never used."""

    def __init__(
        self, corpus: Corpus, held_out: Iterable[str] = (), other_pool: int = OTHER_POOL
    ) -> None:
        self._corpus = corpus
        self._other_pool = other_pool
        self._others: list[tuple[str, tuple[str, ...]]] = []
        self._held_out = frozenset(plain(text) for text in held_out)
        self._intents = list(corpus.intents.values())
        self._kinds: list[Intent | str] = [*self._intents, "topic", "unknown", "salad", "other"]
        self._weights = [i.weight for i in self._intents]
        self._weights += [TOPIC_WEIGHT, UNKNOWN_WEIGHT, SALAD_WEIGHT, OTHER_WEIGHT]
        homophones: dict[str, list[str]] = {}
        for line in corpus.extras["homophones"]:
            for pair in line.split(","):
                heard, _, instead = pair.strip().partition("=")
                homophones.setdefault(heard, []).append(instead)
        self._noise = Noise(
            homophones, corpus.extras["filler"], read_synonyms(corpus.synonym_groups)
        )
        self._followups = {
            kind: grammar.parse(corpus.extras[kind][0]) for kind in ("why", "more", "prefix")
        }
        self._prefixes = [grammar.parse(p) for p in corpus.extras["prefix"]]
        self._topic_names = {name for topic in corpus.topics for name in topic.names}
        self._salad_words = sorted(
            {w for i in self._intents for f in i.families for w in plain(f.pattern).split()}
        )

    def lots(self) -> list[tuple[int, str]]:
        """n and the beginning of each answer that is given as one of n, before any slot."""
        groups = [(g, i) for i in self._intents for g in (i.answers, i.series, i.untold)]
        lots = [
            (NEVER_WITHHELD if i.name in URGENT_INTENTS else len(group), text)
            for group, i in groups
            for text in group
        ]
        others = (QUESTION_ANSWERS, UNKNOWN_ANSWERS, self._corpus.salad_answers)
        lots += [(len(group), text) for group in others for text in group]
        begun = [(number, text.split("{")[0][:BEGINNING].strip()) for number, text in lots]
        return [lot for lot in begun if lot[0] > 1 and len(lot[1]) >= SHORTEST_BEGINNING]

    def dialogue(self, rng: random.Random) -> list[Exchange]:
        """One conversation of one to seven exchanges."""
        length = rng.choices(list(LENGTH_WEIGHTS), list(LENGTH_WEIGHTS.values()))[0]
        state = State()
        return [self._turn(state, rng) for _ in range(length)]

    def _turn(self, state: State, rng: random.Random) -> Exchange:
        while True:
            user, answer, keep = self._choose(state, rng)
            if plain(user) not in self._held_out:
                break
        disturbed = self._noise.disturb(self._wrap(user, rng), keep, rng)
        # Rewording may hit upon a held-out wording; then the plain one is used.
        user = user if plain(disturbed) in self._held_out else disturbed
        answer = answer[:1].upper() + answer[1:]
        state.last_answer = answer
        return Exchange(user, answer)

    def _wrap(self, user: str, rng: random.Random) -> str:
        if rng.random() < 0.13:
            user = f"{grammar.sample(rng.choice(self._prefixes), rng)} {user}"
        if rng.random() < 0.08:
            user = f"{user} {rng.choice(self._corpus.extras['suffix'])}"
        return user

    def _choose(self, state: State, rng: random.Random) -> tuple[str, str, frozenset[str]]:
        """User words, answer, and the words that noise must leave alone."""
        follow = self._follow_up(state, rng)
        if follow is not None:
            return (*follow, frozenset())
        if state.planned and rng.random() < 0.55:
            return self._intent_turn(self._corpus.intents[state.planned.pop()], state, rng)
        kind = rng.choices(self._kinds, self._weights)[0]
        if isinstance(kind, Intent):
            return self._intent_turn(kind, state, rng)
        state.why, state.more, state.series = None, [], None
        if kind == "topic":
            return self._topic_turn(rng.choice(self._corpus.topics), state, rng)
        if kind == "unknown":
            return self._unknown_turn(rng)
        if kind == "other":
            sentence, answers = rng.choice(self._other())
            return sentence, rng.choice(answers), frozenset()
        return self._salad(rng), rng.choice(self._corpus.salad_answers), frozenset()

    def _follow_up(self, state: State, rng: random.Random) -> tuple[str, str] | None:
        """ "Why", "tell me more" and "another one", with or without something to refer to."""
        if state.why and rng.random() < 0.20:
            answer, state.why = state.why, None
            return grammar.sample(self._followups["why"], rng), answer
        if state.more and rng.random() < 0.30:
            return grammar.sample(self._followups["more"], rng), state.more.pop(0)
        if state.series and rng.random() < 0.45:
            parsed = self._family(self._corpus.intents["another"].families, rng).parsed
            if rng.random() < 0.2:
                parsed = self._followups["more"]
            return grammar.sample(parsed, rng), self._next_of(state.series, state, rng)
        if state.why is None and not state.more and not state.series and rng.random() < 0.03:
            state.why = None
            kind = rng.choice(("why", "more", "another"))
            if kind == "another":
                intent = self._corpus.intents["another"]
                return grammar.sample(
                    self._family(intent.families, rng).parsed, rng
                ), intent.answers[0]
            return grammar.sample(self._followups[kind], rng), self._corpus.extras["why_lost"][0]
        return None

    def _next_of(self, intent: Intent, state: State, rng: random.Random) -> str:
        left = [text for text in intent.series if text not in state.told] or intent.series
        text = rng.choice(left)
        state.told.append(text)
        return text

    def _family(self, families: list[Family], rng: random.Random) -> Family:
        return rng.choices(families, [min(f.size, 120) ** 0.5 for f in families])[0]

    def _intent_turn(
        self, intent: Intent, state: State, rng: random.Random
    ) -> tuple[str, str, frozenset[str]]:
        state.why, state.series = intent.why, None
        state.more = [intent.more, self._corpus.extras["more_lost"][0]] if intent.more else []
        pattern = grammar.sample(self._family(intent.families, rng).parsed, rng)
        known = state.profile.get(intent.asks) if intent.asks else None
        if intent.repeats:
            return pattern, state.last_answer, frozenset()
        if intent.series:
            state.series = intent
            answer = self._next_of(intent, state, rng)
        elif intent.asks and known is None:
            answer = rng.choice(intent.untold)
        else:
            answer = rng.choice(intent.answers)
        values = dict(known or {})
        for slot in sorted(grammar.slots(pattern) | grammar.slots(answer)):
            if slot not in values:
                values[slot] = self._value(slot, values, rng)
        if intent.sets:
            state.profile[intent.sets] = values
            if rng.random() < 0.45:
                state.planned.append(f"ask_{intent.sets}")
        keep = frozenset(
            word.lower() for slot in grammar.slots(answer) for word in values[slot].split()
        )
        user, answer = grammar.fill(pattern, values), grammar.fill(answer, values)
        return user, answer, keep

    def _value(self, slot: str, taken: dict[str, str], rng: random.Random) -> str:
        base = {"name": "first"}.get(slot, slot.rstrip("2"))
        if rng.random() < _PSEUDO_SHARE.get(slot, 0.0):
            word = pseudo_word(rng)
            return word if slot == "likething" else word.capitalize()
        if rng.random() < _OPEN_SLOTS.get(slot, 0.0):
            base = "unknown"
        if base == "topic":
            return rng.choice(sorted(self._topic_names))
        while True:
            value = rng.choice(self._corpus.lists[base])
            if value not in taken.values():
                return value

    def _topic_turn(
        self, topic: Topic, state: State, rng: random.Random
    ) -> tuple[str, str, frozenset[str]]:
        name = topic.names[0] if rng.random() < 0.6 else rng.choice(topic.names)
        pattern = grammar.sample(self._family(self._corpus.topic_families, rng).parsed, rng)
        state.why, state.more = topic.why, [topic.more, self._corpus.extras["more_lost"][0]]
        return grammar.fill(pattern, {"topic": name}), topic.first, frozenset()

    def _unknown_turn(self, rng: random.Random) -> tuple[str, str, frozenset[str]]:
        roll = rng.random()
        if roll < 0.62:
            name = rng.choice(self._corpus.lists["unknown"])
        elif roll < 0.74:
            name = pseudo_word(rng)
        elif roll < 0.84:
            name = f"{pseudo_word(rng).capitalize()} {pseudo_word(rng).capitalize()}"
        else:
            head = rng.choice(("the history of", "the theory of", "the art of", "the king of"))
            name = f"{head} {rng.choice(self._corpus.lists['unknown']).removeprefix('the ')}"
        pattern = grammar.sample(self._family(self._corpus.topic_families, rng).parsed, rng)
        user = grammar.fill(pattern, {"topic": name})
        return user, rng.choice(UNKNOWN_ANSWERS), frozenset()

    def _other(self) -> list[tuple[str, tuple[str, ...]]]:
        """Made once, when first needed: the stream takes a few seconds to fill the pool."""
        if not self._others:
            known = {
                plain(wording)
                for intent in self._intents
                for family in intent.families
                if family.size < 5000
                for wording in grammar.expand(family.parsed)
            }
            stream = (pair for pair in other_sentences(1) if plain(pair[0]) not in known)
            self._others = list(islice(stream, self._other_pool))
        return self._others

    def _salad(self, rng: random.Random) -> str:
        roll = rng.random()
        if roll < 0.15:
            return " ".join(
                [rng.choice(("blah", "bla", "mm", "la", "da", "uh"))] * rng.randint(2, 5)
            )
        count = rng.randint(3, 9)
        if roll < 0.35:
            return " ".join(pseudo_word(rng) for _ in range(max(2, count // 2)))
        return " ".join(rng.choice(self._salad_words) for _ in range(count))
