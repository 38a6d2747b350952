"""The tools: what they answer, what they leave alone, what a model may call."""

from __future__ import annotations

import json
from datetime import date, datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.thinking.tools import ToolArgumentError, answer, call, schemas
from app.thinking.tools_days import easter, find_day
from app.thinking.tools_numbers import read_number, speak_integer, speak_number

NOW = datetime(2026, 11, 20, 10, 20)  # a Friday

SUMS = {
    "what is seven times eight": "Seven times eight is fifty six.",
    "What's 7 x 8?": "Seven times eight is fifty six.",
    "whats seven times eight": "Seven times eight is fifty six.",
    "twelve plus 30 minus 4": "Twelve plus thirty minus four is thirty eight.",
    "Calculate 12.5 * 4.": "Twelve point five times four is fifty.",
    "how much is 25% of eighty": "Twenty five percent of eighty is twenty.",
    "50 plus 10 percent": "Fifty plus ten percent is fifty five.",
    "what is half of ten": "Half of ten is five.",
    "three quarters of eighty": "Three quarters of eighty is sixty.",
    "one half plus one quarter": "A half plus a quarter is three quarters.",
    "what is one hundred and five divided by five": (
        "One hundred and five divided by five is twenty one."
    ),
    "ten divided by three": "Ten divided by three is about three point three three.",
    "what is 10 divided by 0": "Nothing can be divided by zero.",
    "add five and six": "Five plus six is eleven.",
    "subtract three from ten": "Ten minus three is seven.",
    "divide 100 by 8": "One hundred divided by eight is twelve point five.",
    "the sum of five and six": "Five plus six is eleven.",
    "what is the square root of 144": "The square root of one hundred and forty four is twelve.",
    "nine squared": "Nine squared is eighty one.",
    "two to the power of ten": "Two to the power of ten is one thousand and twenty four.",
    "what is five minus twelve": "Five minus twelve is minus seven.",
    "hey parley what is six times seven please": "Six times seven is forty two.",
    "can you tell me what two plus two is": "Two plus two is four.",
    "what is two plus to": "Two plus two is four.",
    "what is ate times for": "Eight times four is thirty two.",
    "how much is 1,000 plus 250": (
        "One thousand plus two hundred and fifty is one thousand two hundred and fifty."
    ),
    "what does 5 plus 5 equal": "Five plus five is ten.",
    "what is two and a half times four": "Two and a half times four is ten.",
    "double 21": "Double twenty one is forty two.",
    "2+2": "Two plus two is four.",
    "what is 9 to the power of 60": "That is too large a number for me.",
    "999999 factorial": "That is too large a number for me.",
    "two plus three times four": "Two plus three times four is fourteen.",
}
COMPARISONS = {
    "which is bigger 9 or 11": "Eleven is greater than nine.",
    "which is bigger, nine or eleven?": "Eleven is greater than nine.",
    "which number is smaller 0.5 or 0.25": "Zero point two five is less than zero point five.",
    "is nine bigger than eleven": "No, nine is less than eleven.",
    "is 7 equal to 7": "Yes, seven is equal to seven.",
    "which is larger a half or a third": "A half is greater than a third.",
    "what is bigger two, three or four": "Four is the greatest.",
    "is 3 times 4 more than 10": "Yes, three times four is greater than ten.",
    "which is more 5 or 5": "Both are the same.",
}
SPELLING = {
    "how do you spell necessary": "Necessary is spelled N, E, C, E, S, S, A, R, Y.",
    "How do you spel banana?": "Banana is spelled B, A, N, A, N, A.",
    "how is rhythm spelled": "Rhythm is spelled R, H, Y, T, H, M.",
    "can you spell cat for me": "Cat is spelled C, A, T.",
    "Spell the word cat.": "Cat is spelled C, A, T.",
    "how do you spell your name": "Parley is spelled P, A, R, L, E, Y.",
    "how many letters are in banana": "Banana has six letters.",
}
CLOCK = {
    "what time is it": "It is ten twenty in the morning.",
    "whats the time": "It is ten twenty in the morning.",
    "can you tell me the time": "It is ten twenty in the morning.",
    "parley what time is it now": "It is ten twenty in the morning.",
    "what's today's date": "Today is Friday, the twentieth of November, twenty twenty six.",
    "what day is it today": "Today is Friday.",
    "what month is it": "It is November.",
    "what year is it": "It is twenty twenty six.",
    "is it friday today": "Yes, today is Friday.",
    "is it the weekend": "No, today is Friday.",
    "what day is tomorrow": "That will be a Saturday.",
    "what day was yesterday": "That was a Thursday.",
    "what date is next friday": "That will be Friday, the twenty seventh of November.",
    "what day will it be in three days": "That will be a Monday.",
    "what day of the week is christmas": (
        "Christmas will be on Friday, the twenty fifth of December."
    ),
    "what day is the fourth of july": (
        "That will be Sunday, the fourth of July, twenty twenty seven."
    ),
    "how many days until christmas": "It is thirty five days until Christmas.",
    "how many weeks until new year": "It is six weeks until New Year.",
    "how long is it until friday": "It is seven days until Friday.",
    "how many days are left this year": "There are forty one days left this year.",
    "how many days since christmas": "It is three hundred and thirty days since Christmas.",
    "when is christmas": "Christmas is on Friday, the twenty fifth of December, in thirty five days.",
    "how many days does april have": "April has thirty days.",
    "is 2028 a leap year": "Yes, twenty twenty eight is a leap year.",
    "what time will it be in two hours": "It will be twelve twenty in the afternoon.",
    "what time was it half an hour ago": "It was nine fifty in the morning.",
}
MISSES = """I have two cats and one dog
time flies
what is the time in London
what time is it in tokyo
hello
one two three testing
tell me about the moon
I am twenty five years old
two and a half men
what is love
what is five
twenty
spell
cast a spell on me
how do you spell it
how do you spell my name
when is my birthday
how long until dinner
how many days until my birthday
is it bigger than a house
which is bigger the sun or the moon
which is better tea or coffee
what is the difference between cats and dogs
one on one
I bought three apples and two pears
what is the date of the battle of hastings
wake me at seven
set a timer for ten minutes
add milk to my shopping list
take two from the top
divide and conquer
half of my friends like tea
what time do you sleep
do you have time
times are hard
the second of my sons
what day do you like best
I have a date tonight
it is christmas
is it cold today
what is your favourite number
count to ten
how much does it cost
how many people live in london
what is plus
seven eleven
nine to five
twenty four seven
double trouble
when is the meeting
march on
how many days did it rain
I will be back in two hours
see you on friday
how are you today
what are you doing tomorrow""".splitlines()


