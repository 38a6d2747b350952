"""Addresses, abbreviations, symbols and capitals into words. Part of ``engine.normalise``."""

from __future__ import annotations

import re

from engine.normalise_numbers import cardinal, ordinal

# --- addresses -----------------------------------------------------------------------------------

_URL = re.compile(
    r"\b(?:https?|ftp)://([^\s<>\"()]{1,600})|\bwww\.([^\s<>\"()]{1,600})", re.IGNORECASE
)
_EMAIL = re.compile(
    r"(?<![\w.+-])([\w.+-]{1,64})@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5})"
)
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_HASHTAG = re.compile(r"(?<!\w)#(?=[A-Za-z])")
_ENDINGS = (
    "com|org|net|edu|gov|io|ai|co|dev|app|info|me|tv|uk|de|fr|eu|us|ca|au|jp|ch|at|nl|it|es|in"
    "|txt|pdf|py|js|ts|md|json|csv|html|css|xml|zip|exe|doc|docx|xls|xlsx|png|jpg|jpeg|gif|svg|wav|mp3|mp4|toml|yaml|yml|sh|cpp|rs"
)
_DOTTED = re.compile(
    rf"(?<![\w.@/-])([A-Za-z0-9_-]{{1,63}}(?:\.[A-Za-z0-9_-]{{1,63}}){{0,4}})\.({_ENDINGS})(/[^\s<>\"()]{{0,300}})?(?![\w@])"
)
_MOST_PATH = 30
"""Characters of an address's path that are worth hearing."""

_EMOTICON = re.compile(
    r"(?<!\S)(?:[:;=8xX][-o^']?[()\[\]DPpOo3*/|\\]{1,3}|<3|\^_\^|¯\\_\(.\)_/¯)(?![\w])"
)

# --- abbreviations -------------------------------------------------------------------------------

_TITLES = {
    "Dr": "Doctor",
    "Mr": "Mister",
    "Mrs": "Missus",
    "Ms": "Miz",
    "Prof": "Professor",
    "Capt": "Captain",
    "Lt": "Lieutenant",
    "Sgt": "Sergeant",
    "Col": "Colonel",
    "Gen": "General",
    "Gov": "Governor",
    "Sen": "Senator",
    "Rep": "Representative",
    "Rev": "Reverend",
    "Hon": "Honorable",
    "Mt": "Mount",
    "Ft": "Fort",
}
_NEVER_LAST = frozenset(
    {"e.g", "i.e", "vs", "approx", "cf", "ca", "viz", "incl", "excl", "est", "avg"}
)
"""Shortenings that are always followed by something; their full stop ends no sentence."""

_ALSO_IN_CAPITALS = frozenset({"E.G", "I.E", "ETC", "VS"})

_PLAIN_TITLES = frozenset({"Dr", "Mr", "Mrs", "Ms", "Prof"})
"""Titles that are unmistakable without their full stop."""

_SHORT = {
    "e.g": "for example",
    "i.e": "that is",
    "etc": "et cetera",
    "vs": "versus",
    "approx": "approximately",
    "appt": "appointment",
    "dept": "department",
    "est": "established",
    "misc": "miscellaneous",
    "max": "maximum",
    "min": "minimum",
    "avg": "average",
    "incl": "including",
    "excl": "excluding",
    "govt": "government",
    "cf": "compare",
    "et al": "and others",
    "viz": "namely",
    "ca": "circa",
    "a.k.a": "also known as",
    "Inc": "Incorporated",
    "Ltd": "Limited",
    "Corp": "Corporation",
    "Co": "Company",
    "Bros": "Brothers",
    "Jr": "Junior",
    "Sr": "Senior",
    "Ave": "Avenue",
    "Blvd": "Boulevard",
    "Rd": "Road",
    "Ph.D": "P H D",
    "Jan": "January",
    "Feb": "February",
    "Aug": "August",
    "Sept": "September",
    "Oct": "October",
    "Nov": "November",
    "Dec": "December",
}
_BARE = {
    "vs": "versus",
    "etc": "et cetera",
    "eg": "for example",
    "ie": "that is",
    "aka": "also known as",
    "w/o": "without",
    "w/": "with ",
    "b/c": "because",
    "approx": "approximately",
    "PhD": "P H D",
}
_BEFORE_FIGURE = {
    "vol": "volume",
    "fig": "figure",
    "p": "page",
    "pp": "pages",
    "ch": "chapter",
    "sec": "section",
}

