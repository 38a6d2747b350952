"""Dates and times of day into words. Part of ``engine.normalise``."""

from __future__ import annotations

import re

from engine.normalise_numbers import HAS_DIGIT, cardinal, ordinal, year_words

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_MONTH = r"(Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
_NO_DIGIT = r"(?![\d/])"
_ISO = re.compile(r"(?<![\d-])(\d{4})-(\d{2})-(\d{2})(?:T(?=\d\d:)|(?![\d-]))")
_NUMERIC = re.compile(r"(?<![\d/.-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\d/]|[.-]\d)")
_DAY_MONTH = re.compile(
    rf"(?<![\d.,:/-])(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?{_MONTH}\b\.?(?:,? (\d{{4}})\b{_NO_DIGIT})?"
)
_MONTH_DAY = re.compile(
    rf"\b{_MONTH}\.? (\d{{1,2}})(?:st|nd|rd|th)?\b(?![:.,]\d|[/%])(?:,? (\d{{4}})\b{_NO_DIGIT})?"
)
_MONTH_YEAR = re.compile(rf"\b{_MONTH}\.?,? (\d{{4}})\b(?![:.,]\d|[/%])")
_WEEKDAY = re.compile(
    r"\b(Mon|Tues?|Wed|Thur?s?|Fri|Sat|Sun)\b\.?(?=,? (?:\d|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|at \d))"
)

_HALF = r"(?: ?([AaPp])(?:\.[Mm]\.|[Mm]\b))"
_CLOCK = re.compile(
    rf"(?<![\d:.,$€£])(\d{{1,2}})[:](\d{{2}})(?::(\d{{2}}))?(?:\.\d{{1,6}})?{_HALF}?Z?(?![\d:])"
)
_HOUR = re.compile(rf"(?<![\d:.,$€£])(\d{{1,2}})(?:\.(\d{{2}}))?{_HALF}")
_NEW_SENTENCE = re.compile(
    r" ?$| (?!(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Eastern|Central"
    r"|Mountain|Pacific)|[A-Z]{2})[A-Z]"
)
"""After the full stop of "p.m.": the end, or a capital that is not a day's, a month's or a zone's."""
_TIME_RANGE = re.compile(
    r"(\d{1,2}(?::\d{2})?(?: ?[AaPp]\.?[Mm]\.?)?) ?[-–—] ?(?=\d{1,2}(?::\d{2}| ?[AaPp]\.?[Mm]))"
)


def word_times(text: str) -> str:
    """Every date and time of day in words. What only looks like one is left alone."""
    if not HAS_DIGIT.search(text):
        return text
    text = _WEEKDAY.sub(_weekday, text)
    text = _ISO.sub(_iso, text)
    text = _NUMERIC.sub(_numeric, text)
    text = _DAY_MONTH.sub(_day_month, text)
    text = _MONTH_DAY.sub(_month_day, text)
    text = _MONTH_YEAR.sub(lambda m: f"{_month_name(m[1])} {year_words(int(m[2]))}", text)
    text = _TIME_RANGE.sub(r"\1 to ", text)
    text = _CLOCK.sub(_clock, text)
    return _HOUR.sub(_hour, text)


def _month_name(short: str) -> str:
    return next(name for name in MONTHS if name.startswith(short[:3]))


def _date(year: int | None, month: int, day: int) -> str:
    said = f"{MONTHS[month - 1]} {ordinal(day)}"
    return said if year is None else f"{said}, {year_words(year)}"


def _weekday(match: re.Match[str]) -> str:
    return next(name for name in _DAYS if name.startswith(match[1][:3]))


def _iso(match: re.Match[str]) -> str:
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    joint = " at " if match[0].endswith("T") else ""
    return _date(year, month, day) + joint


def _numeric(match: re.Match[str]) -> str:
    """American order with slashes and hyphens, European with full stops, unless that is impossible."""
    first, second, written = int(match[1]), int(match[3]), match[4]
    if match[2] == "." and len(written) == 2:
        return match[0]  # rather a version or a section than a date
    month, day = (second, first) if match[2] == "." else (first, second)
    if month > 12:
        month, day = day, month
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match[0]
    year = int(written) if len(written) == 4 else int(written) + (1900 if written > "50" else 2000)
    return _date(year, month, day)


def _day_month(match: re.Match[str]) -> str:
    day = int(match[1])
    if not 1 <= day <= 31:
        return match[0]
    before = match.string[: match.start()].rstrip().lower()
    article = "" if before.endswith("the") else "the "
    said = f"{article}{ordinal(day)} of {_month_name(match[2])}"
    if match[3]:
        said += f", {year_words(int(match[3]))}"
    return said + _swallowed_stop(match)


def _month_day(match: re.Match[str]) -> str:
    day = int(match[2])
    if not 1 <= day <= 31:
        return match[0]
    return _date(int(match[3]) if match[3] else None, MONTHS.index(_month_name(match[1])) + 1, day)


def _swallowed_stop(match: re.Match[str]) -> str:
    """The full stop that the pattern took, unless it belonged to a shortened month."""
    if not match[0].endswith("."):
        return ""
    rest = match.string[match.end() :].lstrip()[:1]
    return "." if match[2] in MONTHS or not rest or rest.isupper() else ""


def _clock(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    if hour > 24 or minute > 59:
        return match[0]
    said = _hour_and_minute(hour, minute, match[4])
    if match[3] and int(match[3]):
        said += f" and {cardinal(int(match[3]))} seconds"
    return said + _half(match, 4)


def _hour(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2] or 0)
    if hour > 24 or minute > 59:
        return match[0]
    return _hour_and_minute(hour, minute, match[3]) + _half(match, 3)


def _hour_and_minute(hour: int, minute: int, half: str | None) -> str:
    said = cardinal(hour)
    if minute:
        return f"{said} {'oh ' if minute < 10 else ''}{cardinal(minute)}"
    return said if half else f"{said} o'clock"


def _half(match: re.Match[str], group: int) -> str:
    """The morning or afternoon, spelled; keeps a full stop that ends the sentence as well."""
    if not match[group]:
        return ""
    ends = match[0].endswith(".") and _NEW_SENTENCE.match(match.string, match.end())
    return f" {match[group].upper()} M" + ("." if ends else "")
