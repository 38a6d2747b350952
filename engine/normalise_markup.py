"""Characters and markup: any Unicode, Markdown or HTML → plain lines of Latin text.

First half of ``engine.normalise``; what numbers and abbreviations mean is not known here.
"""

from __future__ import annotations

import html
import re
import unicodedata

_LATIN = str.maketrans(
    {
        "ß": "ss",
        "ẞ": "SS",
        "æ": "ae",
        "Æ": "Ae",
        "œ": "oe",
        "Œ": "Oe",
        "ø": "o",
        "Ø": "O",
        "đ": "d",
        "Đ": "D",
        "ð": "th",
        "Ð": "Th",
        "þ": "th",
        "Þ": "Th",
        "ł": "l",
        "Ł": "L",
        "ħ": "h",
        "Ħ": "H",
        "ı": "i",
        "ŋ": "ng",
        "ə": "a",
    }
)
"""Latin letters that Unicode does not take apart."""

_MARKS = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′´ʼʹ＇", "'"),
        **dict.fromkeys("“”„‟″«»‹›＂", '"'),
        **dict.fromkeys("‐‑⁃﹣", "-"),
        **dict.fromkeys("‒–", "–"),
        **dict.fromkeys("—―⸺⸻", "—"),
        "−": "-",
        "²": "^2",
        "³": "^3",
        "…": "...",
        "•": "\n- ",
        "‣": "\n- ",
        "◦": "\n- ",
        "▪": "\n- ",
        "。": ". ",
        "、": ", ",
        "،": ", ",
        "؟": "?",
        "¿": " ",
        "¡": " ",
        "∗": "*",
        "·": " ",
        "→": " -> ",
        "⇒": " -> ",
        "µ": "μ",
        "\u2028": "\n",
        "\u2029": "\n",
        "\x0b": "\n",
        "\x0c": "\n",
        "\x85": "\n",
        "\t": " ",
        **dict.fromkeys("™®©℠№", " "),
    }
)

_KEPT_SYMBOLS = frozenset("–—μΩ°€£¥₹₩¢±×÷≈≤≥≠\n")
"""Beyond ASCII, what later steps put into words."""

_THIN_GROUPS = re.compile(r"(?<=\d)[\u2009\u202f\u00a0](?=\d{3}(?!\d))")
_FRACTION_AFTER_DIGIT = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")

_FENCE = re.compile(r"^ {0,3}(```|~~~)")
_RULE = re.compile(r"^ {0,3}(?:(?:\* ?){3,}|(?:- ?){3,}|(?:_ ?){3,}|={3,})$")
_TABLE_RULE = re.compile(r"^[\s|:+-]*-[\s|:+-]*$")
_HEADING = re.compile(r"^ {0,3}#{1,6}(?: +|$)|^ {0,3}#{1,6}(?=[A-Z][a-z])")
_QUOTE = re.compile(r"^(?: {0,3}> ?){1,9}")
_BULLET = re.compile(r"^ {0,12}[-*+] +(?:\[[ xX]\] +)?")
_NUMBERED = re.compile(r"^ {0,12}(\d{1,2})[.)] +(?=\S)")
_IMAGE_OR_LINK = re.compile(
    r"!?\[([^\[\]\n]{0,300})\](?:\([^()\s]{0,600}(?: \"[^\"\n]{0,200}\")?\)|\[[^\[\]\n]{0,80}\])"
)
_FOOTNOTE = re.compile(r"\[(?:\^[^\[\]\s]{1,20}|\d{1,3}(?:[,–-] ?\d{1,3}){0,5})\](?!\w)")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^<>\s]{1,600})>")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,300}>|<!--[^<>\n]{0,300}-->")
_BREAK_TAG = re.compile(r"<(?:br|/p|/li|/h[1-6]|/div) ?/?>", re.IGNORECASE)
_EMPHASIS = re.compile(r"\*\*+|__+|~~+|(?<![\w*])[*_](?=\S)|(?<=[^\s*_])[*_](?![\w*])")
_OPEN_ENDS = (",", ";", ":", "-", "—", "–")
_ENDS_LINE = (".", "!", "?", *_OPEN_ENDS)


def clean_characters(text: str) -> str:
    """Latin letters without marks, ASCII and a few symbols; emoji and other scripts are dropped."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = html.unescape(text) if "&" in text else text
    text = _FRACTION_AFTER_DIGIT.sub(" ", _THIN_GROUPS.sub("", text)).translate(_MARKS)
    text = unicodedata.normalize("NFKC", text).translate(_LATIN).translate(_MARKS)
    text = unicodedata.normalize("NFD", text.replace("⁄", "/"))
    return "".join(map(_kept, text)) if not text.isascii() else _without_controls(text)


def _without_controls(text: str) -> str:
    return "".join(c if (c >= " " and c != "\x7f") or c == "\n" else " " for c in text)


def _kept(character: str) -> str:
    if character.isascii():
        return character if (character >= " " and character != "\x7f") or character == "\n" else " "
    if character in _KEPT_SYMBOLS:
        return character
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):  # accents taken off, joiners, soft hyphens, variation marks
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    return " "


def plain_lines(text: str) -> str:
    """Markdown and HTML without their marks, in one line; lists, headings and rows become sentences."""
    text = _BREAK_TAG.sub("\n", text)
    text = _AUTOLINK.sub(r"\1", text)
    text = _TAG.sub(" ", text)
    text = _IMAGE_OR_LINK.sub(r"\1", text)
    text = _FOOTNOTE.sub("", text)
    lines: list[tuple[str, bool]] = []  # what to say, and whether it stands alone
    fenced = False
    for raw in text.split("\n"):
        line = raw.rstrip()
        if _FENCE.match(line):
            fenced = not fenced
            lines.append(("", True))
        elif not fenced:
            lines.append(_plain_line(line))
    if fenced and not any(line for line, _ in lines):
        # An opening fence without an end: better read than silent.
        lines = [_plain_line(line) for line in text.split("\n") if not _FENCE.match(line)]
    return _joined(lines)


def _plain_line(line: str) -> tuple[str, bool]:
    line = _QUOTE.sub("", line)
    if not line.strip() or _RULE.match(line) or _TABLE_RULE.match(line):
        return "", True
    alone = False
    if heading := _HEADING.match(line):
        line, alone = line[heading.end() :].rstrip("# "), True
    elif bullet := _BULLET.match(line):
        line, alone = line[bullet.end() :], True
    elif numbered := _NUMBERED.match(line):
        line, alone = f"{numbered[1]}, {line[numbered.end() :]}", True
    if line.lstrip().startswith("|") or line.count("|") > 1:
        cells = (cell.strip() for cell in line.strip().strip("|").split("|"))
        line, alone = ", ".join(cell for cell in cells if cell), True
    return _EMPHASIS.sub("", line).strip(), alone


def _joined(lines: list[tuple[str, bool]]) -> str:
    """One line: what stands alone ends as a sentence, wrapped text runs on."""
    parts: list[str] = []
    alone_before = True
    for line, alone in lines:
        if parts and alone and parts[-1].endswith(_OPEN_ENDS):
            parts[-1] = parts[-1].rstrip("".join(_OPEN_ENDS)) + "."
        elif parts and line and not parts[-1].endswith(_ENDS_LINE):
            if alone or alone_before:
                parts[-1] += "."
            elif line[0].isupper():
                parts[-1] += ","
        if line:
            parts.append(line)
        alone_before = alone
    return " ".join(parts)
