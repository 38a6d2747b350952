"""What the user has told about himself in this conversation, told back when he asks.

Name, home, job, age, favourites, and what somebody or something of his is called. A small language
model forgets such things after a few turns, or mixes them up; code does not. Both sides are narrow
patterns over whole clauses, so that anything else goes to the model; nothing is kept beyond the
messages of the conversation. Who only says
his name is greeted by it, because small models garble names. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .tools_text import plain_tokens, sentence, unwrap

MAX_LINE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing told: ``subject`` such as ``name`` or ``called cat``, ``text`` what is said back."""

    subject: str
    text: str
    value: str


def recall(told: Sequence[str], question: str) -> str | None:
    """The answer when ``question`` asks for what the user lines in ``told`` gave, else None.

    A ``question`` that is nothing but the user's name is answered with a greeting.

    The latest of several statements counts. Never an answer from anything but the user's own words.
    """
    if len(question) > MAX_LINE_CHARACTERS:
        return None
    tokens = plain_tokens(question)
    asked = next(
        (s for s in map(_subjects, dict.fromkeys((unwrap(tokens), " ".join(tokens)))) if s), ()
    )
    if not asked:
        return _greeting(question)
    facts = [fact for line in told for fact in _facts(line)]
    for subject in asked:
        known = [fact for fact in facts if fact.subject == subject]
        if known:
            return sentence(known[-1].text)
    return None


_POLITE = re.compile(
    r"(?:(?:hi|hello|hey|parley|there|good (?:morning|evening|afternoon|day)|nice to meet you"
    r"|well|so|oh)\s*)*",
    re.IGNORECASE,
)


def _greeting(line: str) -> str | None:
    """``Nice to meet you, Tom.`` to a line that is nothing but "hello, my name is Tom"."""
    facts = list(_facts(line))
    if len(facts) != 1 or facts[0].subject != "name":
        return None
    others = [part for part in _clauses(line) if not _POLITE.fullmatch(part)]
    name = facts[0].value
    return f"Nice to meet you, {name}." if len(others) == 1 else None


_ASK = (
    r"(?:(?:what|which) (?:is|was) |(?:do|can|could|did|would) you (?:still |happen to |also )*"
    r"(?:know|remember|recall|forget|catch|get|say|tell me|repeat) |have you (?:forgotten|kept) "
    r"|(?:remind|tell) me (?:of |again )?|say |i forgot |would you mind (?:repeating|telling me|saying) |what did i (?:say|tell you) (?:was |is )?)"
)
_WORDS = r"[a-z]+(?: [a-z]+)?"
_QUESTIONS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(f"^(?:{pattern})(?: (?:again|now|then|please|parley))*$"), subjects)
    for pattern, subjects in (
        (
            rf"{_ASK}my (?:first )?name|(?:{_ASK})?(?:what|who|how) (?:my name (?:is|was)"
            r"|(?:am|was) i(?: called| named)?|i (?:am|was)(?: called| named)?|do you call me)"
            r"|(?:what|which) name (?:did i (?:give|tell) you|is mine|do i have)",
            ("name",),
        ),
        (
            rf"(?:{_ASK})?(?:(?:where|which place) (?:do i live|i live)"
            r"|(?:in )?(?:which|what) (?:city|town|place|country) (?:do i live|i live)(?: in)?)"
            rf"|{_ASK}my (?:city|town|home|home town|hometown)",
            ("lives", "from"),
        ),
        (
            rf"(?:{_ASK})?(?:where (?:(?:am|was) i from|do i come from|i (?:am|was|come) from)"
            r"|(?:from )?(?:which|what) (?:city|town|place|country)"
            r" (?:(?:am|was) i from|do i come from|i (?:am|was|come) from|do i come))",
            ("from", "lives"),
        ),
        (
            rf"{_ASK}my (?:job|profession|occupation|work)"
            rf"|(?:{_ASK})?what (?:do i do for (?:a living|work)|do i work as"
            r"|i do for (?:a living|work)|i work as|my (?:job|profession|occupation) is)",
            ("job",),
        ),
        (rf"{_ASK}my age|(?:{_ASK})?how old (?:am i|i am)", ("age",)),
        (rf"{_ASK}my (?:hobby|hobbies)|(?:{_ASK})?what my hobby is", ("hobby",)),
        (
            rf"{_ASK}my favou?rite (?P<a>{_WORDS})"
            rf"|(?:{_ASK})?(?:what|which) my favou?rite (?P<b>{_WORDS}) is",
            ("favourite",),
        ),
        (
            rf"{_ASK}(?:my (?P<a>{_WORDS})'?s name|the name of my (?P<b>{_WORDS}))"
            rf"|(?:{_ASK})?(?:what|how) (?:is|was) my (?P<c>{_WORDS}) (?:called|named)"
            rf"|(?:{_ASK})?(?:what|how) my (?P<d>{_WORDS}) (?:is|was) (?:called|named)",
            ("called",),
        ),
        (
            rf"(?:{_ASK})?what did i (?:call|name) my (?P<a>{_WORDS})"
            rf"|what did i say my (?P<b>{_WORDS}) (?:is|was) (?:called|named)",
            ("called",),
        ),
    )
)


