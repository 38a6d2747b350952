"""What the words of a turn say about turn taking: whether it sounds finished, a mere "mhm", a "stop".

Pure functions of English text, as recognisers write it: case and punctuation may be wrong, and the
end of a partial is cut anywhere. Words of other languages carry no cue and are judged by their
punctuation alone.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Protocol

from app.core.types import FloatArray

LONGEST_WAIT_S = 2.0
"""After so much silence a turn is over, whatever was said ..."""
ASKED_FOR_TIME_WAIT_S = 5.0
"""... unless the user asked for time ("let me think")."""

NOT_YET = -1.0
"""Score of a turn that is not over, however low a score would do by now."""
UNKNOWN = 0.5
"""Score of a turn of which no words are known yet."""

_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'"})
_NOT_A_WORD = re.compile(r"[^\w']|_")


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


def plain_words(text: str) -> list[str]:
    """The words for comparing: lower case, no punctuation but inner apostrophes, NFKC."""
    plain = unicodedata.normalize("NFKC", text).lower().translate(_APOSTROPHES)
    stripped = (word.strip("'") for word in _NOT_A_WORD.sub(" ", plain).split())
    return [word for word in stripped if word]


def _phrases(*lines: str) -> frozenset[str]:
    """Phrases separated by commas or lines."""
    return frozenset(
        phrase.strip() for line in lines for phrase in re.split(r"[,\n]", line) if phrase.strip()
    )


# --- interjections over the assistant's speech ---------------------------------------------------

_BACKCHANNELS = _phrases(
    """mhm, mm, mmm, mm hm, mm hmm, mm mm, mmhm, mmhmm, um hum, hm, hmm, hmmm, uh huh, uhuh, uhhuh, aha,
    ah, oh, ooh, huh, wow, yeah, yea, yah, ya, yep, yup, yes, right, okay, ok, kay, alright, all right,
    sure, really, indeed, exactly, true, absolutely, totally, definitely, certainly, nice, cool, great,
    good, lovely, perfect, brilliant, fine, interesting, amazing, gotcha, got it, got you, i see, i know,
    i get it, go on, go ahead, keep going, carry on, of course, no way, no problem, no kidding,
    that's right, that's true, that's good, that's nice, that's great, that's interesting, sounds good,
    makes sense, that makes sense, fair enough, is that so, oh really, good point, thank you, thanks,
    please go on"""
)
# A recogniser trained on sentences writes hums and murmurs as the nearest words. As whole utterances over
# the assistant's speech these are nothing else (whisper-nano on espeak's "uh huh", "mhm", "yeah", "go on").
_MISHEARD = _phrases(
    """an hour, ahma, hamm, ham, hum, him, year, yesh, yef,
    go one, goan, gart it, show, air, em, emm, emme, emmy"""
)
_UH_HUH = re.compile(r"(?:a|uh|ah) h\w{1,4}$")
"""Written as "A hour", "A hair", "A how" ..."""
_LONGEST_BACKCHANNEL = 5

_COMMANDS = _phrases(
    """stop, wait, no, nope, hold on, hang on, hold it, pause, quiet, be quiet, silence, hush, shush,
    shut up, enough, that's enough, cancel, never mind, nevermind, forget it, one moment, one second,
    just a moment, just a second, just a minute, a moment please, excuse me, listen, let me speak,
    let me talk, let me finish, that's wrong, not that, shut it, hold one, hang one"""
)
_SILENCING = _phrases(
    """stop, stop it, stop talking, wait, hold on, hang on, hold it, pause, quiet, be quiet, silence, hush,
    shush, shut up, enough, that's enough, cancel, never mind, nevermind, forget it, one moment, one second,
    just a moment, just a second, just a minute, shut it, hold one, hang one"""
)
_NOT_COMMANDS = _phrases("no way, no problem, no kidding, no worries, no wonder, no doubt")
_ADDRESS = frozenset("please parley computer hey nova atlas".split())


def is_backchannel(text: str) -> bool:
    """Whether this is only listening aloud ("mhm", "oh I see"), not a wish to speak."""
    words = plain_words(text)
    if not words or len(words) > _LONGEST_BACKCHANNEL:
        return False
    said = " ".join(words)
    return said in _MISHEARD or bool(_UH_HUH.match(said)) or _after_backchannels(words) == []


def is_command(text: str) -> bool:
    """Whether this asks for silence ("stop", "okay, hold on", "no, I meant ..."), be it one word."""
    words = plain_words(text)
    return any(_begins_command(rest) for rest in (words, _after_backchannels(words)))


def is_only_command(text: str) -> bool:
    """Whether nothing but silence is asked for ("stop", "okay, be quiet please"): nothing to answer."""
    words = _after_backchannels(plain_words(text))
    orders = 0
    while words:
        if words[0] in _ADDRESS:
            taken = 1
        else:
            taken = _begins_with(words, _SILENCING) or _begins_with(words, _BACKCHANNELS)
            orders += bool(_begins_with(words, _SILENCING))
        if not taken:
            return False
        words = words[taken:]
    return orders > 0


def _begins_command(words: list[str]) -> bool:
    while words and words[0] in _ADDRESS:
        words = words[1:]
    if _begins_with(words, _NOT_COMMANDS):
        return False
    return _begins_with(words, _COMMANDS) > 0


