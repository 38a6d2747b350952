"""The chat format of llm-nano: special tokens, the template stored in the GGUF, the same in Python.

The template trims the user's text, drops ``. , ! ?``, straightens apostrophes and lowers the first
letter, because recognisers disagree about exactly those. Training text goes through ``user_text``,
which must do the same; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

BOS = "<|begin|>"
USER = "<|user|>"
ASSISTANT = "<|assistant|>"
END = "<|end|>"
UNKNOWN = "<|unknown|>"
SPECIAL_TOKENS = (UNKNOWN, BOS, USER, ASSISTANT, END)

# System messages are accepted and ignored: 4.5 M parameters cannot follow instructions.
CHAT_TEMPLATE = (
    "{{ '" + BOS + "' }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}"
    "{% set text = (message['content'] | string | replace('<|', ' ') | replace('.', ' ')"
    " | replace(',', ' ') | replace('!', ' ') | replace('?', ' ') | replace('\u2019', \"'\")).split()"
    " | join(' ') %}"
    "{{ '" + USER + "' + text[:1] | lower + text[1:] + '" + END + "' }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ '"
    + ASSISTANT
    + "' + (message['content'] | string | replace('<|', ' ') | trim) + '"
    + END
    + "' }}"
    "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '" + ASSISTANT + "' }}{% endif %}"
)


# What the GGUF says about itself, for programs that run it: the mean log-probability (nats) that the
# first tokens of an answer must reach, and what to say where they do not. A small model gives some
# answer to everything; one that is no more than a guess it had better not give.
SURETY_LEAST = -0.14
SURETY_TOKENS = 6
SURETY_INSTEAD = (
    "I am not sure that I understand. I am only a small model, so please say it in other words."
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One user turn and its answer."""

    user: str
    answer: str


def user_text(text: str) -> str:
    """The user's words exactly as the chat template writes them."""
    text = text.replace("<|", " ")
    for mark in ".,!?":
        text = text.replace(mark, " ")
    text = " ".join(text.replace("\u2019", "'").split())
    return text[:1].lower() + text[1:]


def render(exchanges: list[Exchange]) -> str:
    """A whole conversation as the template writes it, without a generation prompt."""
    turns = [
        f"{USER}{user_text(turn.user)}{END}{ASSISTANT}{turn.answer.strip()}{END}"
        for turn in exchanges
    ]
    return BOS + "".join(turns)
