"""Expands sentence templates with typed slots into English sentences.

A template is text with slots: `{object}` a noun, `{object.s}` its plural, `{np:object}` a singular noun
phrase, `{npp:object}` a plural one, `{o:object}` either, `{p}` a person as an object, `{vp.d:my}` a verb
phrase (form d, possessive my), `{S.d}` a whole clause. Deterministic in the generator passed in.
Knows nothing of the mix of the stream.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.training.corpus import lexicon as lex
from engine.training.corpus.phrases import Phrases, Subject

_SLOT = re.compile(r"\{([^}]*)\}")
Part = str | tuple[str, str, str]  # literal, or slot (name, form, argument)


def parse(template: str) -> tuple[Part, ...]:
    """Splits a template into literals and slots."""
    parts: list[Part] = []
    for index, piece in enumerate(_SLOT.split(template)):
        if index % 2 == 0:
            if piece:
                parts.append(piece)
            continue
        head, _, argument = piece.partition(":")
        name, _, form = head.partition(".")
        parts.append((name.rstrip("0"), form.rstrip("0"), argument))
    return tuple(parts)


@dataclass(slots=True)
class Context:
    """What later slots of one sentence depend on."""

    subject: Subject
    form: str = "b"


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

    def expand(self, parts: tuple[Part, ...]) -> str:
        """Fills the slots of a parsed template; not yet capitalised."""
        return self._fill(parts, Context(self._phrases.subject("I")))

    def expand_all(self, templates: tuple[tuple[Part, ...], ...]) -> list[str]:
        """Fills templates that belong together: `{x=object}` draws once, `{x}` repeats it."""
        return [self.expand(parts) for parts in templates]

    def _fill(self, parts: tuple[Part, ...], context: Context) -> str:
        out: list[str] = []
        for part in parts:
            if isinstance(part, str):
                out.append(part)
            else:
                out.append(self._slot(context, *part))
        return "".join(out)

    def _slot(self, context: Context, name: str, form: str, argument: str) -> str:
        handler = self._slots.get(name)
        if handler is not None:
            return handler(context, form, argument)
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
            text = self._lexicon.inflect(head, form)
            return text + self._fill(parts[1:], inner)
        first = self._slot(inner, *head)
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
