"""How finished a turn sounds, judging by its words.

Pure functions of English text, as recognisers write it: case and punctuation may be wrong, and the
end of a partial is cut anywhere. Words of other languages carry no cue and are judged by their
punctuation alone.
"""

from __future__ import annotations

import itertools
import re
from typing import Protocol

from app.core.types import FloatArray
from app.core.words import phrases, plain_words

LONGEST_WAIT_S = 2.0
"""After so much silence a turn is over, whatever was said ..."""
ASKED_FOR_TIME_WAIT_S = 5.0
"""... unless the user asked for time ("let me think")."""

NOT_YET = -1.0
"""Score of a turn that is not over, however low a score would do by now."""
UNKNOWN = 0.5
"""Score of a turn of which no words are known yet."""


class EndOfTurn(Protocol):
    """Judges how finished a turn is. A learned model of the sound plugs in here."""

    def score(
        self, silence_s: float, text: str, asked: bool, at_16k: FloatArray | None = None
    ) -> float:
        """How surely the user has finished, 0 to 1, or ``NOT_YET``.

        Args:
            silence_s: since the last voiced window.
            text: the stable words so far; '' when none are known.
            asked: whether the assistant's last words were a question.
            at_16k: the turn's sound so far, for models that listen; None where it is not at hand.
        """
        ...


class TextCue:
    """The ``EndOfTurn`` that reads: how the words end, and whether they answer a question."""

    def score(
        self, silence_s: float, text: str, asked: bool, at_16k: FloatArray | None = None
    ) -> float:
        """See ``finished``; silence counts only for a user who asked for time."""
        if asks_for_time(text):
            return 1.0 if silence_s >= ASKED_FOR_TIME_WAIT_S else NOT_YET
        return finished(text, asked)


