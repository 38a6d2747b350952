"""What all tools share: a recognised sentence to plain tokens, polite wrapping taken off."""

from __future__ import annotations

import re

_OPENINGS = re.compile(
    r"^(?:(?:hey|hi|hello|ok|okay|so|well|um|uh|er|oh|and|but|now|then|please|right|alright|yes"
    r"|parley|quick question|one question|just curious|by the way|excuse me|listen|actually|you know"
    r"|i have a question|can i ask you something|can you help me"
    r"|(?:can|could|would|will) you (?:please )?(?:tell me|say|let me know|remind me)"
    r"|do you (?:happen to )?know|i (?:want|would like|need|d like) to know"
    r"|i d like to know|i wonder|i was wondering|tell me|please tell me|let me know"
    r"|(?:have you )?any idea)\s+)+"
)
_CLOSINGS = re.compile(
    r"(?:\s+(?:please|parley|then|for me|thanks|thank you|again|actually|by the way|exactly"
    r"|do you know|can you tell me|if you can|you know|my friend|okay|ok))+$"
)
_WRITTEN = {
    "whats": "what is", "what's": "what is", "today's": "todays", "it's": "it is", "its": "it is",
    "when's": "when is", "whens": "when is", "how's": "how is", "which's": "which is", "i'd": "i d",
    "tomorrow's": "tomorrows", "that's": "that is", "who's": "who is", "isn't": "is not",
}  # fmt: skip


def plain_tokens(text: str) -> list[str]:
    """Lower-case words, numbers and arithmetic signs; other punctuation is dropped."""
    text = text.lower().replace("\u2019", "'").replace("\u00d7", " x ").replace("\u00f7", " / ")
    text = text.replace("\u2212", "-").replace("%", " percent ")
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text)
    text = re.sub(r"(?<=\d):(?=\d)", " ", text)
    tokens: list[str] = re.findall(
        r"\d+(?:st|nd|rd|th)\b|\d+(?:\.\d+)?|[a-z]+(?:'[a-z]+)?|[-+*/^=<>]", text
    )
    return [part for token in tokens for part in _WRITTEN.get(token, token).split()]


def unwrap(tokens: list[str]) -> str:
    """The sentence without "hey Parley, can you tell me" in front and "please" behind."""
    text = " ".join(tokens)
    text = _OPENINGS.sub("", text)
    return _CLOSINGS.sub("", text).strip()


def sentence(text: str) -> str:
    """First letter large, one full stop."""
    return text[:1].upper() + text[1:].rstrip(". ") + "."
