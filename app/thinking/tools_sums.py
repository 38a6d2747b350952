"""Sums and comparisons in words or digits, by a small recursive-descent parser.

A sentence is a sum only when all of it parses, so "I have two cats and one dog" is not one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from .tools_numbers import FRACTION_WORDS, LARGEST, read_number, speak_number
from .tools_text import sentence

_FRAME = re.compile(
    r"^(?:what (?:is|are|does|do|do you get if you|do i get if i|would)|how (?:much|many) (?:is|are"
    r"|does|do|makes|make)|(?:please )?(?:calculate|compute|work out|solve|evaluate|figure out"
    r"|do the sum|add up)|(?:can|could|would|will) you (?:please )?(?:calculate|compute|work out"
    r"|solve|figure out)|if you|if i|what|the answer to|what is the (?:answer to|result of|value of"
    r"|sum)|how much do you get if you)\s+"
)
_TAIL = re.compile(
    r"\s+(?:equal to|equals what|is what|equals|equal|make|makes|=|is|be|give|come to)$"
)
# What a recogniser may write for a number; only where a frame already says that it is a sum.
_MISHEARD = {
    "to": "two",
    "too": "two",
    "for": "four",
    "won": "one",
    "ate": "eight",
    "tree": "three",
}
_COMMANDS = {
    "add": ({"and", "to", "plus"}, "plus"),
    "subtract": ({"from"}, "minus"),
    "take": ({"from"}, "minus"),
    "multiply": ({"by", "and", "with", "times"}, "times"),
    "divide": ({"by", "through"}, "divided by"),
}
_SUMS = {"plus": "plus", "+": "plus", "minus": "minus", "-": "minus", "less": "minus"}
_TIMES = {"times": "times", "time": "times", "x": "times", "*": "times", "/": "divided by"}
_MAX_POWER = 64


class SumError(ValueError):
    """A sum that has no answer, told in words that can be spoken."""


@dataclass(frozen=True, slots=True)
class Value:
    """A result, how to say the sum, and whether it was asked in fractions or percent."""

    number: Fraction
    spoken: str
    fraction: bool = False
    percent: bool = False
    operations: int = 0


def answer_sum(text: str) -> str | None:
    """The spoken answer when the whole sentence is a sum, else None."""
    framed = _FRAME.sub("", text, count=1)
    asked = framed != text
    framed = _TAIL.sub("", framed)
    tokens = framed.split()
    try:
        value = parse_sum(tokens)
        if value is None and asked:
            value = parse_sum([_MISHEARD.get(token, token) for token in tokens])
    except SumError as error:
        return str(error)
    if value is None or not value.operations:
        return None
    if abs(value.number) >= LARGEST:
        return "That is too large a number for me."
    number = speak_number(value.number, as_fraction=value.fraction)
    return sentence(f"{value.spoken} is {number}")


def parse_sum(tokens: list[str]) -> Value | None:
    """The value of an expression that spans all tokens, or None. Raises SumError."""
    if not tokens or len(tokens) > 80:
        return None
    parser = _Parser(tokens)
    value = parser.command() or parser.expression()
    return value if value is not None and parser.place == len(tokens) else None


class _Parser:
    """Recursive descent; methods return None where the grammar does not fit."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.place = 0

    def take(self, *words: str) -> bool:
        if self.tokens[self.place : self.place + len(words)] == list(words):
            self.place += len(words)
            return True
        return False

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def command(self) -> Value | None:
        """``add five and six``, ``subtract three from ten``."""
        verb = self.peek()
        if verb not in _COMMANDS:
            return None
        links, operation = _COMMANDS[verb]
        self.place += 1
        self.take("away")
        first = self.factor()
        if first is None or self.peek() not in links:
            self.place = 0
            return None
        backwards = self.peek() == "from"
        self.place += 1
        second = self.factor()
        if second is None:
            self.place = 0
            return None
        value = _combine(*((second, first) if backwards else (first, second)), operation)
        return self.rest_of_sum(value)

    def expression(self) -> Value | None:
        first = self.term()
        return None if first is None else self.rest_of_sum(first)

    def rest_of_sum(self, left: Value) -> Value:
        while True:
            start = self.place
            operation = _SUMS.get(self.peek())
            if operation:
                self.place += 1
            elif self.take("take", "away") or self.take("subtract"):
                operation = "minus"
            elif self.take("added", "to") or ("plus" in left.spoken and self.take("and")):
                operation = "plus"
            else:
                self.place = start
                return left
            right = self.term()
            if right is None:
                self.place = start
                return left
            left = _combine(left, right, operation)

    def term(self) -> Value | None:
        left = self.factor()
        while left is not None:
            start = self.place
            operation = _TIMES.get(self.peek())
            if operation:
                self.place += 1
            elif self.take("multiplied", "by") or self.take("multiply", "by"):
                operation = "times"
            elif self.take("divided", "by") or self.take("divide", "by") or self.take("over"):
                operation = "divided by"
            else:
                return left
            right = self.factor()
            if right is None:
                self.place = start
                return left
            left = _combine(left, right, operation)
        return None

    def factor(self) -> Value | None:
        start = self.place
        value = self.prefixed()
        if value is None:
            self.place = start
            value = self.number()
        return None if value is None else self.powers(value)

    def prefixed(self) -> Value | None:
        """Forms that begin with a word: square root of, half of, the sum of, double."""
        self.take("the")
        if self.take("square", "root", "of") or self.take("root", "of"):
            return self._root(2, "the square root of")
        if self.take("cube", "root", "of"):
            return self._root(3, "the cube root of")
        for name, operation in (
            ("sum", "plus"), ("product", "times"), ("difference", "minus"),
        ):  # fmt: skip
            if self.take(name, "of") or self.take(name, "between"):
                return self._pair(operation)
        for name, factor in (("double", 2), ("twice", 2), ("triple", 3)):
            if self.take(name):
                value = self.number()
                return value and _scaled(value, Fraction(factor), f"{name} {value.spoken}")
        return None

    def _pair(self, operation: str) -> Value | None:
        first = self.number()
        if first is None or not self.take("and"):
            return None
        second = self.number()
        if second is None:
            return None
        if operation == "minus" and second.number > first.number:
            first, second = second, first
        return _combine(first, second, operation)

    def _root(self, degree: int, name: str) -> Value | None:
        value = self.number()
        if value is None:
            return None
        if value.number < 0:
            raise SumError("A negative number has no real root.")
        root = Fraction(round(float(value.number) ** (1 / degree), 6))
        nearest = Fraction(round(root))
        root = nearest if nearest**degree == value.number else root.limit_denominator(10**6)
        return Value(root, f"{name} {value.spoken}", operations=1)

    def number(self) -> Value | None:
        found = read_number(self.tokens, self.place)
        if found is None:
            return None
        number, end = found
        read = self.tokens[self.place : end]
        self.place = end
        fraction = any(token in FRACTION_WORDS for token in read)
        value = Value(number, speak_number(number, as_fraction=fraction), fraction=fraction)
        if self.take("percent") or self.take("per", "cent"):
            value = Value(number / 100, f"{value.spoken} percent", percent=True)
        if (value.percent or fraction) and self.take("of"):
            of = self.factor()
            if of is None:
                return None
            spoken = f"{value.spoken.replace('a half', 'half')} of {of.spoken}"
            return Value(value.number * of.number, spoken, operations=of.operations + 1)
        return value

    def powers(self, value: Value) -> Value | None:
        if self.take("squared"):
            return _power(value, 2, f"{value.spoken} squared")
        if self.take("cubed"):
            return _power(value, 3, f"{value.spoken} cubed")
        if self.take("factorial"):
            return _factorial(value)
        start = self.place
        if self.take("to", "the", "power", "of") or self.take("to", "the", "power") or (
            self.take("^")
        ):  # fmt: skip
            exponent = self.number()
            if exponent is None or exponent.number.denominator != 1:
                self.place = start
                return value
            spoken = f"{value.spoken} to the power of {exponent.spoken}"
            return _power(value, int(exponent.number), spoken)
        return value