@pytest.mark.parametrize(("text", "expected"), (SUMS | COMPARISONS | SPELLING | CLOCK).items())
def test_answers_what_code_can_answer(text: str, expected: str) -> None:
    assert answer(text, NOW) == expected


@pytest.mark.parametrize("text", MISSES)
def test_leaves_ordinary_talk_alone(text: str) -> None:
    assert answer(text, NOW) is None


@pytest.mark.parametrize(
    ("hour", "minute", "spoken"),
    [
        (0, 0, "midnight"), (12, 0, "noon"), (0, 5, "twelve oh five at night"),
        (8, 0, "eight o'clock in the morning"), (12, 1, "twelve oh one in the afternoon"),
        (18, 30, "six thirty in the evening"), (23, 59, "eleven fifty nine at night"),
    ],
)  # fmt: skip
def test_tells_the_time_of_the_clock_it_is_given(hour: int, minute: int, spoken: str) -> None:
    asked = answer("what time is it", NOW.replace(hour=hour, minute=minute))

    assert asked == f"It is {spoken}."


@given(st.integers(0, 10**12))
def test_numbers_survive_speaking_and_reading(value: int) -> None:
    words = speak_integer(value).split()

    assert read_number(words, 0) == (Fraction(value), len(words))


@given(st.integers(0, 9999), st.integers(1, 9999), st.sampled_from(["plus", "minus", "times"]))
def test_sums_in_words_and_digits_agree_and_are_right(a: int, b: int, sign: str) -> None:
    result = {"plus": a + b, "minus": a - b, "times": a * b}[sign]

    in_digits = answer(f"what is {a} {sign} {b}", NOW)
    in_words = answer(f"what is {speak_integer(a)} {sign} {speak_integer(b)}", NOW)

    assert in_digits == in_words
    assert in_digits is not None
    assert in_digits.endswith(f" is {speak_integer(result)}.")