_TIME_PLEASE = re.compile(
    r"\b(?:(?:let me|let's|i need to|i have to|i've got to) (?:think|see|check|look|remember)"
    r"|(?:hold|hang) on|(?:one|just a|give me a|wait a) (?:moment|minute|second|sec)"
    r"|how (?:do|should|shall|can) i (?:put|say) (?:it|this|that)|what(?:'s| is| was) the word)"
    r"(?: (?:about (?:it|this|that)|for a (?:moment|minute|second)|please|so|um|uh|now|again))*$"
)
_QUESTION = re.compile(
    r"^(?:(?:and|so|but|okay|ok|well|hey|please|um|uh|oh) )*"
    r"(?:what|who|whom|whose|where|when|why|which|how)(?:'s|'re|'d|'ll)?\b"
)
_YES_NO_QUESTION = re.compile(
    r"^(?:(?:and|so|but|okay|ok|well|hey|please|um|uh|oh) )*"
    r"(?:is|are|was|were|do|does|did|can|could|will|would|should|shall|may|have|has|had|am"
    r"|isn't|aren't|don't|doesn't|didn't|can't|won't|couldn't|shouldn't|wouldn't)"
    r" (?:you|i|we|they|he|she|it|there|this|that|these|those|the|a|an|my|your|our|\w+)\b"
)
_SHORT_ANSWERS = phrases(
    """yes, no, yeah, yep, yup, nope, maybe, perhaps, sure, okay, ok, alright, all right, please, thanks,
    thank you, thank you very much, thanks a lot, hello, hi, hey, hello there, hi there, good morning,
    good evening, good afternoon, good night, goodbye, bye, bye bye, see you, nothing, never, always,
    never mind, stop, cancel, enough, that's enough, that's all, that's it, that's right, correct, exactly,
    of course, not really, not yet, not at all, i don't know, i do, i don't, i am, i'm not, i can, i can't,
    i did, i didn't, i have, i haven't, i will, i won't, i think so, i don't think so, i hope so, i guess so,
    it is, it isn't, yes please, no thanks, no thank you, yes i do, no i don't, yes i am, no i'm not,
    yes it is, no it isn't, go on, go ahead, both, neither, none, all of them, today, tomorrow, now, later,
    help, repeat, again, say that again, what, why, who, when, where, how, really, sorry, pardon"""
)
# What comes before a sentence as often as it stands alone: "Good morning, how did you sleep?"
_OPENERS = phrases(
    """hello, hi, hey, hello there, hi there, good morning, good evening, good afternoon, thanks,
    thank you, thank you very much, thanks a lot, okay, ok, alright, all right, sorry, please, right, well"""
)
# What can hardly be the last word of a turn: conjunctions, articles and the like.
_DANGLING = frozenset(
    """and or but because cause if unless until till while although though whereas whether since than
    nor plus including except
    a an the my your our their every
    of from into onto towards toward during between among against without within upon per via
    gonna wanna i'm i'll i'd i've it's that's there's he's she's we're they're you're we'll they'll you'll
    we've they've you've let's what's where's who's how's
    very quite rather extremely""".split()
)
_JOINING = frozenset(["", "and", "but", "so", "or", "that"])
# "umb" and "ome" are how whisper-nano writes a long "um".
_FILLERS = frozenset("um uh er erm umm uhm uhh ehm hmm hm mm ah so like umb ome".split())
_SOFT_FILLERS = frozenset("well actually basically anyway".split())
_PREPOSITIONS = frozenset(
    "for with about to at by on in near behind under through after before".split()
)
_ASKING = frozenset("how what which whose why where when who".split())
_ASKING_OBJECTS = frozenset("what which whose who whom much many".split())
_BEFORE_THAT = frozenset("true say says said think thought sure believe hope mean".split())
_BEFORE_IN = frozenset("come came log sign check drop me him her them us it".split())
_BEFORE_TO = frozenset("want like love have need going used able trying".split())
_AUXILIARIES = frozenset(
    """is are was were am be been being will would could should can may might must shall have has had
    do does did isn't aren't wasn't weren't""".split()
)
_SUBJECTS = frozenset("i we they he she".split())
_DETERMINERS = frozenset("the a an my your our their his her this that".split())
_DOUBTING = frozenset(
    "sure certain know wonder wondering decide decided say ask asked see tell care clear".split()
)
_OBJECTLESS = frozenset(
    """want need needs give tell show find get make bring set put take buy send play call remind
    """.split()
)
_OPEN_ENDS = phrases(
    """i want, i need, i think, i guess, i mean, i believe, i suppose, i wonder, i was wondering, you know,
    you see, for example, for instance, such as, kind of, sort of, as well as, in order, a lot of,
    a couple of, how to, how about, what about, do you know, can you tell me, could you tell me,
    i would like, i'd like, i'd love, tell me, let me, would you like, instead of, one of, some of,
    the same, first of all, in other words, at least, more or less, on the other, and then, but then, the one"""
)
# Set phrases whose last word seems to want more.
_WHOLE_ENDS = phrases(
    "now and then, ever after, in a while, if you need to, if you want to, the may"
)
# Said after a whole sentence and a comma: "It is late, I think."
_TAGS = phrases("do you know, you know, you see, i think, i guess, i suppose, i believe, i mean")
_OPEN_STARTS = phrases(
    "can you, could you, would you, will you, do you, did you, are you, can i, could i, may i, should i"
)
_NUMBERS = frozenset(
    """zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred
    thousand million double triple""".split()
)
_SPELT = frozenset("number phone code pin password digits count".split())
"""What is said digit by digit."""
_TENS = frozenset("twenty thirty forty fifty sixty seventy eighty ninety".split())
_HOURS = frozenset("one two three four five six seven eight nine ten eleven twelve".split())
_MINUTES = frozenset("ten fifteen twenty thirty forty fifty".split())
_SCALES = frozenset("hundred thousand million".split())
_WHOLE_PHONE_DIGITS = 7


def asks_for_time(text: str) -> bool:
    """Whether the user asked for time to think, so that silence means nothing."""
    return _TIME_PLEASE.search(" ".join(plain_words(text))) is not None


