"""Noun phrases, subjects, auxiliaries, numbers, times and prices: what the slots of the grammar hold.

Words are drawn from shuffled decks, so that over a long stream every entry of a list is equally
frequent. Knows nothing of templates.
"""

import random
from dataclasses import dataclass

from engine.training.corpus import lexicon as lex

_ADJECTIVES: dict[str, tuple[str, ...]] = {
    "object": ("thingadj", "thingadj", "colour", "size"),
    "thing": ("thingadj",),
    "clothes": ("colour", "thingadj"),
    "vehicle": ("thingadj", "colour"),
    "tech": ("thingadj",),
    "person": ("personadj",),
    "kin": ("personadj",),
    "animal": ("animaladj", "animaladj", "colour", "size"),
    "food": ("foodadj",),
    "foodmass": ("foodadj",),
    "place": ("placeadj", "placeadj", "size"),
    "abstract": ("absadj",),
    "event": ("absadj",),
    "nature": ("size", "colour"),
}
_MASS = frozenset(("foodmass", "mass", "weathermass", "material", "drink"))
_ONES = "one two three four five six seven eight nine ten eleven twelve".split()
_TEENS = "thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject and what agrees with it. `person` is I, you, we, they, he, she, it or other."""

    text: str
    possessive: str
    singular: bool  # takes the third person form
    person: str


_PRONOUNS = {
    "I": Subject("I", "my", False, "I"),
    "you": Subject("you", "your", False, "you"),
    "he": Subject("he", "his", True, "he"),
    "she": Subject("she", "her", True, "she"),
    "we": Subject("we", "our", False, "we"),
    "they": Subject("they", "their", False, "they"),
}
_OWNERS = {
    "my": "I", "your": "you", "our": "we", "their": "they", "his": "he", "her": "she",
}  # fmt: skip
_FEMALE_KIN = "mother mum sister aunt grandmother grandma wife daughter niece granddaughter".split()


