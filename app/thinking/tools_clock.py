"""Time and date: the clock is passed in, the questions are matched whole.

"What time is it in London" and "time flies" are none of these, so they go to the model.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

from .tools_days import MONTHS, WEEKDAYS, find_day, read_year
from .tools_numbers import read_number, speak_integer, speak_ordinal
from .tools_text import sentence

_TIME = re.compile(
    r"(?:what is the|what|the|current) time(?: is it)?(?: (?:now|right now|at the moment|today))?"
    r"|what time it is(?: now)?|what the time is(?: now)?|(?:do you have|have you got) the time"
    r"|what time do (?:you|we) have|how late is it|what hour is it|time(?: now)?|what is the hour"
    r"|what is the current time|what time have you got|the time is|how late it is"
)
_DAY_NOW = re.compile(
    r"what day(?: of the week)? (?:is it|is today|do we have|have we got|it is|today is)"
    r"(?: today| now)?|which day(?: of the week)? (?:is it|is today|it is)(?: today)?"
    r"|what is today|what weekday is (?:it|today)|what day are we|todays day|the day of the week"
    r"|what is the day(?: today| of the week)?"
)
_DATE_NOW = re.compile(
    r"(?:what is |what )?(?:the |todays )(?:current )?date(?: is it)?(?: today| of today| now)?"
    r"|what date (?:is it|is today|it is|do we have|have we got)(?: today)?|what the date is(?: today)?"
    r"|what is todays date|date today|what day of the month is it|the date is today"
)
_MONTH_NOW = re.compile(
    r"(?:what|which) month (?:is it|is this|are we in|do we have|it is)(?: now)?"
)
_YEAR_NOW = re.compile(
    r"(?:what|which) year (?:is it|is this|are we in|do we have|it is)(?: now)?|what is the year"
)
_DATE_OF = re.compile(
    r"(?:what|which) (?P<what>day(?: of the week)?|date|weekday) (?:is|was|will be|will it be|was it"
    r"|is it going to be|will|falls|does) (?P<day>.+?)(?: be| fall on| on)?"
)
_DATE_OF_2 = re.compile(
    r"what (?:is|was|will be) (?P<what>the date|the day) (?:of |on )?(?P<day>.+)"
)
_DATE_OF_3 = re.compile(
    r"(?:what|which) (?P<what>day(?: of the week)?|weekday) (?P<day>.+?) (?:is|falls)(?: on)?"
)
_WHEN = re.compile(r"when is (?P<day>.+)|(?:on )?(?:what|which) date is (?P<day2>.+)")
_IS_IT = re.compile(
    rf"is (?:it|today) (?:a )?(?P<day>{'|'.join(WEEKDAYS)}|the weekend|weekend|a weekend)(?: today| yet)?"
)
_UNTIL = re.compile(
    r"(?:how many (?P<unit>days|weeks|sleeps|nights)(?: is it| are there| are left| remain| left| to go"
    r"| do we have| have we got)?|how long(?: is it| do we have| do i have)?|how far(?: away)? is it"
    r"|how much longer)"
    r" (?:until|till|til|to|before|untill) (?P<day>.+)|how far away is (?P<day2>.+)"
    r"|days (?:until|till) (?P<day3>.+)"
)
_SINCE = re.compile(
    r"how (?:many days|long)(?: is it| has it been| ago)?(?: since| ago was) (?P<day>.+)"
)
_YEAR_LEFT = re.compile(
    r"how many days (?:are (?:there )?left|are (?:there )?remaining|left|remain)"
    r" (?:in|of|this)(?: (?:the|this))? ?year"
)
_MONTH_DAYS = re.compile(
    rf"how many days (?:are (?:there )?in|does|has|in) (?P<month>this month|{'|'.join(MONTHS)})"
    r"(?: (?P<year>.+?))??(?: have)?"
)
_LEAP = re.compile(r"is (?P<year>.+?) a leap year|is it a leap year(?P<now>)")
_SHIFTED_TIME = re.compile(
    r"what (?:time|is the time)(?: will it be| is it| was it| will be)? (?P<when>in .+|.+ ago|.+ from now)"
    r"|what will the time be (?P<when2>in .+|.+ from now)"
)
_FIXED_FEASTS = re.compile(
    r"christmas|easter|new year|halloween|valentine|boxing day|thanksgiving|patrick|april fools"
    r"|independence"
)

Rule = tuple[re.Pattern[str], Callable[[re.Match[str], datetime], str | None]]


def answer_clock(text: str, now: datetime) -> str | None:
    """The spoken answer to a question about time or date, else None."""
    for pattern, reply in _rules():
        match = pattern.fullmatch(text)
        if match:
            answer = reply(match, now)
            if answer:
                return sentence(answer)
    return None


def _rules() -> tuple[Rule, ...]:
    return (
        (_TIME, lambda m, now: f"it is {speak_time(now)}"),
        (_DAY_NOW, lambda m, now: f"today is {now:%A}"),
        (_DATE_NOW, lambda m, now: f"today is {speak_date(now.date())}"),
        (_MONTH_NOW, lambda m, now: f"it is {now:%B}"),
        (_YEAR_NOW, lambda m, now: f"it is {speak_year(now.year)}"),
        (_IS_IT, _is_it),
        (_YEAR_LEFT, lambda m, now: _year_left(now)),
        (_MONTH_DAYS, _month_days),
        (_LEAP, _leap),
        (_SHIFTED_TIME, _shifted_time),
        (_SINCE, _since),
        (_UNTIL, _until),
        (_DATE_OF, _date_of),
        (_DATE_OF_2, _date_of),
        (_DATE_OF_3, _date_of),
        (_WHEN, _when),
    )


def speak_time(now: datetime) -> str:
    """``ten twenty in the morning``, ``noon``, ``eight o'clock in the evening``."""
    if now.minute == 0 and now.hour in (0, 12):
        return "midnight" if now.hour == 0 else "noon"
    hour = speak_integer((now.hour - 1) % 12 + 1)
    if now.minute == 0:
        clock = f"{hour} o'clock"
    else:
        clock = f"{hour} {'oh ' if now.minute < 10 else ''}{speak_integer(now.minute)}"
    part = (
        "at night" if now.hour < 5 or now.hour >= 22
        else "in the morning" if now.hour < 12
        else "in the afternoon" if now.hour < 18
        else "in the evening"
    )  # fmt: skip
    return f"{clock} {part}"


