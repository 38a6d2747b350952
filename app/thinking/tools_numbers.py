"""Numbers as people say them: words to exact values, and values to words.

Works on token lists, because recognisers write "twenty five", "25" and "twenty-five" alike.
"""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
).split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_UNIT_VALUES = {word: value for value, word in enumerate(_UNITS)} | {"oh": 0, "nought": 0}
_TEN_VALUES = {word: 10 * value for value, word in enumerate(_TENS) if value >= 2}
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
    " thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
).split()
_TEN_ORDINALS = {word[:-1] + "ieth": value for word, value in _TEN_VALUES.items()}
ORDINALS = {word: value for value, word in enumerate(_ORDINALS)} | _TEN_ORDINALS

_FRACTIONS = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
    "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "twelfth": 12, "hundredth": 100,
}  # fmt: skip
FRACTION_WORDS = _FRACTIONS | {f"{w}s": v for w, v in _FRACTIONS.items() if not w.endswith("s")}

LARGEST = 10**15
_MAX_DIGITS = 18


def read_number(tokens: list[str], start: int) -> tuple[Fraction, int] | None:
    """The number that begins at ``start`` and the position after it, or None."""
    negative = start < len(tokens) and tokens[start] in ("minus", "negative", "-")
    found = _read_positive(tokens, start + negative)
    if found is None:
        return None
    value, end = found
    return (-value if negative else value), end


def _read_positive(tokens: list[str], start: int) -> tuple[Fraction, int] | None:
    if start >= len(tokens):
        return None
    found = _read_digits(tokens, start) or _read_words(tokens, start)
    if found is None:
        return _read_bare_fraction(tokens, start)
    value, end = found
    if end < len(tokens) and tokens[end] == "point":
        value, end = _read_decimals(tokens, value, end)
    return _read_fraction_after(tokens, value, end)


def _read_digits(tokens: list[str], start: int) -> tuple[Fraction, int] | None:
    token = tokens[start]
    if not re.fullmatch(r"\d+(\.\d+)?|\.\d+", token) or len(token) > _MAX_DIGITS:
        return None
    value, end = Fraction(token), start + 1
    while end < len(tokens) and tokens[end] in (*_SCALES, "hundred"):
        value, end = value * _SCALES.get(tokens[end], 100), end + 1
    return value, end


def _read_words(tokens: list[str], start: int) -> tuple[Fraction, int] | None:
    """Number words; ``a`` or ``an`` counts before hundred, thousand, dozen and the like."""
    total, group, end, seen = 0, 0, start, False
    while end < len(tokens):
        word = tokens[end]
        following = tokens[end + 1] if end + 1 < len(tokens) else ""
        if word in ("a", "an") and not seen and following in (*_SCALES, "hundred", "dozen"):
            group, seen = 1, True
        elif word in _UNIT_VALUES and _fits(group, _UNIT_VALUES[word], seen):
            group, seen = group + _UNIT_VALUES[word], True
        elif word in _TEN_VALUES and _fits(group, _TEN_VALUES[word], seen):
            group, seen = group + _TEN_VALUES[word], True
        elif word == "hundred" and 0 < group < 100:
            group *= 100
        elif word == "dozen" and not total:
            return Fraction(12 * (group if seen else 1)), end + 1
        elif word in _SCALES and seen and group and (not total or _SCALES[word] < total):
            total, group = total + group * _SCALES[word], 0
        elif word == "and" and _joins(tokens, end, total, group):
            pass
        else:
            break
        end += 1
    return (Fraction(total + group), end) if seen else None


def _fits(group: int, value: int, seen: bool) -> bool:
    """Whether ``value`` may be added: twenty + five, hundred + twenty, not five + twenty."""
    if not seen or group == 0:
        return not seen or value > 0
    if value >= 10:
        return group % 100 == 0
    return value > 0 and group % 10 == 0 and group % 100 != 10


def _joins(tokens: list[str], place: int, total: int, group: int) -> bool:
    """ "and" inside a number stands after hundred or a scale, before a smaller part."""
    following = tokens[place + 1] if place + 1 < len(tokens) else ""
    before = tokens[place - 1] if place else ""
    smaller = following in _UNIT_VALUES or following in _TEN_VALUES
    return smaller and (before == "hundred" or before in _SCALES) and (total + group) > 0