def _after_backchannels(words: list[str]) -> list[str]:
    """What is left after all backchannels at the front."""
    while taken := _begins_with(words, _BACKCHANNELS):
        words = words[taken:]
    return words


def _begins_with(words: list[str], phrases: frozenset[str]) -> int:
    """How many words the longest of the phrases at the front has; 0 for none."""
    for count in range(min(len(words), 4), 0, -1):
        if " ".join(words[:count]) in phrases:
            return count
    return 0


# --- the end of a turn ---------------------------------------------------------------------------

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
_SHORT_ANSWERS = _phrases(
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
# "umb" and "ome" are how whisper-nano writes a long "um".
_FILLERS = frozenset("um uh er erm umm uhm uhh ehm hmm hm mm ah so like umb ome".split())
_SOFT_FILLERS = frozenset("well actually basically anyway".split())
_PREPOSITIONS = frozenset(
    "for with about to at by on in near behind under through after before".split()
)
_ASKING = frozenset("how what which whose why where when who".split())
_BEFORE_THAT = frozenset("true say says said think thought sure believe hope mean".split())
_BEFORE_IN = frozenset("come came log sign check drop me him her them us it".split())
_BEFORE_TO = frozenset("want like love have need going used able trying".split())
_AUXILIARIES = frozenset(
    """is are was were am be been being will would could should can may might must shall have has had
    do does did isn't aren't wasn't weren't""".split()
)
_SUBJECTS = frozenset("i we they he she".split())
_OBJECTLESS = frozenset(
    """want need needs give tell show find get make bring set put take buy send play call remind
    """.split()
)
_OPEN_ENDS = _phrases(
    """i want, i need, i think, i guess, i mean, i believe, i suppose, i wonder, i was wondering, you know,
    you see, for example, for instance, such as, kind of, sort of, as well as, in order, a lot of,
    a couple of, how to, how about, what about, do you know, can you tell me, could you tell me,
    i would like, i'd like, i'd love, tell me, let me, would you like, instead of, one of, some of,
    the same, first of all, in other words, at least, more or less, on the other, and then, but then, the one"""
)
_OPEN_STARTS = _phrases(
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
    if joined in _SHORT_ANSWERS:
        return 0.95 if asked else 0.85
    stripped = text.rstrip()
    if stripped.endswith(("…", "...", "-", "–", "—")):
        return 0.1
    question = bool(_QUESTION.match(joined) or _YES_NO_QUESTION.match(joined))
    low = _dangling_score(words, question)
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
        score = 0.6
    else:
        score = 0.8 if text.endswith((".", "!", "?")) else 0.72
    # The answer to a question may be a story: one sentence of it is not the end.
    return score * 0.85 if asked else score


def _dangling_score(words: list[str], question: bool) -> float | None:
    """A low score when the last words ask for more; None when they do not."""
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last == "so" and before in ("think", "hope", "guess", "believe", "say", "not", "do"):
        return None
    if last == "then":
        return 0.08 if before in ("and", "but", "so") or words[0] in ("if", "when") else None
    if last == "like" and {"what", "how", "who"} & set(words):
        return None  # "what is it like"
    if last in _DANGLING or last in _FILLERS:
        return 0.08
    if last in _SOFT_FILLERS:
        return 0.35
    number = _number_score(words)
    if number is not None:
        return number
    if " ".join(words) in _OPEN_STARTS or any(
        " ".join(words[-count:]) in _OPEN_ENDS for count in (2, 3, 4)
    ):
        return 0.2
    return _grammar_score(last, before, question)


def _grammar_score(last: str, before: str, question: bool) -> float | None:
    """A low score for a sentence that lacks its verb or object; None when it does not."""
    if last in _SUBJECTS:
        return 0.6 if before in _AUXILIARIES else 0.1
    if last in ("to", "too", "two") and before in _BEFORE_TO:
        return 0.12  # "I would like to ..."; a recogniser that hears the end of a sentence writes "too"
    if last in _ASKING and before:
        return 0.3 if last in ("how", "what", "which", "whose") else 0.5
    if last == "that" and before in _BEFORE_THAT:
        return 0.15
    if last in _PREPOSITIONS:
        whole = last in ("on", "before", "by") or (last == "in" and before in _BEFORE_IN)
        return 0.5 if question or whole else 0.12
    if last in _AUXILIARIES:
        if before in _SUBJECTS or before in ("it", "you", "there", "that", "this"):
            return 0.6 if question else 0.35
        return 0.12
    if last in _OBJECTLESS:
        return 0.3 if question else 0.2
    return None


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
            return 0.35
        lead = words[-len(run) - 1] if len(words) > len(run) else ""
        # "Set a timer for ten ..." wants its unit; "at ten", "I am ten" do not.
        return 0.35 if lead in ("for", "in", "about", "around", "number", "another") else None
    digits = sum(len(word) if word.isdigit() else 1 for word in run)
    return 0.6 if digits >= _WHOLE_PHONE_DIGITS else 0.3


def _is_one_number(run: list[str]) -> bool:
    """Whether number words make up one number ("two hundred five") rather than a list."""
    if any(word in _SCALES for word in run):
        return True
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
    return all(len(part) <= 3 for part in parts[1:]) and not {"and", "or"} & set(parts[-1])
