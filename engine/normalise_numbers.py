"""Numbers into words: money, units, fractions, ranges, telephone numbers and plain figures.

Part of ``engine.normalise``; dates and times have been worded before. The wording of a figure itself is
num2words', with its hyphens and commas taken out because the voice would pause at them.
"""

from __future__ import annotations

import re
from functools import lru_cache

from engine.normalise_units import (
    ATTACHED_ONLY,
    COUNT_MAGNITUDES,
    CURRENCIES,
    HUNDREDTHS,
    MAGNITUDES,
    UNITS,
)

_MOST_DIGITS = 15
"""Longer figures are read digit by digit: nobody follows a name like 'quintillion'."""

_NUM = r"(?:\d{1,3}(?:,\d{3}){1,5}(?!\d)|\d{1,18})(?:\.\d{1,18})?"
_START = r"(?<![\w.])"

HAS_DIGIT = re.compile(r"\d")

_LONG_RUN = re.compile(rf"\d{{{_MOST_DIGITS + 1},}}")
_CONTINENTAL = re.compile(r"(?<![\w.,])(\d{1,3}(?:\.\d{3}){1,4}),(\d{2})(?!\d)")
_DIALLED = re.compile(r"\b([Dd]ial|[Cc]all(?:ed|ing)?) (\d{3})\b(?![.,:]?\d)")
_LEADING_POINT = re.compile(r"(?<![\w.)])\.(?=\d)")
_MINUS = re.compile(r"(?<![\w)\]%.,-])-(?=\d|[$€£¥]\d)")
_PHONE = re.compile(
    r"(?<![\w.,-])(?:\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}"
    r"|\+?\d{0,3}[ .-]?\(\d{2,5}\)[ .-]?\d{3,4}(?:[ .-]?\d{3,4})?"
    r"|(?:\d[ .-])?\d{3}([ .-])\d{3}\1\d{4}"
    r"|[2-9]\d\d-\d{4}|0\d{2,4}[ -]\d{3,4}(?:[ -]\d{3,4})?"
    r"|\d{4}([ -])\d{4}\2\d{4}(?:\2\d{4})?)(?![\d-])(?!\.\d)"
)
_YEARS = re.compile(r"(?<![\w.,-])(1[1-9]\d\d|20\d\d) ?[-–—] ?(1[1-9]\d\d|20\d\d)(?![\w-])")
_RANGE = re.compile(r"(?<=\d)( ?(?:%|°[CF]?|[A-Za-z]{1,3}))?(?: ?[–—] ?|-)(?=[$€£¥]?\d)")
_FEET = re.compile(rf"{_START}(\d{{1,3}}) ?(?:'|ft\.?) ?(\d{{1,2}}) ?(?:\"|''|in\b)")
_INCHES = re.compile(rf"{_START}({_NUM})(?:in\b| in\.)")
_BY = re.compile(rf"{_START}({_NUM})(?:x|×| × )(?={_NUM})")
_COUNT_SIGN = re.compile(
    r"#(?=\d)|\bNo\.? ?(?=\d)|(?<=\bthe )no\. ?(?=\d)|(?<=\bbus )no\. ?(?=\d)|(?<=\broom )no\. ?(?=\d)"
)
_ABOUT = re.compile(r"[~≈] ?(?=[$€£¥]?\d)")

_SIGN = r"(?:US|CA|AU|NZ|HK|[AC](?=\$))?([$€£¥₹₩]) ?"
_SCALE = r"(?:( ?(?:thousand|million|billion|trillion|mn|bn|tn)|[kKmMbBtT])(?![A-Za-z]))?"
_MONEY = re.compile(rf"{_SIGN}({_NUM}){_SCALE}(?: to [$€£¥₹₩]?({_NUM}){_SCALE})?")
_MONEY_AFTER = re.compile(
    rf"{_START}({_NUM})(?: ?([€£¥₹₩])(?!\d)| ?(USD|EUR|GBP|JPY|CHF|CAD|AUD|INR)\b| ?(¢))"
)
_UNIT_NAME = (
    rf"({'|'.join(sorted(map(re.escape, UNITS), key=len, reverse=True))})"
    r"(?![A-Za-z0-9^])(?!/[A-Za-z]{1,2}\b)(?!'[A-Za-z])(?:(?<=[a-z]{2})\.(?= [a-z]))?"
)
_UNIT = re.compile(rf"(?<![\w./])({_NUM})([ -]?){_UNIT_NAME}")
_COUNTED = re.compile(rf"{_START}({_NUM})(bn|[kKMB])\b")
_ORDINAL = re.compile(
    r"(?<![\d.])(\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:st|nd|rd|th)\b", re.IGNORECASE
)
_PLURAL = re.compile(r"(?<![\d.,])'?(\d{2,4})'?s\b")
_MIXED = re.compile(rf"(?<![\d./])(\d{{1,4}}) (\d{{1,3}})/(\d{{1,4}})(?![\d/])(?: ?{_UNIT_NAME})?")
_FRACTION = re.compile(rf"(?<![\d./\w])(\d{{1,4}})/(\d{{1,4}})(?![\d/])(?: ?{_UNIT_NAME})?")
_VERSION = re.compile(r"(?<![\d.])\d{1,5}(?:\.\d{1,5}){2,5}(?!\d)")
_CALCULATED = re.compile(r"(?<=\d) ?([*×÷]) ?(?=\d)|(?<=\d) ([-/xX]) (?=\d)")
_POWER = re.compile(r" ?\^ ?(\d{1,4})")
_RATIO = re.compile(r"(?<=\d):(?=\d)")
_FIGURE = re.compile(rf"{_NUM}")
_OPERATOR_NEXT = re.compile(r" ?[-+*/=^)]")
_YEAR_CUE = re.compile(
    r"\b(?:in|since|by|from|until|till|before|after|around|circa|year|early|late|mid|spring|summer|"
    r"autumn|fall|winter)[ -]$",
    re.IGNORECASE,
)

