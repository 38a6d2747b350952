"""Small tools that are right by code: sums, comparisons, spelling, time and date.

Two ways in. ``answer`` takes what a person said and answers it when the whole sentence is such a
question; it stands in front of a model too small to call anything. ``schemas`` and ``call`` offer
the same tools to language models that call functions; arguments are validated here, because models
do not keep to a schema's bounds. Pure functions: the time is passed in.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from app.core.errors import ParleyError

from .tools_clock import answer_clock, days_between, speak_date, speak_time
from .tools_days import find_day
from .tools_numbers import LARGEST, speak_number
from .tools_spelling import answer_spelling, spell
from .tools_sums import SumError, Value, answer_comparison, answer_sum, compare, parse_sum
from .tools_text import plain_tokens, sentence, unwrap

MAX_QUESTION_CHARACTERS = 300
MAX_TEXT_ARGUMENT = 200
MAX_NUMBERS = 20


class ToolArgumentError(ParleyError):
    """A language model called a tool that does not exist, or with arguments that cannot be used."""


def answer(text: str, now: datetime) -> str | None:
    """What a person would be told, when ``text`` is a question that code can answer, else None."""
    if len(text) > MAX_QUESTION_CHARACTERS:
        return None
    tokens = plain_tokens(text)
    # Polite words can be part of the question ("what time is it exactly"), so both are tried.
    for question in dict.fromkeys((unwrap(tokens), " ".join(tokens))):
        if not question:
            continue
        found = (
            answer_clock(question, now)
            or answer_comparison(question)
            or answer_sum(question)
            or answer_spelling(question)
        )
        if found:
            return found
    return None


Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tool:
    """One function that a language model may call."""

    name: str
    description: str
    parameters: dict[str, Any]
    run: Callable[[Arguments, datetime], str]

    def schema(self) -> dict[str, Any]:
        """The tool in the form of the OpenAI chat API."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
        return {"type": "function", "function": function}


def schemas() -> list[dict[str, Any]]:
    """All tools, for the ``tools`` field of a chat request."""
    return [tool.schema() for tool in tools()]


def call(name: str, arguments_json: str, now: datetime) -> str:
    """Run the tool a model asked for and return a sentence that can be spoken.

    Raises ToolArgumentError when there is no such tool or its arguments cannot be used.
    """
    tool = next((tool for tool in tools() if tool.name == name), None)
    if tool is None:
        known = ", ".join(tool.name for tool in tools())
        raise ToolArgumentError(f"There is no tool called {name!r}; call one of {known}.")
    return tool.run(_validated(tool, arguments_json), now)


def tools() -> tuple[Tool, ...]:
    """The tools, in a fixed order."""
    return (
        Tool(
            "calculate",
            "Work out a sum exactly. Use it for every calculation.",
            _object(expression=_string("A sum in digits or words, such as '12 + 30 - 4'.")),
            lambda arguments, now: _calculate(arguments),
        ),
        Tool(
            "compare_numbers",
            "Say which of some numbers is the greatest and which the least.",
            _object(
                numbers={
                    "type": "array",
                    "items": {"type": "number"},
                    "minItems": 2,
                    "maxItems": MAX_NUMBERS,
                    "description": "The numbers to compare.",
                }
            ),
            lambda arguments, now: _compare(arguments),
        ),
        Tool(
            "spell",
            "Spell a word letter by letter.",
            _object(word=_string("The word to spell.")),
            lambda arguments, now: _spell(arguments),
        ),
        Tool(
            "current_time",
            "Tell the time of day and today's date.",
            _object(),
            lambda arguments, now: sentence(f"it is {speak_time(now)} on {speak_date(now.date())}"),
        ),
        Tool(
            "look_up_day",
            "Tell the weekday and the date of a day, and how far away it is.",
            _object(
                day=_string("Such as 'next friday', 'christmas', '3 march 2027', 'in 10 days'.")
            ),
            _look_up_day,
        ),
    )


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _string(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description, "maxLength": MAX_TEXT_ARGUMENT}


def _validated(tool: Tool, arguments_json: str) -> Arguments:
    try:
        parsed: object = json.loads(arguments_json or "{}")
    except (ValueError, RecursionError):
        message = f"The arguments of {tool.name} are not valid JSON; send one JSON object."
        raise ToolArgumentError(message) from None
    if not isinstance(parsed, dict):
        raise ToolArgumentError(f"The arguments of {tool.name} must be one JSON object.")
    arguments = cast("Arguments", parsed)
    properties = cast("dict[str, dict[str, Any]]", tool.parameters["properties"])
    unknown = sorted(set(arguments) - set(properties))
    missing = sorted(set(properties) - set(arguments))
    if unknown or missing:
        wrong = f"lack {missing[0]!r}" if missing else f"have no place for {unknown[0]!r}"
        raise ToolArgumentError(f"The arguments of {tool.name} {wrong}; keep to its schema.")
    for name, expected in properties.items():
        if not _fits(arguments[name], expected):
            message = f"The argument {name!r} of {tool.name} does not fit its schema."
            raise ToolArgumentError(message)
    return arguments


def _fits(value: object, expected: dict[str, Any]) -> bool:
    if expected["type"] == "string":
        return isinstance(value, str) and 0 < len(value.strip()) <= MAX_TEXT_ARGUMENT
    if not isinstance(value, list):
        return False
    items = cast("list[object]", value)
    return 2 <= len(items) <= MAX_NUMBERS and all(_is_number(item) for item in items)


def _is_number(value: object) -> bool:
    # bool is an int in Python; NaN and infinity are valid in its JSON, and compare to nothing.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST


def _calculate(arguments: Arguments) -> str:
    tokens = plain_tokens(arguments["expression"])
    try:
        value = parse_sum(tokens)
    except SumError as error:
        return str(error)
    if value is None:
        message = "That is not a sum; send an expression such as '12 + 30 - 4'."
        raise ToolArgumentError(message)
    if abs(value.number) >= LARGEST:
        return "That is too large a number for me."
    return sentence(f"{value.spoken} is {speak_number(value.number, as_fraction=value.fraction)}")


def _compare(arguments: Arguments) -> str:
    texts = [repr(number).lower() for number in arguments["numbers"]]
    values: list[Value] = []
    for text in texts:
        value = parse_sum(plain_tokens(f"{float(text):.6f}".rstrip("0").rstrip(".")))
        if value is None:
            raise ToolArgumentError("The numbers cannot be compared; send plain numbers.")
        values.append(value)
    return compare(values, largest=True)


def _spell(arguments: Arguments) -> str:
    word = " ".join(arguments["word"].split())
    if not all(letter.isalpha() or letter in " '-" for letter in word) or len(word) > 60:
        raise ToolArgumentError("Only words of letters can be spelled; send one word.")
    return spell(word)


def _look_up_day(arguments: Arguments, now: datetime) -> str:
    name = " ".join(plain_tokens(arguments["day"]))
    day = find_day(name, now.date())
    if day is None:
        message = "That names no day; send one such as 'next friday' or '3 march 2027'."
        raise ToolArgumentError(message)
    return sentence(f"{speak_date(day)}, {days_between(day, now.date())}")