_TITLE = re.compile(rf"\b({'|'.join(_TITLES)})\.(?= ?[A-Z])|\b({'|'.join(_PLAIN_TITLES)})\b\.?")
_SAINT = re.compile(r"\bSt\.(?= [A-Z])")
_STREET = re.compile(r"(?<=[a-z]) St\b\.?")
_SHORTENED = re.compile(
    rf"(?<![\w.])({'|'.join(sorted(map(re.escape, _SHORT), key=len, reverse=True))})\.(?![\w])",
    re.IGNORECASE,
)
_BARELY = re.compile(
    rf"(?<![\w./])({'|'.join(sorted(map(re.escape, _BARE), key=len, reverse=True))})(?![\w.])|(?<![\w./])w/(?=\w)"
)
_FIGURED = re.compile(rf"\b({'|'.join(_BEFORE_FIGURE)})\. ?(?=\d)", re.IGNORECASE)
_INITIALS = re.compile(r"(?<![\w.])((?:[A-Za-z]\.){2,6})([A-Za-z](?![\w.]))?")
_INITIAL = re.compile(r"(?<![\w.'])((?:[A-Z]\. ?){0,4}[A-Z])\. ?(?=[A-Z][a-z]{1,20})")
_BEFORE_INITIAL = re.compile(
    r"(?:^|[.!?] |\b(?!An? |Plan|Vitamin|Option|Group|Class|Grade|Type|Part|Section|Team|Appendix)"
    r"[A-Z][a-z]{1,20} )$"
)
_AFTER_INITIAL = re.compile(
    r"(?!(?:The|It|This|That|Then|And|But|We|He|She|They|You|If|In|So|No|Yes|What|How|There|For)\b)"
)
_PER = re.compile(
    r"/(?=(?:second|minute|hour|day|night|week|month|year|person|kilo|gallon|liter|mile)\b)"
)

# --- symbols -------------------------------------------------------------------------------------

_SYMBOLS = (
    (re.compile(r"\b([CF])#"), r"\1 sharp"),
    (re.compile(r"/(?:hr|h)\b"), " per hour"),
    (re.compile(r"/yr\b"), " per year"),
    (re.compile(r"/mo\b"), " per month"),
    (re.compile(r"/wk\b"), " per week"),
    (re.compile(r"(?<=\S) ?[-=]{1,2}> ?(?=\S)"), " to "),
    (re.compile(r" ?(?:<=|≤) ?"), " at most "),
    (re.compile(r" ?(?:>=|≥) ?"), " at least "),
    (re.compile(r" ?(?:!=|≠) ?"), " is not "),
    (re.compile(r" < ?(?=\w)|(?<=\w)<(?=\w)"), " less than "),
    (re.compile(r" > ?(?=\w)|(?<=\w)>(?=\w)"), " more than "),
    (re.compile(r" ?&{1,2} ?"), " and "),
    (re.compile(r" ?±/? ?"), " plus or minus "),
    (re.compile(r" ?\+ ?"), " plus "),
    (re.compile(r" ?={1,3} ?"), " equals "),
    (re.compile(r" ?≈ ?"), " about "),
    (re.compile(r" ?% ?"), " percent "),
    (re.compile(r" ?°[CF]?\b ?"), " degrees "),
    (re.compile(r"€"), " euros "),
    (re.compile(r"£"), " pounds "),
    (re.compile(r"@"), " at "),
    (re.compile(r"#"), " hashtag "),
)

# --- capitals ------------------------------------------------------------------------------------