def longest_wait_s(text: str) -> float:
    """How long a silence can be before the turn is over, whatever it scored."""
    return ASKED_FOR_TIME_WAIT_S if asks_for_time(text) else LONGEST_WAIT_S


def is_question(text: str) -> bool:
    """Whether a text, usually the assistant's, ends with a question."""
    return text.rstrip().rstrip("\"'”’)»*_ ").endswith("?")


def finished(text: str, asked: bool = False) -> float:
    """How finished the words sound, 0 to 1; ``UNKNOWN`` without any.

    ``asked``: the assistant has just asked a question. Then one or a few words are a whole answer,
    and a longer answer may well go on.
    """
    words = plain_words(text)
    if not words:
        return UNKNOWN
    if asks_for_time(text):
        return 0.0
    joined = " ".join(words)
    if joined in _SHORT_ANSWERS or joined in _OPENERS:
        return 0.95 if asked else 0.7 if joined in _OPENERS else 0.85
    stripped = text.rstrip()
    if stripped.endswith(("…", "...", "-", "–", "—")):
        return 0.1
    question = bool(_QUESTION.match(joined) or _YES_NO_QUESTION.match(joined))
    low = None if _ends_whole(words, stripped) else _dangling_score(words, question)
    if low is not None:
        return low
    if stripped.endswith((",", ":", ";")):
        return 0.25
    if _is_list(stripped):
        return 0.35
    return _whole_score(words, stripped, question, asked)


def _whole_score(words: list[str], text: str, question: bool, asked: bool) -> float:
    """The score of words that do not end in the middle of something."""
    if asked and len(words) <= 3:
        return 0.88
    if question and len(words) >= 3:
        return 0.93 if text.endswith("?") else 0.85
    if words[-1] in ("please", "thanks", "too", "though") or " ".join(words[-2:]) == "thank you":
        return 0.9
    if len(words) <= 2:
        score = 0.75 if len(words) == 1 else 0.7
    else:
        score = 0.8 if text.endswith((".", "!", "?")) else 0.72
    # The answer to a question may be a story: one sentence of it is not the end.
    return score * 0.85 if asked else score


def _ends_whole(words: list[str], text: str) -> bool:
    """Whether the end is one of those that only look as if they wanted more."""
    if any(" ".join(words[-count:]) in _WHOLE_ENDS for count in (2, 3, 4)):
        return True
    before, comma, tag = text.rpartition(",")
    if not comma or len(plain_words(before)) < 3:
        return False
    said = plain_words(tag)
    asks_back = len(said) == 2 and said[0].endswith("n't")  # "..., didn't they?"
    return asks_back or " ".join(said) in _TAGS


def _dangling_score(words: list[str], question: bool) -> float | None:
    """A low score when the last words ask for more; None when they do not."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last == "so" and before in ("think", "hope", "guess", "believe", "say", "not", "do"):
        return None
    if last == "then":
        return 0.08 if before in ("and", "but", "so") or words[0] in ("if", "when") else None
    if last == "like" and {"what", "how", "who"} & set(words):
        return None  # "what is it like"
    if last in _PREPOSITIONS or last in ("of", "from", "into"):
        return _preposition_score(words)
    if last in _DANGLING or last in _FILLERS:
        return 0.08
    if last in _SOFT_FILLERS and not (last == "well" and before not in _JOINING):
        return 0.35
    number = _number_score(words)
    if number is not None:
        return number
    open_end = any(" ".join(words[-count:]) in _OPEN_ENDS for count in (2, 3, 4))
    if " ".join(words) in _OPEN_STARTS or (open_end and not _ASKING.intersection(words[:-2])):
        return 0.2  # but not "how many can you see"
    return _grammar_score(words, last, before, question)


def _grammar_score(words: list[str], last: str, before: str, question: bool) -> float | None:
    """A low score for a sentence that lacks its verb or object; None when it does not."""
    if last in _SUBJECTS:
        return 0.6 if before in _AUXILIARIES else 0.1
    if last == "weather" and before in _DOUBTING:
        return 0.08  # "I am not sure whether": the weather would have its article
    if last in ("to", "too", "two") and before in _BEFORE_TO:
        return 0.12  # "I would like to ..."; a recogniser that hears the end of a sentence writes "too"
    if last in _ASKING and before:
        return 0.3 if last in ("how", "what", "which", "whose") else 0.5
    if last == "that" and before in _BEFORE_THAT:
        return 0.15
    if last in _AUXILIARIES:
        return _auxiliary_score(words, before, question)
    if last in _OBJECTLESS and before not in _DETERMINERS:
        # "How much do we need?" asks for the object, "how do I make" does not.
        return 0.6 if _ASKING_OBJECTS.intersection(words) else 0.3 if question else 0.2
    return None


def _preposition_score(words: list[str]) -> float:
    """The score of words that end with "of", "in" and the like."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last == "to" and before in _BEFORE_TO:
        return 0.12  # "I would like to ..."
    if last in ("on", "before", "by") or (last == "in" and before in _BEFORE_IN):
        return 0.5
    # "What is bread made of?" has its object in front, "what is the price of" and "what kind of" have not.
    nouns = (_DETERMINERS | _ASKING).intersection(words[-3:-1])
    return 0.5 if _ASKING.intersection(words[:-1]) and not nouns else 0.12