def _read_decimals(tokens: list[str], value: Fraction, point: int) -> tuple[Fraction, int]:
    digits, end = "", point + 1
    while end < len(tokens) and len(digits) < _MAX_DIGITS:
        word = tokens[end]
        if word in _UNIT_VALUES and _UNIT_VALUES[word] < 10:
            digits += str(_UNIT_VALUES[word])
        elif word.isdigit() and len(word) <= _MAX_DIGITS:
            digits += word
        elif word in _TEN_VALUES or (word in _UNIT_VALUES and not digits):
            digits += str(_TEN_VALUES.get(word, _UNIT_VALUES.get(word, 0)))
        else:
            break
        end += 1
    if not digits:
        return value, point
    return value + Fraction(int(digits), 10 ** len(digits)), end


def _read_bare_fraction(tokens: list[str], start: int) -> tuple[Fraction, int] | None:
    """``half``, ``a third``."""
    place = start + (tokens[start] in ("a", "an"))
    if place < len(tokens) and tokens[place] in FRACTION_WORDS:
        return Fraction(1, FRACTION_WORDS[tokens[place]]), place + 1
    return None


def _read_fraction_after(tokens: list[str], value: Fraction, end: int) -> tuple[Fraction, int]:
    """``three quarters``, ``two and a half``."""
    if end < len(tokens) and tokens[end] in FRACTION_WORDS and value.denominator == 1:
        return value / FRACTION_WORDS[tokens[end]], end + 1
    if end + 1 < len(tokens) and tokens[end] == "and":
        place = end + 1
        found = _read_bare_fraction(tokens, place)
        if found is None:
            part = _read_words(tokens, place)
            if part and part[1] < len(tokens) and tokens[part[1]] in FRACTION_WORDS:
                found = part[0] / FRACTION_WORDS[tokens[part[1]]], part[1] + 1
        if found:
            return value + found[0], found[1]
    return value, end


def speak_integer(value: int) -> str:
    """An integer in words; digits from a thousand billion upwards, which nobody follows anyway."""
    if value < 0:
        return f"minus {speak_integer(-value)}"
    if value >= LARGEST:
        return f"{value:,}"
    if value < 20:
        return _UNITS[value]
    if value < 100:
        tens, rest = divmod(value, 10)
        return _TENS[tens] + (f" {_UNITS[rest]}" if rest else "")
    if value < 1000:
        hundreds, rest = divmod(value, 100)
        return f"{_UNITS[hundreds]} hundred" + (f" and {speak_integer(rest)}" if rest else "")
    for word, size in reversed(_SCALES.items()):
        if value >= size:
            count, rest = divmod(value, size)
            link = " and " if 0 < rest < 100 else " "
            return f"{speak_integer(count)} {word}" + (link + speak_integer(rest) if rest else "")
    raise AssertionError(f"no scale for {value}")


def speak_number(value: Fraction, as_fraction: bool = False) -> str:
    """A value in words: exactly where two to four decimals suffice, else "about …"."""
    if value.denominator == 1:
        return speak_integer(value.numerator)
    if as_fraction and value.denominator in FRACTION_WORDS.values():
        return _speak_fraction(value)
    if value < 0:
        spoken = speak_number(-value)
        inner = spoken.removeprefix("about ")
        return f"about minus {inner}" if inner != spoken else f"minus {inner}"
    exact = 10**4 % value.denominator == 0
    rounded = value if exact else round(value, 2 if value >= 1 else 4)
    whole = int(rounded)
    digits = f"{int((rounded - whole) * 10**4):04d}".rstrip("0")
    spoken = speak_integer(whole)
    if digits:
        spoken += " point " + " ".join(_UNITS[int(d)] for d in digits)
    return spoken if exact else f"about {spoken}"


def _speak_fraction(value: Fraction) -> str:
    if value < 0:
        return f"minus {_speak_fraction(-value)}"
    whole, rest = divmod(value.numerator, value.denominator)
    names = {v: w for w, v in _FRACTIONS.items() if w != "halves"} | {4: "quarter", 2: "half"}
    name = names[value.denominator]
    if rest == 1:
        part = f"{'a' if name != 'eighth' else 'an'} {name}"
    else:
        part = f"{speak_integer(rest)} {'halves' if name == 'half' else name + 's'}"
    return f"{speak_integer(whole)} and {part}" if whole else part


def speak_ordinal(value: int) -> str:
    """``first``, ``twenty third``; for days of the month, 1 to 31."""
    if value < 20:
        return _ORDINALS[value]
    tens, rest = divmod(value, 10)
    return f"{_TENS[tens]} {_ORDINALS[rest]}" if rest else _TENS[tens][:-1] + "ieth"
