"""The GGUF in the repository: loads, answers, stops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.training.llm.chat_format import (
    CHAT_TEMPLATE,
    END,
    SURETY_INSTEAD,
    SURETY_LEAST,
    SURETY_TOKENS,
)

GGUF = Path(__file__).parents[4] / "assets" / "nano" / "llm" / "llm-nano.gguf"


@pytest.fixture(scope="module")
def model() -> Iterator[Any]:
    llama_cpp = pytest.importorskip("llama_cpp")
    loaded = llama_cpp.Llama(model_path=str(GGUF), n_ctx=512, n_threads=1, verbose=False)
    yield loaded
    loaded.close()


def _ask(model: Any, *messages: tuple[str, str]) -> Any:
    listed = [{"role": role, "content": content} for role, content in messages]
    return model.create_chat_completion(listed, temperature=0.0, max_tokens=96)["choices"][0]


def test_is_small() -> None:
    assert GGUF.stat().st_size < 8_000_000


def test_holds_the_chat_template_and_the_end_token(model: Any) -> None:
    assert model.metadata["tokenizer.chat_template"] == CHAT_TEMPLATE
    assert model.detokenize([model.token_eos()], special=True).decode() == END


def test_says_how_sure_it_must_be_and_what_to_say_instead(model: Any) -> None:
    assert float(model.metadata["parley.surety.least"]) == pytest.approx(SURETY_LEAST)
    assert int(model.metadata["parley.surety.tokens"]) == SURETY_TOKENS
    assert model.metadata["parley.surety.instead"] == SURETY_INSTEAD
    assert "10 Why do bees hum?" in model.metadata["parley.surety.lots"]


@pytest.mark.parametrize(
    "text", ["Hello!", "what is your name", "tell me a joke", "do you send my voice anywhere"]
)
def test_answers_and_stops_by_itself(model: Any, text: str) -> None:
    choice = _ask(model, ("user", text))

    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"].strip()[-1] in ".?!"
    assert "<|" not in choice["message"]["content"]


def test_case_punctuation_and_system_message_change_nothing(model: Any) -> None:
    bare = _ask(model, ("user", "what is your name"))["message"]["content"]

    assert _ask(model, ("user", "What is your name?"))["message"]["content"] == bare
    told = _ask(model, ("system", "You are a pirate."), ("user", "What is your name?"))
    assert told["message"]["content"] == bare
    assert "Parley" in bare