def _combine(left: Value, right: Value, operation: str) -> Value:
    a, b = left.number, right.number
    if right.percent and operation in ("plus", "minus"):
        b *= a
    if operation == "divided by" and b == 0:
        raise SumError("Nothing can be divided by zero.")
    results = {
        "plus": lambda: a + b,
        "minus": lambda: a - b,
        "times": lambda: a * b,
        "divided by": lambda: a / b,
    }
    return Value(
        results[operation](),
        f"{left.spoken} {operation} {right.spoken}",
        fraction=left.fraction or right.fraction,
        operations=left.operations + right.operations + 1,
    )


def _scaled(value: Value, factor: Fraction, spoken: str) -> Value:
    return Value(value.number * factor, spoken, value.fraction, operations=value.operations + 1)


def _power(value: Value, exponent: int, spoken: str) -> Value:
    if abs(exponent) > _MAX_POWER or abs(value.number) > LARGEST:
        raise SumError("That is too large a number for me.")
    if exponent < 0 and value.number == 0:
        raise SumError("Nothing can be divided by zero.")
    return Value(value.number**exponent, spoken, value.fraction, operations=value.operations + 1)


def _factorial(value: Value) -> Value:
    if value.number.denominator != 1 or not 0 <= value.number <= 17:
        raise SumError("That is too large a number for me.")
    product = 1
    for factor in range(2, int(value.number) + 1):
        product *= factor
    return Value(Fraction(product), f"{value.spoken} factorial", operations=1)