@given(st.integers(-500, 500), st.integers(-500, 500))
def test_comparison_names_the_greater(a: int, b: int) -> None:
    found = answer(f"which is bigger {a} or {b}", NOW)

    assert found is not None
    if a != b:
        assert found.lower().startswith(f"{speak_integer(max(a, b))} is greater than")


@given(st.text(max_size=60))
def test_any_text_is_answered_or_left_without_error(text: str) -> None:
    found = answer(text, NOW)

    assert found is None or found.endswith(".")


@given(
    st.lists(
        st.sampled_from(
            "what is the a of half and one two to seven twenty hundred point minus plus times days"
            " until friday march third spell time percent squared over day in ago weeks".split()
        ),
        max_size=9,
    )
)
@settings(max_examples=300)
def test_shuffled_tool_words_never_raise(words: list[str]) -> None:
    found = answer(" ".join(words), NOW)

    assert found is None or found.endswith(".")


def test_long_text_is_left_alone_quickly() -> None:
    assert answer("what is " + "one plus " * 5000 + "one", NOW) is None


def test_decimals_are_exact_or_said_to_be_about() -> None:
    assert speak_number(Fraction(1, 4)) == "zero point two five"
    assert speak_number(Fraction(-10, 3)) == "about minus three point three three"
    assert speak_number(Fraction(5, 2), as_fraction=True) == "two and a half"


@pytest.mark.parametrize(
    ("year", "day"),
    [(2024, date(2024, 3, 31)), (2027, date(2027, 3, 28)), (2038, date(2038, 4, 25))],
)
def test_easter_falls_on_known_sundays(year: int, day: date) -> None:
    assert easter(year) == day


def test_impossible_days_are_no_days() -> None:
    assert find_day("the thirtieth of february", NOW.date()) is None
    assert find_day("31 june 2027", NOW.date()) is None
    assert find_day("29 february", NOW.date()) == date(2028, 2, 29)


def test_schemas_are_what_the_chat_api_takes() -> None:
    offered = schemas()

    assert {entry["type"] for entry in offered} == {"function"}
    assert json.loads(json.dumps(offered)) == offered
    for entry in offered:
        parameters = entry["function"]["parameters"]
        assert set(parameters["required"]) == set(parameters["properties"])


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("calculate", {"expression": "12 + 30 - 4"}, "is thirty eight."),
        ("compare_numbers", {"numbers": [3, 7.5, 2]}, "Seven point five is the greatest."),
        ("compare_numbers", {"numbers": [-2, -5]}, "Minus two is greater than minus five."),
        ("spell", {"word": "Cat"}, "Cat is spelled C, A, T."),
        ("look_up_day", {"day": "3 March 2027"}, "in one hundred and three days."),
    ],
)
def test_models_can_call_the_tools(name: str, arguments: object, expected: str) -> None:
    assert call(name, json.dumps(arguments), NOW).endswith(expected)


def test_current_time_takes_no_arguments_in_either_form() -> None:
    assert call("current_time", "", NOW) == call("current_time", "{}", NOW)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("rob_bank", "{}"),
        ("calculate", "{"),
        ("calculate", "[]"),
        ("calculate", "{}"),
        ("calculate", '{"expression": 12}'),
        ("calculate", '{"expression": "open the door"}'),
        ("calculate", '{"expression": "1+1", "extra": 1}'),
        ("calculate", json.dumps({"expression": "1 + " * 400 + "1"})),
        ("compare_numbers", '{"numbers": [1]}'),
        ("compare_numbers", '{"numbers": [1, NaN]}'),
        ("compare_numbers", '{"numbers": [1, true]}'),
        ("compare_numbers", '{"numbers": [1, 1e300]}'),
        ("spell", '{"word": "c4t"}'),
        ("look_up_day", '{"day": "when pigs fly"}'),
        ("current_time", '{"zone": "UTC"}'),
    ],
)
def test_bad_calls_are_refused_in_one_sentence(name: str, arguments: str) -> None:
    with pytest.raises(ToolArgumentError) as refused:
        call(name, arguments, NOW)

    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)