def _auxiliary_score(words: list[str], before: str, question: bool) -> float:
    """The score of words that end with "is", "can" and the like."""
    clauses = itertools.pairwise(words[:-1])
    if any(word in _ASKING and after not in _AUXILIARIES for word, after in clauses):
        return 0.6  # "Can you tell me where the station is": what is asked for stands in front
    if before in _SUBJECTS or before in ("it", "you", "there", "that", "this"):
        governor = words[-3] if len(words) > 2 else ""
        if governor in _PREPOSITIONS or governor == "of":
            return 0.12  # "The best thing about it is": the pronoun is no subject
        return 0.6 if question else 0.35
    return 0.12


def _number_score(words: list[str]) -> float | None:
    """The score of words that end with numbers of a list; None for one number or none."""
    run: list[str] = []
    for word in reversed(words):
        if word not in _NUMBERS and not word.isdigit():
            break
        run.insert(0, word)
    if not run:
        return None
    if len(run) == 1 or _is_one_number(run) or _is_time(run):
        if _SPELT.intersection(words):
            return 0.3
        lead = words[-len(run) - 1] if len(words) > len(run) else ""
        # "Set a timer for ten ..." wants its unit; "at ten", "I am ten" do not.
        return 0.35 if lead in ("for", "in", "about", "around", "number", "another") else None
    digits = sum(len(word) if word.isdigit() else 1 for word in run)
    return 0.6 if digits >= _WHOLE_PHONE_DIGITS else 0.3


def _is_one_number(run: list[str]) -> bool:
    """Whether number words make up one number ("two hundred five") rather than a list."""
    if any(word in _SCALES for word in run) or (run[0] == "nineteen" and run[1] in _TENS):
        return True  # also a year
    return len(run) == 2 and run[0] in _TENS and run[1] not in _TENS


def _is_time(run: list[str]) -> bool:
    """Whether number words are a time of day: "two thirty", "ten fifteen", "seven forty five"."""
    hour = run[0] in _HOURS or (run[0].isdigit() and 1 <= int(run[0]) <= 24)
    minutes = run[1:]
    if len(minutes) == 1:
        return hour and (minutes[0] in _MINUTES or (len(minutes[0]) == 2 and minutes[0].isdigit()))
    return hour and len(minutes) == 2 and _is_one_number(minutes) and minutes[0] in _TENS


def _is_list(text: str) -> bool:
    """Whether the text ends in a list without its "and": "milk, eggs, butter"."""
    parts = [plain_words(part) for part in text.split(",")]
    if len(parts) < 3:
        return False
    if (_SUBJECTS | {"and", "or", "you", "it"}).intersection(parts[-1]):
        return False  # "Well, in the end, they stayed friends."
    return all(len(part) <= 3 for part in parts[1:])