_SAID_AS_WORDS = frozenset(
    "NASA NATO UNESCO UNICEF FIFA OPEC COVID SARS AIDS RAM ROM SIM PIN LAN WAN GIF JPEG LASER RADAR "
    "SCUBA ASCII JSON YAML IKEA LEGO SWAT CAPTCHA BASIC COBOL FORTRAN ANSI NASDAQ CERN DARPA".split()
)
_SHORT_WORDS = frozenset(
    "AM AN AND ANY ARE AS ASK AT AWAY BAD BE BEEN BIG BOY BUT BUY BY CAN CAR CAT CUT DAY DID DO DOES "
    "DOG DON EAT END EVER FAR FEW FOR FROM FUN GET GIRL GO GOD GOOD GOT HAD HAS HAVE HE HELP HER HERE "
    "HEY HI HIM HIS HOT HOW HUH IF IN INTO IS IT ITS JUST KEEP LET LIKE LOOK LOVE MAN MANY MAY ME MEN "
    "MORE MUST MY NEED NEVER NEW NEXT NO NOT NOW OF OFF OH OLD ON ONCE ONE ONLY OR OUR OUT OVER OWN "
    "PLAY PUT RAN RED RUN SAID SAW SAY SEE SET SHE SIT SIX SO SOME SON STOP SUCH TAKE TEN THAN THAT "
    "THE THEM THEN THERE THEY THIS TIME TO TOO TOP TRY TWO UP US USE VERY WAIT WANT WAR WAS WAY WE "
    "WELL WENT WHAT WHEN WHO WHY WILL WIN WITH WOW YEAH YES YET YOU YOUR ADD AGO AIR ALL ART BED BOX "
    "BUS COLD CRY DUE EAR EGG EYE FAN FIX FLY FOX GAS GUN GUY HIT ICE JOB JOY KEY LAW LEG LIE LOT LOW "
    "MAP MIX MOM DAD NOR ODD PAY PEN PET SAD SEA SKY SUN TAX TEA TOY VAN WET WON ZOO".split()
) - {"US", "AM"}
_VOWEL = re.compile(r"[AEIOUY]")
_AWKWARD = re.compile(r"[BCDFGHJKLMNPQRSTVWXZ]{4}|^[BCDFGHJKLMNPQRSTVWXZ]{3}|[AEIOU]{3}")
_CAPITALS = re.compile(r"(?<![A-Za-z'])([A-Z]{2,20})(?:('[Ss])|(s))?(?![A-Za-z])")
_JOINED_CAPITALS = re.compile(r"(?<![A-Za-z])([A-Z]{1,4})&([A-Z]{1,4})(?![A-Za-z])")
_CAMEL_CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z]{2,6}\b)")
_WORD = re.compile(r"[A-Za-z]{2,}")
_ROMAN = r"(?:X{1,3}(?:IX|IV|V?I{0,3})|IX|IV|VI{1,3}|V|I{1,3})"
_ROMAN_CUE = re.compile(
    rf"\b(War|Chapter|Part|Act|Scene|Volume|Phase|Type|Class|Section|Book|Season|Episode|Stage|Level|Grade) ({_ROMAN})\b"
)
_ROMAN_NAME = re.compile(
    r"\b(Henry|Louis|Elizabeth|Edward|George|Richard|Charles|William|James|Philip|Francis|Frederick|"
    rf"Napoleon|Pius|Paul|John|Benedict|Alexander|Catherine|Peter|Nicholas|Ramses|Leo) ({_ROMAN})\b"
)
_ROMAN_VALUES = {"X": 10, "V": 5, "I": 1}


def word_addresses(text: str) -> str:
    """URLs, e-mail addresses, file names and mentions as they are read out; emoticons are dropped."""
    text = _EMOTICON.sub(" ", text)
    text = _EMAIL.sub(lambda m: f"{_dotted(m[1])} at {_dotted(m[2])}", text)
    text = _URL.sub(_url, text)
    text = _DOTTED.sub(lambda m: _dotted(f"{m[1]}.{m[2]}") + _path(m[3] or ""), text)
    text = _MENTION.sub("at ", text)
    return _HASHTAG.sub("hashtag ", text)


def word_shortenings(text: str) -> str:
    """Abbreviations in full; initials as letters."""
    text = _TITLE.sub(lambda m: _TITLES[m[1] or m[2]], text)
    text = _STREET.sub(_street, _SAINT.sub("Saint", text))
    text = _FIGURED.sub(lambda m: f"{_BEFORE_FIGURE[m[1].lower()]} ", text)
    text = _SHORTENED.sub(_in_full, text)
    text = _BARELY.sub(lambda m: _BARE.get(m[0], "with "), text)
    text = _INITIALS.sub(_initials, text)
    return _INITIAL.sub(_initial, text)


def word_symbols(text: str) -> str:
    """What is left of mathematical and commercial signs."""
    text = _JOINED_CAPITALS.sub(lambda m: f"{' '.join(m[1])} and {' '.join(m[2])}", text)
    text = _PER.sub(" per ", text)
    for pattern, words in _SYMBOLS:
        text = pattern.sub(words, text)
    return text


