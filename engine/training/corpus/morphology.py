"""English inflection by rule: plurals, verb forms, comparatives, and the choice of a or an.

Irregular words are listed in the corpus files, not here. Knows nothing of the grammar.
"""

import re

_VOWELS = "aeiou"
_AN_BEFORE = re.compile(r"(?:[aeiou]|hour|honest|honour|heir)", re.IGNORECASE)
_A_BEFORE = re.compile(
    r"(?:uni(?![nm])|use|usu(?!rp)|user|eu|one\b|once\b|ukr|ukul|uru|uga|utensil|util)",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"\b([Aa])n? (?=([\w']+))")


def plural(noun: str) -> str:
    """Regular plural of a countable noun; of a phrase, that of its last word."""
    if noun.endswith("'s"):
        return noun
    if noun.endswith(("s", "x", "ch", "sh", "z")):
        return noun + ("s" if noun.endswith("mach") else "es")
    if noun.endswith("y") and noun[-2] not in _VOWELS:
        return noun[:-1] + "ies"
    return noun + "s"


def doubles(word: str) -> bool:
    """Whether a one-syllable word ends consonant, vowel, consonant (big, stop)."""
    return (
        len(word) >= 3
        and word[-1] not in "aeiouwxyhs"
        and word[-2] in _VOWELS
        and word[-3] not in _VOWELS
        and sum(letter in _VOWELS for letter in word) == 1
    )


def comparative(adjective: str, suffix: str) -> str:
    """A short adjective with `er` or `est`."""
    if adjective.endswith("e"):
        return adjective + suffix[1:]
    if adjective.endswith("y") and adjective[-2] not in _VOWELS:
        return ("sh" + "y" if adjective == "shy" else adjective[:-1] + "i") + suffix
    return adjective + (adjective[-1] if doubles(adjective) else "") + suffix


def verb_forms(verb: str, doubling: bool) -> tuple[str, str, str, str, str]:
    """Base, third person, past, -ing form and participle of a regular verb."""
    if verb.endswith("y") and verb[-2] not in _VOWELS:
        stem = verb[:-1]
        return verb, stem + "ies", stem + "ied", verb + "ing", stem + "ied"
    third = verb + ("es" if verb.endswith(("s", "x", "ch", "sh", "z", "go")) else "s")
    if verb.endswith("ee") or verb.endswith("oe"):
        return verb, third, verb + "d", verb + "ing", verb + "d"
    if verb.endswith("e"):
        return verb, third, verb + "d", verb[:-1] + "ing", verb + "d"
    stem = verb + verb[-1] if doubling else verb
    if doubling and verb.endswith("z"):
        third = stem + "es"
    return verb, third, stem + "ed", stem + "ing", stem + "ed"


def fix_articles(text: str) -> str:
    """Chooses a or an before each word by its first sound."""

    def choose(match: re.Match[str]) -> str:
        word = match.group(2)
        vowel = _AN_BEFORE.match(word) and not _A_BEFORE.match(word)
        return match.group(1) + ("n " if vowel else " ")

    return _ARTICLE.sub(choose, text)