def speak_date(day: date) -> str:
    """``Friday, the twentieth of November, twenty twenty six``."""
    return f"{day:%A}, the {speak_ordinal(day.day)} of {day:%B}, {speak_year(day.year)}"


def speak_year(year: int) -> str:
    """``twenty twenty six``, ``two thousand and five``, ``nineteen hundred``."""
    century, rest = divmod(year, 100)
    if century % 10 == 0 and rest < 10:
        return speak_integer(year)
    if rest == 0:
        return f"{speak_integer(century)} hundred"
    return f"{speak_integer(century)} {'oh ' if rest < 10 else ''}{speak_integer(rest)}"


def days_between(day: date, today: date) -> str:
    """``in thirty five days``, ``today``, ``ten days ago``."""
    days = (day - today).days
    near = {0: "today", 1: "tomorrow", -1: "yesterday"}
    if days in near:
        return near[days]
    return f"in {speak_integer(days)} days" if days > 0 else f"{speak_integer(-days)} days ago"


def _is_it(match: re.Match[str], now: datetime) -> str:
    asked = match["day"]
    yes = now.weekday() >= 5 if asked.endswith("weekend") else WEEKDAYS[now.weekday()] == asked
    return f"{'yes' if yes else 'no'}, today is {now:%A}"


def _year_left(now: datetime) -> str:
    left = (date(now.year, 12, 31) - now.date()).days
    return f"there {'is' if left == 1 else 'are'} {_days(left)} left this year"


def _month_days(match: re.Match[str], now: datetime) -> str | None:
    year = now.year
    if match["year"]:
        found = read_year(match["year"].removeprefix("in ").split())
        if found is None:
            return None
        year = found
    this = match["month"] == "this month"
    month = now.month if this else MONTHS.index(match["month"]) + 1
    if month == 2 and not this and not match["year"]:
        return "February has twenty eight days, and twenty nine in a leap year"
    return f"{calendar.month_name[month]} has {_days(calendar.monthrange(year, month)[1])}"


def _leap(match: re.Match[str], now: datetime) -> str | None:
    asked = match["year"]
    year = now.year if asked in (None, "this", "this year", "it") else read_year(asked.split())
    if year is None:
        return None
    leap = calendar.isleap(year)
    return f"{'yes' if leap else 'no'}, {speak_year(year)} is {'' if leap else 'not '}a leap year"