_OPERATORS = {
    "*": "times",
    "×": "times",
    "x": "times",
    "X": "times",
    "÷": "divided by",
    "/": "divided by",
    "-": "minus",
}
_PAIRS = {
    (24, 7): "twenty four seven",
    (50, 50): "fifty fifty",
    (20, 20): "twenty twenty",
    (9, 11): "nine eleven",
    (1, 2): "one half",
}


def word_numbers(text: str) -> str:
    """Every digit in ``text`` in words."""
    if not HAS_DIGIT.search(text):
        return text
    text = _LONG_RUN.sub(lambda m: digits(m[0]), text)
    text = _CONTINENTAL.sub(lambda m: f"{m[1].replace('.', ',')}.{m[2]}", text)
    text = _DIALLED.sub(lambda m: f"{m[1]} {digits(m[2])}", text)
    text = _LEADING_POINT.sub("0.", text)
    text = _ABOUT.sub("about ", _COUNT_SIGN.sub("number ", text))
    text = _PHONE.sub(_telephone, text)
    text = _YEARS.sub(lambda m: f"{year_words(int(m[1]))} to {year_words(int(m[2]))}", text)
    text = _MINUS.sub("minus ", text)
    text = _RANGE.sub(lambda m: f"{m[1] or ''} to ", text)
    text = _FEET.sub(_feet_and_inches, text)
    text = _MONEY.sub(_money, text)
    text = _MONEY_AFTER.sub(_money_after, text)
    text = _INCHES.sub(lambda m: _amount(m[1], "inch", "inches"), text)
    text = _BY.sub(r"\1 by ", text)
    text = _FRACTION.sub(_fraction, _MIXED.sub(_mixed, text))
    text = _UNIT.sub(_unit, text)
    text = _COUNTED.sub(_counted, text)
    text = _ORDINAL.sub(lambda m: ordinal(int(m[1].replace(",", ""))), text)
    text = _PLURAL.sub(_plural, text)
    text = _VERSION.sub(_version, text)
    text = _CALCULATED.sub(lambda m: f" {_OPERATORS[m[1] or m[2]]} ", text)
    text = _POWER.sub(_power, text)
    text = _RATIO.sub(" to ", text)
    return _FIGURE.sub(_plain, text)


def cardinal(number: int) -> str:
    """42 → 'forty two'."""
    return _worded(number, "cardinal")


def ordinal(number: int) -> str:
    """42 → 'forty second'."""
    return _worded(number, "ordinal")


def year_words(number: int) -> str:
    """1984 → 'nineteen eighty four'; years outside 1001 to 2099 as plain numbers."""
    return _worded(number, "year" if 1000 < number <= 2099 else "cardinal")


def digits(figures: str) -> str:
    """'007' → 'zero zero seven'."""
    return " ".join(cardinal(int(figure)) for figure in figures if figure.isdecimal())


def figure(written: str) -> str:
    """A written number ('1,234.50', '007') in words."""
    whole, point, decimals = written.replace(",", "").partition(".")
    if len(whole) > _MOST_DIGITS or (len(whole) > 1 and whole.startswith("0")):
        said = digits(whole)
    else:
        said = cardinal(int(whole))
    return f"{said} point {digits(decimals)}" if point else said


@lru_cache(maxsize=2048)  # num2words takes a quarter of a millisecond; the same figures come again
def _worded(number: int, kind: str) -> str:
    from num2words import num2words  # a tenth of a second, which text without numbers need not pay

    said = str(num2words(number, lang="en", to=kind))
    return said.replace("-", " ").replace(",", "")


def _telephone(match: re.Match[str]) -> str:
    groups = re.findall(r"\d+", match[0])
    plus = "plus " if match[0].startswith("+") else ""
    return plus + ", ".join(digits(group) for group in groups)


def _amount(number: str, one: str, more: str) -> str:
    return f"{figure(number)} {one if number == '1' else more}"


def _feet_and_inches(match: re.Match[str]) -> str:
    return f"{_amount(match[1], 'foot', 'feet')} {_amount(match[2], 'inch', 'inches')}"