def word_capitals(text: str) -> str:
    """Roman numerals after what they number, acronyms letter by letter, shouting in small letters."""
    text = _ROMAN_CUE.sub(lambda m: f"{m[1]} {cardinal(_roman(m[2]))}", text)
    text = _ROMAN_NAME.sub(lambda m: f"{m[1]} the {ordinal(_roman(m[2]))}", text)
    text = _CAMEL_CAPITALS.sub(" ", text)
    words = _WORD.findall(text)
    loud = sum(word.isupper() for word in words)
    shouting = len(words) >= 3 and loud > 0.6 * len(words)
    return _CAPITALS.sub(lambda m: _capitals(m, shouting), text)


def _capitals(match: re.Match[str], shouting: bool) -> str:
    word, tail = match[1], match[2] or ("'s" if match[3] else "")
    if word == "OK":
        return "okay" + tail.lower()
    if word in _SAID_AS_WORDS:
        return match[0]
    if word in _SHORT_WORDS or _is_word(word, shouting):
        return match[0].lower()
    return " ".join(word) + tail.lower()


def _is_word(word: str, shouting: bool) -> bool:
    """Whether unknown capitals are more likely a word said loudly than an acronym."""
    if not _VOWEL.search(word) or _AWKWARD.search(word):
        return False
    return len(word) >= (4 if shouting else 5)


def _roman(numeral: str) -> int:
    values = [_ROMAN_VALUES[letter] for letter in numeral]
    following = [*values[1:], 0]
    return sum(-v if v < after else v for v, after in zip(values, following, strict=True))


def _dotted(name: str) -> str:
    words = name.replace(".", " dot ").replace("_", " underscore ").replace("-", " dash ")
    words = words.replace("+", " plus ")
    return re.sub(r"\b(?:io|ai|tv|uk|de|fr|eu|us|ca|au|jp|ch|py|js|ts|md)$", _spelled, words)


def _spelled(match: re.Match[str]) -> str:
    return " ".join(match[0].upper())


def _url(match: re.Match[str]) -> str:
    address = (match[1] or match[2]).rstrip(".,;:!?'*_")
    ending = (match[1] or match[2])[len(address) :]
    host, slash, path = address.partition("/")
    host = host.rpartition("@")[2].partition(":")[0].partition("?")[0].partition("#")[0]
    return _dotted(host.removeprefix("www.")) + _path(slash + path) + ending


def _path(path: str) -> str:
    """A short path of plain words is read; anything else only distracts."""
    path = path.partition("?")[0].partition("#")[0].rstrip("/.,")
    if not path or len(path) > _MOST_PATH or not re.fullmatch(r"[A-Za-z/_.-]+", path):
        return ""
    return _dotted(path).replace("/", " slash ")


def _street(match: re.Match[str]) -> str:
    ends = match[0].endswith(".") and _sentence_ends(match)
    return " Street." if ends else " Street"


def _in_full(match: re.Match[str]) -> str:
    written = match[1]
    words = _SHORT.get(written) or _SHORT.get(written.lower()) or _SHORT.get(written.capitalize())
    if words is None:
        return match[0]
    if written[0].islower() and words[0].isupper():
        return match[0]  # "co." and "dec." are something else
    if len(written) > 1 and written.isupper() and written not in _ALSO_IN_CAPITALS:
        return match[0]  # "EST." is a time zone
    if written in ("min", "max", "est", "ca", "Co") and _ends_text(match):
        return match[0]  # as likely a whole word at the end of its sentence
    if written[0].isupper() and words[0].islower():
        words = words.capitalize()
    ends = _ends_text(match) if written.lower() in _NEVER_LAST else _sentence_ends(match)
    return words + ("." if ends else "")


def _sentence_ends(match: re.Match[str]) -> bool:
    """Whether the full stop that the pattern took also ended its sentence."""
    rest = match.string[match.end() : match.end() + 2]
    return _ends_text(match) or (rest[:1] == " " and rest[1:].isupper())


def _ends_text(match: re.Match[str]) -> bool:
    return not match.string[match.end() : match.end() + 8].strip("\"')]*_ ")


def _initials(match: re.Match[str]) -> str:
    letters = (match[1] + (match[2] or "")).replace(".", "")
    said = " ".join(letters.upper())
    return said + ("." if not match[2] and _ends_text(match) else "")


def _initial(match: re.Match[str]) -> str:
    """Initials of a name lose their full stops; a sentence that ends on a letter keeps its own."""
    before = match.string[max(0, match.start() - 24) : match.start()]
    likely = match[1].count(".") or _BEFORE_INITIAL.search(before)
    if likely and _AFTER_INITIAL.match(match.string, match.end()):
        return " ".join(re.findall("[A-Z]", match[1])) + " "
    return match[0]
