"""Expands sentence templates with typed slots into English sentences.

A template is text with slots: `{object}` a noun, `{object.s}` its plural, `{np:object}` a singular noun
phrase, `{npp:object}` a plural one, `{o:object}` either, `{p}` a person as an object, `{vp.d:my}` a verb
phrase (form d, possessive my), `{S.d}` a whole clause. `{a|b {object}|}` chooses one alternative, and
`{1=hobby}` draws once what `{1}` repeats. Deterministic in the generator passed in.
Knows nothing of the mix of the stream.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.training.corpus import lexicon as lex
from engine.training.corpus.phrases import Phrases, Subject


@dataclass(frozen=True, slots=True)
class Slot:
    """`{name.form:argument}`; `key` is set where the text is kept for repetition."""

    name: str
    form: str
    argument: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """`{a|b|c}`: one of several templates; `key` as in Slot."""

    options: "tuple[Template, ...]"
    key: str = ""


Part = str | Slot | Choice
Template = tuple[Part, ...]


def _split(text: str, mark: str) -> list[str]:
    """Splits at a mark outside braces."""
    pieces, depth = [""], 0
    for letter in text:
        depth += (letter == "{") - (letter == "}")
        if letter == mark and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += letter
    return pieces


def _parse_slot(inside: str) -> Part:
    key = ""
    if len(inside) > 1 and inside[0].isdigit() and inside[1] == "=":
        key, inside = inside[0], inside[2:]
    options = _split(inside, "|")
    if len(options) > 1:
        return Choice(tuple(parse(option) for option in options), key)
    head, _, argument = inside.partition(":")
    name, _, form = head.partition(".")
    if not name.isdigit():
        name = name.rstrip("0")
    return Slot(name, form.rstrip("0"), argument, key)


def parse(template: str) -> Template:
    """Splits a template into literals, slots and choices; braces nest."""
    parts: list[Part] = []
    depth, start = 0, 0
    for index, letter in enumerate(template):
        if letter == "{":
            if depth == 0 and index > start:
                parts.append(template[start:index])
            if depth == 0:
                start = index + 1
            depth += 1
        elif letter == "}":
            depth -= 1
            if depth == 0:
                parts.append(_parse_slot(template[start:index]))
                start = index + 1
    assert depth == 0, template
    if start < len(template):
        parts.append(template[start:])
    return tuple(parts)


@dataclass(slots=True)
class Context:
    """What later slots of one sentence depend on."""

    subject: Subject
    form: str = "b"
    kept: dict[str, str] = field(default_factory=dict[str, str])


class Grammar:
    """Sentences from templates. One instance serves one stream."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._phrases = Phrases(rng)
        self._lexicon = lex.load()
        self._verb_phrases = [parse(line) for line in lex.read_lines("verb_phrases")]
        self._deck: list[int] = []
        self._slots: dict[str, Callable[[Context, str, str], str]] = {
            "vp": self._vp,
            "S": self._clause,
            "np": lambda c, f, a: self._phrases.singular(a, c.subject),
            "npp": lambda c, f, a: self._phrases.plural(a, c.subject),
            "o": lambda c, f, a: self._phrases.object_phrase(a, c.subject),
            "pl": lambda c, f, a: self._phrases.place(a, c.subject),
            "p": lambda c, f, a: self._phrases.person_object(c.subject),
            "poss": lambda c, f, a: self._phrases.possessive() if a else c.subject.possessive,
            "adj": lambda c, f, a: self._phrases.adjective(a),
            "Q": lambda c, f, a: self._set_subject(c, "any"),
            "Qp": lambda c, f, a: self._set_subject(c, "plural"),
            "Q3": lambda c, f, a: self._set_subject(c, "third"),
            "subjpro": lambda c, f, a: self._set_subject(c, "pronoun"),
            "name": lambda c, f, a: self._set_subject(c, "name"),
        }

    def expand(self, template: Template) -> str:
        """Fills the slots of a parsed template; not yet capitalised."""
        return self._fill(template, Context(self._phrases.subject("I")))

    def expand_pair(self, first: Template, second: Template) -> tuple[str, str]:
        """Fills two templates that share what `{1=...}` keeps."""
        context = Context(self._phrases.subject("I"))
        return self._fill(first, context), self._fill(second, context)

    def _fill(self, template: Template, context: Context) -> str:
        out: list[str] = []
        for part in template:
            if isinstance(part, str):
                out.append(part)
                continue
            if isinstance(part, Choice):
                text = self._fill(self._rng.choice(part.options), context)
            else:
                text = self._slot(context, part)
            if part.key:
                context.kept[part.key] = text
            out.append(text)
        return "".join(out)

    def _slot(self, context: Context, slot: Slot) -> str:
        name, form = slot.name, slot.form
        if name in context.kept:
            return context.kept[name]
        handler = self._slots.get(name)
        if handler is not None:
            return handler(context, form, slot.argument)
        if name.startswith("act_") or name == "intransitive":
            return self._lexicon.inflect(self._phrases.draw(name), form or context.form)
        return self._phrases.word(name, form)

    def _set_subject(self, context: Context, kind: str) -> str:
        context.subject = self._phrases.subject(kind)
        return context.subject.text

    def _verb_phrase(self, form: str, subject: Subject) -> str:
        if not self._deck:
            self._deck = list(range(len(self._verb_phrases)))
            self._rng.shuffle(self._deck)
        parts = self._verb_phrases[self._deck.pop()]
        head = parts[0]
        inner = Context(subject, form)
        if isinstance(head, str):
            return self._lexicon.inflect(head, form) + self._fill(parts[1:], inner)
        first = self._fill((head,), inner)
        inner.form = "b"
        return first + self._fill(parts[1:], inner)

    def _vp(self, context: Context, form: str, argument: str) -> str:
        subject = context.subject
        if argument:
            subject = self._phrases.owner(argument, subject)
        return self._verb_phrase(form, subject)

    def _clause(self, context: Context, form: str, argument: str) -> str:
        subject = self._phrases.subject("clause")
        context.subject = subject
        auxiliary, verb_form = self._phrases.auxiliary(form, subject)
        return subject.text + auxiliary + self._verb_phrase(verb_form, subject)