def _shifted_time(match: re.Match[str], now: datetime) -> str | None:
    when = match["when"] or match["when2"]
    ago = when.endswith(" ago")
    span = read_span(when.removeprefix("in ").removesuffix(" ago").removesuffix(" from now"))
    if span is None:
        return None
    then = now - span if ago else now + span
    return f"it {'was' if ago else 'will be'} {speak_time(then)}"


def read_span(text: str) -> timedelta | None:
    """``two hours``, ``half an hour``, ``an hour and 20 minutes``; at most a week."""
    if text in ("half an hour", "a half hour", "half hour"):
        return timedelta(minutes=30)
    total = timedelta()
    for part in text.split(" and "):
        tokens = part.split()
        if len(tokens) < 2 or not re.fullmatch(r"hours?|minutes?", tokens[-1]):
            return None
        found = read_number(tokens[:-1], 0)
        if tokens[:-1] in (["a"], ["an"]):
            count = 1.0
        elif found and found[1] == len(tokens) - 1 and 0 <= found[0] <= 10_000:
            count = float(found[0])
        else:
            return None
        total += timedelta(minutes=count * (60 if tokens[-1].startswith("hour") else 1))
    return total if total <= timedelta(days=7) else None


def _until(match: re.Match[str], now: datetime) -> str | None:
    name = match["day"] or match["day2"] or match["day3"]
    today = now.date()
    day = find_day(name, today)
    if day is None or day < today:
        return None
    days = (day - today).days
    if days == 0:
        return f"{_title(name)} is today"
    if match["unit"] == "weeks" and days >= 7:
        weeks, rest = divmod(days, 7)
        spoken = f"{speak_integer(weeks)} week{'s' if weeks != 1 else ''}"
        spoken += f" and {_days(rest)}" if rest else ""
        return f"it is {spoken} until {_title(name)}"
    return f"it is {_days(days)} until {_title(name)}"


def _since(match: re.Match[str], now: datetime) -> str | None:
    today = now.date()
    day = find_day(match["day"], today)
    if day is None:
        return None
    if day > today and not re.search(r"\d{4}|twenty|nineteen", match["day"]):
        try:
            day = find_day(match["day"], date(today.year - 1, today.month, today.day))
        except ValueError:
            day = find_day(match["day"], date(today.year - 1, today.month, 28))
    if day is None or day > today:
        return None
    return f"it is {_days((today - day).days)} since {_title(match['day'])}"


def _date_of(match: re.Match[str], now: datetime) -> str | None:
    today = now.date()
    name = match["day"].removeprefix("it ").strip()
    name = re.sub(r"^be ", "", name)
    day = find_day(name, today)
    if day is None:
        return None
    tense = "is" if day == today else "will be" if day > today else "was"
    if _FIXED_FEASTS.search(name):
        return f"{_title(name)} {tense} on {_day_in_words(day, today)}"
    # Saying the asked date again before the answer would only be tiring to hear.
    if "date" in match["what"] or any(month in name for month in MONTHS):
        return f"that {tense} {_day_in_words(day, today)}"
    return f"that {tense} {'a ' if day != today else ''}{day:%A}"


def _when(match: re.Match[str], now: datetime) -> str | None:
    name = match["day"] or match["day2"]
    today = now.date()
    if not _FIXED_FEASTS.search(name):
        return None
    day = find_day(name, today)
    if day is None:
        return None
    return f"{_title(name)} is on {_day_in_words(day, today)}, {days_between(day, today)}"


def _day_in_words(day: date, today: date) -> str:
    year = f", {speak_year(day.year)}" if day.year != today.year else ""
    return f"{day:%A}, the {speak_ordinal(day.day)} of {day:%B}{year}"


def _days(count: int) -> str:
    return f"{speak_integer(count)} day{'' if count == 1 else 's'}"


def _title(name: str) -> str:
    """Names of days, months and feasts with their capitals."""
    proper = {
        *WEEKDAYS,
        *MONTHS,
        "christmas",
        "easter",
        "halloween",
        "thanksgiving",
        "eve",
        "sunday",
    }
    proper |= {"valentine's", "valentines", "patrick's", "st", "saint", "boxing", "independence"}
    named = "new year" in name or "april fools" in name
    words = [
        word.capitalize() if word in proper or (named and word not in ("the", "until")) else word
        for word in name.split()
    ]
    return " ".join(words)
