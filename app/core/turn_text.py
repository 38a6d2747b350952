"""Whether words over the assistant's speech are a mere "mhm" or a "stop".

Pure functions of English text, as recognisers write it: case and punctuation may be wrong, and the
end of a partial is cut anywhere.
"""

from __future__ import annotations

import re

from app.core.words import phrases, plain_words

_BACKCHANNELS = phrases(
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
_MISHEARD = phrases(
    """an hour, ahma, hamm, ham, hum, him, year, yesh, yef,
    go one, goan, gart it, show, air, em, emm, emme, emmy"""
)
_UH_HUH = re.compile(r"(?:a|uh|ah) h\w{1,4}$")
"""Written as "A hour", "A hair", "A how" ..."""
_LONGEST_BACKCHANNEL = 5

_COMMANDS = phrases(
    """stop, wait, no, nope, hold on, hang on, hold it, pause, quiet, be quiet, silence, hush, shush,
    shut up, enough, that's enough, cancel, never mind, nevermind, forget it, one moment, one second,
    just a moment, just a second, just a minute, a moment please, excuse me, listen, let me speak,
    let me talk, let me finish, that's wrong, not that, shut it, hold one, hang one"""
)
_SILENCING = phrases(
    """stop, stop it, stop talking, wait, hold on, hang on, hold it, pause, quiet, be quiet, silence, hush,
    shush, shut up, enough, that's enough, cancel, never mind, nevermind, forget it, one moment, one second,
    just a moment, just a second, just a minute, shut it, hold one, hang one"""
)
_NOT_COMMANDS = phrases("no way, no problem, no kidding, no worries, no wonder, no doubt")
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