def _subjects(question: str) -> tuple[str, ...]:
    """Which facts would answer the question, the best first."""
    for pattern, subjects in _QUESTIONS:
        if match := pattern.match(question):
            thing = next(filter(None, match.groups()), None)
            return tuple(f"{s} {_plain_thing(thing)}" if thing else s for s in subjects)
    return ()


def _plain_thing(thing: str) -> str:
    return thing.lower().replace("favorite", "favourite").replace("color", "colour")


# Clauses end at punctuation and where the user goes on about himself.
_CLAUSE_END = re.compile(
    r"[.!?;,:]+|\b(?:and|but)\b(?= (?:i|i'm|my|you|what|who)\b)", re.IGNORECASE
)
_OPENING = (
    r"^(?:(?:hi|hello|hey|well|so|okay|ok|oh|um|uh|no|yes|yeah|and|but|also|now|listen|parley|there"
    r"|actually|by the way|good (?:morning|evening|afternoon|day)|(?:please )?remember(?: that)?"
    r"|you should know(?: that)?|i (?:said|told you)(?: that)?)\s+)*"
)
_CLOSING = re.compile(
    r"(?:\s+(?:by the way|nice to meet you|parley|please|too|now|today|here|actually|then|again"
    r"|these days|at the moment|you know))+$",
    re.IGNORECASE,
)
_NAME = r"(?P<value>[^\W\d_][\w'-]*(?: [^\W\d_][\w'-]*)?)"
_PHRASE = r"(?P<value>[\w'-]+(?: [\w'-]+){0,3})"
_PLACE = r"(?P<value>[^\W\d_][\w'-]*(?: [^\W\d_][\w'-]*){0,2})"
_AGE = r"(?P<value>\d{1,3}|[a-z]+(?:[ -][a-z]+)?)"


@dataclass(frozen=True, slots=True)
class _Statement:
    pattern: re.Pattern[str]
    subject: str
    text: str
    is_name: bool = False


def _statement(pattern: str, subject: str, text: str, is_name: bool = False) -> _Statement:
    whole = re.compile(f"{_OPENING}(?:{pattern})$", re.IGNORECASE)
    return _Statement(whole, subject, text, is_name)