def _money(match: re.Match[str]) -> str:
    sign, number, scale, other, other_scale = match.groups()
    if other is None:
        said = _sum_of_money(number, scale, CURRENCIES[sign])
    else:
        last = _sum_of_money(other, other_scale, CURRENCIES[sign])
        magnitude = f" {MAGNITUDES[scale.strip()]}" if scale else ""
        said = f"{figure(number)}{magnitude} to {last}"
    follows = match.string[match.end() : match.end() + 1]
    return said + (" " if follows.isalnum() else "")


def _sum_of_money(number: str, scale: str | None, currency: tuple[str, str, str]) -> str:
    one, more, hundredth = currency
    if scale:
        return f"{figure(number)} {MAGNITUDES[scale.strip()]} {more}"
    whole, _, decimals = number.partition(".")
    if len(decimals) != 2 or not hundredth:
        return _amount(number, one, more)
    parts: list[str] = []
    if int(whole.replace(",", "")) or not int(decimals):
        parts.append(_amount(whole, one, more))
    if int(decimals):
        parts.append(_amount(str(int(decimals)), hundredth, HUNDREDTHS[hundredth]))
    return " and ".join(parts)


def _money_after(match: re.Match[str]) -> str:
    if match[4]:
        return _amount(match[1], "cent", "cents")
    return _sum_of_money(match[1], None, CURRENCIES[match[2] or match[3]])


def _unit(match: re.Match[str]) -> str:
    number, joint, unit = match.groups()
    if unit in ATTACHED_ONLY and joint:
        return match[0]
    if unit == "s" and re.fullmatch(r"\d0|[12]\d\d0", number):
        return match[0]  # a decade
    if unit == "x" and _OPERATOR_NEXT.match(match.string, match.end()):
        return f"{figure(number)} x"  # algebra
    one, more = UNITS[unit]
    # "a 5-km run" has the unit in the singular.
    return _amount(number, one, one if joint == "-" else more)


def _counted(match: re.Match[str]) -> str:
    number, scale = match.groups()
    if scale == "K" and len(number) == 1:
        return f"{figure(number)} K"  # a resolution
    return f"{figure(number)} {COUNT_MAGNITUDES[scale]}"


def _plural(match: re.Match[str]) -> str:
    number = match[1]
    said = year_words(int(number)) if len(number) == 4 else figure(number)
    if said.endswith("y"):
        return said[:-1] + "ies"
    return said + ("es" if said.endswith(("x", "s")) else "s")


def _parts(above: int, below: int) -> str | None:
    """'three quarters'; None where a fraction is not said like one."""
    if not 0 < above < below:
        return None
    named = {2: ("half", "halves"), 4: ("quarter", "quarters")}
    if below in named:
        return f"{cardinal(above)} {named[below][above > 1]}"
    if 3 <= below <= 20 or below in (100, 1000):
        return f"{cardinal(above)} {ordinal(below)}{'s' if above > 1 else ''}"
    return None


def _mixed(match: re.Match[str]) -> str:
    whole, above, below = (int(group) for group in match.groups()[:3])
    part = _parts(above, below)
    if part is None:
        return match[0]
    unit = f" {UNITS[match[4]][1]}" if match[4] else ""
    return f"{cardinal(whole)} and {'a half' if (above, below) == (1, 2) else part}{unit}"


def _fraction(match: re.Match[str]) -> str:
    above, below = int(match[1]), int(match[2])
    unit = f" {UNITS[match[3]][0]}" if match[3] else ""
    if (above, below) in _PAIRS:
        return _PAIRS[above, below] + unit
    if below in (10, 100) and above > 1:
        return f"{cardinal(above)} out of {cardinal(below)}{unit}"
    parts = _parts(above, below) or f"{figure(match[1])} over {figure(match[2])}"
    return parts + unit


def _version(match: re.Match[str]) -> str:
    return _apart(match, " point ".join(map(figure, match[0].split("."))))


def _power(match: re.Match[str]) -> str:
    if match[1] in ("2", "3"):
        return " squared" if match[1] == "2" else " cubed"
    return f" to the power of {figure(match[1])}"


def _plain(match: re.Match[str]) -> str:
    """A figure with nothing special about it; spaces keep it apart from letters around it."""
    text, written = match.string, match[0]
    before = text[max(0, match.start() - 12) : match.start()]
    if len(written) == 4 and written.isdecimal():
        number = int(written)
        if 1900 <= number <= 2099 or (1000 < number < 1900 and _YEAR_CUE.search(before)):
            said = year_words(number)
        else:
            said = figure(written)
    else:
        said = figure(written)
    return _apart(match, said)


def _apart(match: re.Match[str], said: str) -> str:
    """``said`` with spaces where letters touch the match."""
    before = match.string[max(0, match.start() - 1) : match.start()]
    after = match.string[match.end() : match.end() + 1]
    return f"{' ' if before.isalnum() else ''}{said}{' ' if after.isalnum() else ''}"
