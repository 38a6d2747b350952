"""The chat template in the GGUF and the text of training are the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.training.llm.chat_format import (
    ASSISTANT,
    CHAT_TEMPLATE,
    SPECIAL_TOKENS,
    Exchange,
    render,
    user_text,
)

_TEMPLATE = ImmutableSandboxedEnvironment().from_string(CHAT_TEMPLATE)


def _by_template(messages: list[dict[str, str]], prompt: bool) -> str:
    return _TEMPLATE.render(messages=messages, add_generation_prompt=prompt)


@given(st.text(max_size=80), st.text(alphabet="abc .,?!'", min_size=1, max_size=40))
def test_template_equals_training_text(user: str, answer: str) -> None:
    messages = [
        {"role": "user", "content": user},
        {"role": "assistant", "content": answer},
    ]

    assert _by_template(messages, prompt=False) == render([Exchange(user, answer)])


def test_system_messages_are_accepted_and_ignored() -> None:
    user = {"role": "user", "content": "Hello there!"}
    system = {"role": "system", "content": "Speak like a pirate."}

    assert _by_template([system, user], prompt=True) == _by_template([user], prompt=True)
    assert _by_template([user], prompt=True).endswith(ASSISTANT)


def test_what_recognisers_disagree_about_is_gone() -> None:
    assert user_text("  What\u2019s your name?! ") == "what's your name"
    assert user_text("What's  your name") == "what's your name"


def test_users_cannot_write_special_tokens() -> None:
    written = user_text("hi " + " ".join(SPECIAL_TOKENS))

    assert not any(token in written for token in SPECIAL_TOKENS)