_BIGGER = "bigger|larger|greater|higher|more|longer|taller"
_SMALLER = "smaller|lower|less|fewer|littler"
_WHICH = re.compile(
    rf"^(?:what|which)(?: number| one| of these)? is (?:the )?(?P<way>{_BIGGER}|{_SMALLER}"
    r"|biggest|largest|greatest|highest|smallest|lowest)(?: number| one)?(?: of)? (?P<rest>.+)$"
)
_WHETHER = re.compile(
    rf"^is (?P<first>.+?) (?P<way>{_BIGGER}|{_SMALLER}|equal|the same)"
    r"(?: than| to| as|)(?P<second> .+)$"
)
_LARGE_WAYS = {*_BIGGER.split("|"), "biggest", "largest", "greatest", "highest"}


def answer_comparison(text: str) -> str | None:
    """The spoken answer to "which is bigger, nine or eleven", else None."""
    try:
        if match := _WHICH.match(text):
            return _which(match["way"], match["rest"])
        if match := _WHETHER.match(text):
            return _whether(match["first"], match["way"], match["second"].strip())
    except SumError as error:
        return str(error)
    return None


def _which(way: str, rest: str) -> str | None:
    parts = re.split(r" or ", rest)
    if len(parts) == 1:
        parts = _split_pair(rest)
    elif len(parts) == 2 and (pair := _split_run(parts[0])):
        parts = [*pair, parts[1]]
    values = [parse_sum(part.split()) for part in parts]
    if len(values) < 2 or any(value is None for value in values):
        return None
    return compare([value for value in values if value], way in _LARGE_WAYS)


def _split_run(text: str) -> list[str] | None:
    """``two three`` of "two, three or four": the comma is gone, so numbers follow each other."""
    tokens, place, parts = text.split(), 0, list[str]()
    while place < len(tokens):
        found = read_number(tokens, place)
        if found is None:
            return None
        parts.append(" ".join(tokens[place : found[1]]))
        place = found[1]
    return parts if len(parts) > 1 else None


def _split_pair(text: str) -> list[str]:
    """``nine and eleven`` where no "or" stands; the place of "and" that leaves two numbers."""
    for match in re.finditer(r" and ", text):
        parts = [text[: match.start()], text[match.end() :]]
        if all(parse_sum(part.split()) for part in parts):
            return parts
    return [text]


def _whether(first: str, way: str, second: str) -> str | None:
    left, right = parse_sum(first.split()), parse_sum(second.split())
    if left is None or right is None:
        return None
    a, b = left.number, right.number
    if way in ("equal", "the same"):
        same = "is" if a == b else "is not"
        return f"{'Yes' if a == b else 'No'}, {left.spoken} {same} equal to {right.spoken}."
    true = a > b if way in _LARGE_WAYS else a < b
    relation = "greater than" if a > b else "less than" if a < b else "equal to"
    return f"{'Yes' if true else 'No'}, {left.spoken} is {relation} {right.spoken}."


def compare(values: list[Value], largest: bool) -> str:
    """Which of two or more values is the greatest or the least."""
    numbers = [value.number for value in values]
    if len(set(numbers)) == 1:
        return "They are equal." if len(values) > 2 else "Both are the same."
    best = max(numbers) if largest else min(numbers)
    spoken = next(value.spoken for value in values if value.number == best)
    if len(values) > 2:
        return sentence(f"{spoken} is the {'greatest' if largest else 'least'}")
    other = next(value.spoken for value in values if value.number != best)
    return sentence(f"{spoken} is {'greater' if largest else 'less'} than {other}")
