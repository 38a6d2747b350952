"""Days by name: "christmas", "the third of march", "next friday", "in ten days" to a date."""

from __future__ import annotations

import re
from datetime import date, timedelta

from .tools_numbers import ORDINALS, read_number

WEEKDAYS = tuple[str, ...]("monday tuesday wednesday thursday friday saturday sunday".split())
MONTHS = tuple[str, ...](
    "january february march april may june july august september october november december".split()
)
_FIXED = {
    "christmas": (12, 25), "christmas day": (12, 25), "christmas eve": (12, 24),
    "boxing day": (12, 26), "new year": (1, 1), "new years": (1, 1), "new years day": (1, 1),
    "new year's day": (1, 1), "new year's": (1, 1), "the new year": (1, 1),
    "new years eve": (12, 31), "new year's eve": (12, 31), "halloween": (10, 31),
    "valentines day": (2, 14), "valentine's day": (2, 14), "april fools day": (4, 1),
    "st patrick's day": (3, 17), "saint patrick's day": (3, 17), "independence day": (7, 4),
}  # fmt: skip
_SPANS = {"day": 1, "days": 1, "week": 7, "weeks": 7, "fortnight": 14}
# Years as people say them, in pairs: "twenty twenty seven".
_CENTURIES = {"nineteen": 1900, "twenty": 2000}


def find_day(text: str, today: date) -> date | None:
    """The day that ``text`` names, the next one where the year is open; None if it names none."""
    text = re.sub(r"^(?:on |the day of )", "", text.strip())
    near = _near_day(text, today)
    if near:
        return near
    named = _named_day(text, today)
    return named or _calendar_day(text.split(), today)


def _near_day(text: str, today: date) -> date | None:
    shifts = {
        "today": 0, "tomorrow": 1, "yesterday": -1, "the day after tomorrow": 2,
        "day after tomorrow": 2, "the day before yesterday": -2, "day before yesterday": -2,
        "next week": 7, "in a week": 7, "a week from now": 7, "a week ago": -7, "a week from today": 7,
    }  # fmt: skip
    if text in shifts:
        return today + timedelta(days=shifts[text])
    match = re.fullmatch(
        r"(?:in )?(?P<count>.+?) (?P<span>days?|weeks?|fortnight)(?P<end>"
        r"| ago| from now| from today| later)",
        text,
    )
    if match:
        tokens = match["count"].split()
        found = read_number(tokens, 0)
        one = match["count"] in ("a", "one")
        if (found and found[1] == len(tokens) and found[0].denominator == 1) or one:
            count = 1 if one or not found else int(found[0])
            ago = match["end"] == " ago"
            if not ago and not text.startswith("in ") and not match["end"]:
                return None
            return _shift(today, (-1 if ago else 1) * count * _SPANS[match["span"]])
    words = text.split()
    if words and words[-1] in WEEKDAYS and len(words) <= 2:
        return _weekday(words, today)
    return None


def _weekday(words: list[str], today: date) -> date | None:
    ahead = (WEEKDAYS.index(words[-1]) - today.weekday()) % 7
    if len(words) == 1 or words[0] in ("this", "next", "coming"):
        return today + timedelta(days=ahead or 7)
    if words[0] == "last":
        return today - timedelta(days=(7 - ahead) or 7)
    return None


def _named_day(text: str, today: date) -> date | None:
    text = text.removeprefix("next ").removeprefix("this ")
    if text in _FIXED:
        month, day = _FIXED[text]
        return _next(today, month, day)
    if text in ("easter", "easter sunday"):
        this_year = easter(today.year)
        return this_year if this_year >= today else easter(today.year + 1)
    if text in ("thanksgiving", "thanksgiving day"):
        this_year = _thanksgiving(today.year)
        return this_year if this_year >= today else _thanksgiving(today.year + 1)
    if text in ("the end of the year", "the end of this year", "year's end"):
        return date(today.year, 12, 31)
    return None


def _calendar_day(words: list[str], today: date) -> date | None:
    """``third of march``, ``march the third twenty twenty seven``, ``3 march 2027``."""
    words = [word for word in words if word not in ("the", "of")]
    place = next((i for i, word in enumerate(words) if word in MONTHS), None)
    if place is None:
        return None
    month = MONTHS.index(words[place]) + 1
    if place:
        day, year_words = _day_number(words[:place]), words[place + 1 :]
    else:
        split = next((n for n in (2, 1) if _day_number(words[1 : 1 + n]) and len(words) > n), 0)
        day, year_words = (_day_number(words[1 : 1 + split]) if split else None), words[1 + split :]
    if day is None:
        return None
    year = read_year(year_words) if year_words else None
    if year_words and year is None:
        return None
    try:
        return date(year, month, day) if year else _next(today, month, day)
    except ValueError:
        return None


def _day_number(words: list[str]) -> int | None:
    text = " ".join(words)
    if match := re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?", text):
        return int(match[1]) if 1 <= int(match[1]) <= 31 else None
    if len(words) == 2 and words[0] in ("twenty", "thirty") and words[1] in ORDINALS:
        value = {"twenty": 20, "thirty": 30}[words[0]] + ORDINALS[words[1]]
        return value if value <= 31 else None
    if len(words) == 1 and words[0] in ORDINALS:
        return ORDINALS[words[0]] if 1 <= ORDINALS[words[0]] <= 31 else None
    found = read_number(words, 0)
    if found and found[1] == len(words) and found[0].denominator == 1 and 1 <= found[0] <= 31:
        return int(found[0])
    return None


def read_year(words: list[str]) -> int | None:
    """``2027``, ``two thousand and five``, ``twenty twenty seven``, ``nineteen eighty``."""
    found = read_number(words, 0)
    if found and found[1] == len(words) and found[0].denominator == 1:
        return int(found[0]) if 1000 <= found[0] <= 9999 else None
    if len(words) > 1 and words[0] in _CENTURIES:
        rest = read_number(words, 1)
        if rest and rest[1] == len(words) and 10 <= rest[0] <= 99:
            return _CENTURIES[words[0]] + int(rest[0])
    return None


def _next(today: date, month: int, day: int) -> date:
    """The next such day, today included. Raises ValueError for a day that no year has."""
    for year in range(today.year, today.year + 9):
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if found >= today:
            return found
    raise ValueError(f"there is no day {day} in month {month}")


def _shift(today: date, days: int) -> date | None:
    try:
        return today + timedelta(days=days)
    except OverflowError:
        return None


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous computus of 1876)."""
    golden = year % 19
    century, rest = divmod(year, 100)
    leap, leap_rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap - correction + 15) % 30
    quarter, quarter_rest = divmod(rest, 4)
    weekday = (32 + 2 * leap_rest + 2 * quarter - epact - quarter_rest) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def _thanksgiving(year: int) -> date:
    """The fourth Thursday of November."""
    first = date(year, 11, 1)
    return first + timedelta(days=(3 - first.weekday()) % 7 + 21)