_STATEMENTS = (
    _statement(
        rf"(?:my (?:first )?name is|my name's|i am called|i'm called|i go by|(?:you can |you may "
        rf"|please |just )*call me|(?:people|they|my friends|everybody) call me"
        rf"|everyone calls me) {_NAME}",
        "name",
        "you told me that your name is {value}",
        is_name=True,
    ),
    _statement(
        rf"(?:i live|i am living|i'm living|we live|i now live|my home is) in {_PLACE}",
        "lives",
        "you told me that you live in {value}",
        is_name=True,
    ),
    _statement(
        rf"(?:i am|i'm|i come|i was) (?:originally )?from {_PLACE}",
        "from",
        "you told me that you are from {value}",
        is_name=True,
    ),
    _statement(
        rf"(?:my (?P<a>{_WORDS}) (?:is (?:called|named)|goes by|answers to)"
        rf"|my (?P<b>{_WORDS})'?s name is|the name of my (?P<c>{_WORDS}) is"
        rf"|(?:i|we) (?:have|own|got|have got|keep) an? (?P<d>{_WORDS}) (?:called|named)) {_NAME}",
        "called",
        "you told me that your {thing} is called {value}",
        is_name=True,
    ),
    _statement(
        rf"my favou?rite (?P<a>{_WORDS}) is {_PHRASE}",
        "favourite",
        "you told me that your favourite {thing} is {value}",
    ),
    _statement(
        r"(?:i work|i am working|i'm working) as (?P<value>an? [\w'-]+(?: [\w'-]+)?)",
        "job",
        "you told me that you work as {value}",
    ),
    _statement(
        rf"(?:i am|i'm) {_AGE} years old", "age", "you told me that you are {value} years old"
    ),
    _statement(
        r"my hobby is (?P<value>[\w'-]+(?: [\w'-]+){0,2})", "hobby",
        "you told me that your hobby is {value}",
    ),
)  # fmt: skip

# Words that no name, place or favourite begins with: "call me later", "I live in fear".
_NO_VALUE = frozenset(
    "a an the my your his her our their its this that these those it he she they we you i me not no"
    " none nothing something anything everything nobody someone whatever what when where why how who"
    " if because to at in on by for of with from off out up down back away over later tomorrow"
    " tonight today soon again now then here there maybe probably perhaps very so too really quite"
    " hard difficult easy long short rare common important unusual old new funny strange secret"
    " spelled spelt written called known unknown crazy mad stupid silly names anytime anyway"
    " fear peace hope sin pain poverty misery luxury silence harmony darkness town abroad outer"
    " being doing having always never still also just only like changing missing gone lost dead"
    " broken sick ill please and or but is was".split()
)
_NO_THING = frozenset("name favourite favorite own last first middle real full other whole".split())


def _clauses(line: str) -> list[str]:
    plain = " ".join(line.replace("\u2019", "'").split())
    return [_CLOSING.sub("", part.strip()) for part in _CLAUSE_END.split(plain)]


def _facts(line: str) -> Iterator[Fact]:
    """What one user line states, clause by clause."""
    if len(line) > MAX_LINE_CHARACTERS:
        return
    for clause in _clauses(line):
        for statement in _STATEMENTS:
            if (match := statement.pattern.match(clause)) and (fact := _fact(statement, match)):
                yield fact


def _fact(statement: _Statement, match: re.Match[str]) -> Fact | None:
    """The fact of a matched clause, None where the words found are none of the kind."""
    value: str = match["value"]
    words = value.split()
    # Written large they are names: "I live in New York", "in The Hague".
    if words[0] in _NO_VALUE and statement.subject != "job":
        return None
    if statement.is_name:
        # "My name is Tom Smith", but not "my name is tom because".
        if any(word in _NO_VALUE for word in words) or not _one_name(words):
            return None
        value = " ".join(word[:1].upper() + word[1:] for word in words)
    thing = next((t for key, t in match.groupdict().items() if t and key != "value"), None)
    if thing is None:
        return Fact(statement.subject, statement.text.format(value=value), value)
    thing = _plain_thing(thing)
    if thing.split()[0] in _NO_THING or thing.split()[-1] in _NO_THING:
        return None
    text = statement.text.format(value=value, thing=thing)
    return Fact(f"{statement.subject} {thing}", text, value)


def _one_name(words: list[str]) -> bool:
    return len(words) == 1 or all(word[:1].isupper() for word in words)