class Phrases:
    """Draws phrases with one random generator; one instance serves one stream."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._lexicon = lex.load()
        self._decks: dict[str, list[str]] = {}
        self._graded = lex.graded(self._lexicon)

    def draw(self, section: str) -> str:
        """The next entry of a section's shuffled deck; `section.s` draws plurals."""
        deck = self._decks.get(section)
        if not deck:
            if section.endswith(".s"):
                deck = list(self._lexicon.plurals[section[:-2]])
            else:
                deck = list(self._lexicon.singular[section])
            self._rng.shuffle(deck)
            self._decks[section] = deck
        return deck.pop()

    def word(self, name: str, form: str) -> str:
        """A bare slot: a special name (price, clock …) or an entry of a section."""
        special = getattr(self, f"_word_{name}", None)
        if special is not None:
            return str(special())
        if name == "comparable" and form:
            row = self._rng.choice(self._graded)
            return row[1] if form == "er" else row[2]
        return self.draw(f"{name}.s" if form == "s" else name)

    def adjective(self, noun_class: str) -> str:
        """An adjective that suits a noun of the class."""
        return self.draw(self._rng.choice(_ADJECTIVES[noun_class]))

    def _optional_adjective(self, noun_class: str, chance: float) -> str:
        if noun_class not in _ADJECTIVES or self._rng.random() > chance:
            return ""
        return self.adjective(noun_class) + " "

    def _name(self) -> str:
        return self.draw(self._rng.choice(("female", "male")))

    def possessive(self) -> str:
        """my, your, his … or a name or relative with 's."""
        roll = self._rng.random()
        if roll < 0.7:
            return self._rng.choice(("my", "your", "his", "her", "our", "their", "my", "your"))
        if roll < 0.85:
            return self._name() + "'s"
        return "my " + self.draw("kin") + "'s"

    def singular(self, noun_class: str, subject: Subject) -> str:
        """A singular (or uncountable) noun phrase with a determiner."""
        rng = self._rng
        if noun_class in _MASS:
            return self._uncounted(noun_class)
        roll = rng.random()
        if roll < 0.36:
            start = "the "
        elif roll < 0.66:
            start = "a "
        elif roll < 0.76:
            start = rng.choice(("this ", "that "))
        elif roll < 0.82:
            start = rng.choice(("another ", "every ", "each ", "one ", "the other ", "the same "))
        elif roll < 0.85:
            start = f"the {self.draw('ordinal')} "
        else:
            start = self.possessive() + " "
        noun = self._optional_adjective(noun_class, 0.35) + self.draw(noun_class)
        return start + noun + self._tail(noun_class)

    def _tail(self, noun_class: str) -> str:
        rng = self._rng
        if rng.random() > 0.12 or noun_class in ("illness", "body", "measure"):
            return ""
        if noun_class in ("person", "animal", "object", "food", "vehicle", "tech"):
            roll = rng.randrange(5)
            if roll == 0:
                return f" in the {self.draw('place')}"
            if roll == 1:
                return f" from {self.draw(rng.choice(('city', 'country')))}"
            if roll == 2:
                return f" with the {self.draw('colour')} {self.draw('object')}"
            if roll == 3:
                return f" near the {self.draw('place')}"
            return f" next to the {self.draw('object')}"
        if noun_class in ("place", "event"):
            return f" in {self.draw('city')}"
        return ""

    def _uncounted(self, noun_class: str) -> str:
        start = self._rng.choice(
            ("some ", "the ", "", "", "this ", "our ", "more ", "the ", "your ")
        )
        return start + self._optional_adjective(noun_class, 0.35) + self.draw(noun_class)

    def plural(self, noun_class: str, subject: Subject) -> str:
        """A plural noun phrase."""
        rng = self._rng
        roll = rng.random()
        if roll < 0.3:
            start = "the "
        elif roll < 0.42:
            start = rng.choice(("these ", "those "))
        elif roll < 0.55:
            start = self._word_num() + " "
        elif roll < 0.7:
            start = self.draw("quant") + " "
        elif roll < 0.85:
            start = self.possessive() + " "
        else:
            start = ""
        return start + self._optional_adjective(noun_class, 0.3) + self.draw(f"{noun_class}.s")

    def object_phrase(self, noun_class: str, subject: Subject) -> str:
        """A noun phrase of any number."""
        if noun_class in _MASS or self._rng.random() < 0.62:
            return self.singular(noun_class, subject)
        return self.plural(noun_class, subject)

    def place(self, noun_class: str, subject: Subject) -> str:
        """A definite place."""
        roll = self._rng.random()
        start = "the " if roll < 0.75 else "a " if roll < 0.87 else self.possessive() + " "
        return start + self._optional_adjective(noun_class, 0.3) + self.draw(noun_class)

    def person_object(self, subject: Subject) -> str:
        """A person as an object; never the subject itself."""
        rng = self._rng
        roll = rng.random()
        if roll < 0.3:
            pronouns = ["him", "her", "them", "me", "us", "you"]
            barred = {"I": ("me", "us"), "we": ("me", "us"), "you": ("you",)}
            return rng.choice([p for p in pronouns if p not in barred.get(subject.person, ())])
        if roll < 0.5:
            return self._name()
        if roll < 0.65:
            return f"{subject.possessive} {self.draw('kin')}"
        if roll < 0.72:
            return self.draw("indef")
        if roll < 0.9:
            return f"the {self._optional_adjective('person', 0.3)}{self.draw('person')}"
        return f"the {self.draw('person.s')}"

    def owner(self, word: str, current: Subject) -> Subject:
        """The subject that a possessive written in a template stands for."""
        if word == "its":
            return Subject("it", "its", True, "it")
        if word in ("his", "her") and current.person in ("he", "she"):
            return current
        return _PRONOUNS[_OWNERS[word]]

    def subject(self, kind: str) -> Subject:
        """A subject: a pronoun's name, or any, clause, plural, third, pronoun, name."""
        rng = self._rng
        if kind in _PRONOUNS:
            return _PRONOUNS[kind]
        if kind == "pronoun":
            return _PRONOUNS[rng.choice(tuple(_PRONOUNS))]
        if kind == "name":
            female = rng.random() < 0.5
            name = self.draw("female" if female else "male")
            return Subject(name, "her" if female else "his", True, "she" if female else "he")
        if kind == "plural":
            return self._plural_subject()
        if kind == "third":
            return self._third_subject()
        roll = rng.random()
        if roll < 0.42:
            return self.subject("pronoun")
        return self._third_subject() if roll < 0.82 else self._plural_subject()

    def _plural_subject(self) -> Subject:
        rng = self._rng
        roll = rng.random()
        if roll < 0.5:
            return _PRONOUNS[rng.choice(("you", "we", "they", "you", "they"))]
        if roll < 0.65:
            text = f"{self._name()} and {self._name()}"
        elif roll < 0.75:
            text = "people"
        elif roll < 0.85:
            text = f"my {self.draw('kin')} and {self._name()}"
        else:
            text = f"the {self._optional_adjective('person', 0.2)}{self.draw('person.s')}"
        return Subject(text, "their", False, "they")

    def _third_subject(self) -> Subject:
        rng = self._rng
        roll = rng.random()
        if roll < 0.22:
            return _PRONOUNS[rng.choice(("he", "she"))]
        if roll < 0.42:
            return self.subject("name")
        if roll < 0.62:
            kin = self.draw("kin")
            female = kin in _FEMALE_KIN or kin == "stepmother"
            owner = rng.choice(("my", "my", "your", "his", "her", "our", "their"))
            return Subject(
                f"{owner} {kin}", "her" if female else "his", True, "she" if female else "he"
            )
        if roll < 0.7:
            return Subject(self.draw("indef"), "their", True, "other")
        start = rng.choice(("the ", "the ", "a ", "that ", "this "))
        text = start + self._optional_adjective("person", 0.25) + self.draw("person")
        possessive = rng.choice(("his", "her"))
        return Subject(text, possessive, True, "he" if possessive == "his" else "she")

    def auxiliary(self, form: str, subject: Subject) -> tuple[str, str]:
        """What stands between subject and verb in a clause form, and the form of the verb.

        Forms: d past, dn negative past, p present, pf present with a frequency, g continuous,
        dg past continuous, n perfect, w future, m modal, had past perfect.
        """
        rng = self._rng
        third, person = subject.singular, subject.person
        pronoun = subject.text in _PRONOUNS
        if form == "d":
            return " ", "d"
        if form == "dn":
            return rng.choice((" didn't ", " did not ", " didn't ", " never ")), "b"
        if form == "p":
            return " ", "p" if third else "b"
        if form == "pf":
            return f" {self.draw('frequency')} ", "p" if third else "b"
        if form in ("g", "dg"):
            return self._be(form, third, person, pronoun), "g"
        if form == "n":
            short = "'s " if third else "'ve "
            full = " has " if third else " have "
            extra = rng.choice(("", "", "already ", "just ", "never ", "finally ", "not "))
            return (short if pronoun and rng.random() < 0.5 else full) + extra, "n"
        if form == "w":
            if pronoun and rng.random() < 0.4:
                return "'ll ", "b"
            return rng.choice(
                (" will ", " will ", " won't ", " will never ", " will probably ")
            ), "b"
        if form == "had":
            return ("'d " if pronoun and rng.random() < 0.4 else " had "), "n"
        assert form == "m", form
        modals = "can could should would might must may can't couldn't shouldn't wouldn't".split()
        return f" {rng.choice(modals)} ", "b"

    def _be(self, form: str, third: bool, person: str, pronoun: bool) -> str:
        if form == "dg":
            return " was " if third or person == "I" else " were "
        if pronoun and self._rng.random() < 0.6:
            return "'m " if person == "I" else "'s " if third else "'re "
        return " am " if person == "I" else " is " if third else " are "

    def _word_num(self) -> str:
        roll = self._rng.random()
        if roll < 0.6:
            return self._rng.choice(_ONES[1:])
        return self._rng.choice(_TEENS) if roll < 0.75 else self._word_num2()

    def _word_num2(self) -> str:
        rng = self._rng
        roll = rng.random()
        tens = rng.choice(_TENS)
        if roll < 0.35:
            return tens
        if roll < 0.8:
            return f"{tens} {rng.choice(_ONES[:9])}"
        if roll < 0.9:
            return f"{rng.choice(('a', 'one', *_ONES[1:9]))} hundred"
        return f"{rng.choice(_ONES[:9])} hundred and {tens}"

    def _word_price(self) -> str:
        rng = self._rng
        roll = rng.randrange(4)
        number = self._word_num()
        if roll == 0:
            return f"{number} {rng.choice(('pounds', 'dollars', 'euros'))} {self._word_num2()}"
        if roll == 1:
            return f"{number} euros and {rng.choice(_TENS)} cents"
        return f"{number} {self.draw('money')}"

    def _word_clock(self) -> str:
        rng = self._rng
        hour = rng.choice(_ONES)
        roll = rng.randrange(6)
        if roll == 0:
            return f"{hour} o'clock"
        if roll == 1:
            return f"half past {hour}"
        if roll == 2:
            return f"{rng.choice(('a quarter', 'quarter'))} {rng.choice(('past', 'to'))} {hour}"
        if roll == 3:
            minutes = rng.choice(("five", "ten", "twenty", "twenty five"))
            return f"{minutes} {rng.choice(('past', 'to'))} {hour}"
        if roll == 4:
            minutes = rng.choice(("fifteen", "thirty", "forty five", "ten", "twenty", "fifty"))
            return f"{hour} {minutes}{rng.choice(('', ' in the morning', ' in the evening'))}"
        return rng.choice((f"{hour} in the morning", f"{hour} at night", "midnight", "noon"))

    def _word_sincefor(self) -> str:
        rng = self._rng
        if rng.random() < 0.6:
            return f"for {self._word_num()} {self.draw('timeunit.s')}"
        return "since " + self.draw(rng.choice(("day", "month", "season")))

    def _word_drinkp(self) -> str:
        drink = self.draw("drink")
        starts = (
            "some ",
            "a cup of ",
            "a glass of ",
            "two glasses of ",
            "the ",
            "a bottle of ",
            "",
        )
        return self._rng.choice(starts) + drink

    def _word_is_was(self) -> str:
        return self._rng.choice(("is", "was", "isn't", "wasn't", "seems", "was"))

    def _word_leftright(self) -> str:
        return self._rng.choice(("left", "right"))

    def _word_compass(self) -> str:
        points = ("north", "south", "east", "west", "mountains", "city", "hills", "northeast")
        return self._rng.choice(points)

    def _word_nationality_lang(self) -> str:
        return self.draw("language")
