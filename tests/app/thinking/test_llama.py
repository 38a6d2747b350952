"""The local model: the built-in GGUF answers, stops, fits its window; other files are refused."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from app.core.errors import ModelMissingError, ThinkingError
from app.core.turn import CancelToken, TurnId
from app.core.types import Message, Role
from app.settings.model import default_llm
from app.thinking.gguf import context_length
from app.thinking.llama import LlamaChat, LlamaOptions
from app.thinking.surety import Bound


@pytest.fixture(scope="module")
def chat() -> LlamaChat:
    chat = LlamaChat(default_llm(), LlamaOptions(threads=1, reply_tokens=64))
    chat.load()
    return chat


def ask(chat: LlamaChat, *messages: Message, cancel: CancelToken | None = None) -> list[str]:
    return list(chat.stream(messages, cancel or CancelToken(TurnId(1))))


def user(text: str) -> Message:
    return Message(Role.USER, text)


def test_it_answers_in_pieces_and_again_the_same(chat: LlamaChat) -> None:
    pieces = ask(chat, Message(Role.SYSTEM, "Be brief."), user("Who are you?"))
    assert len(pieces) > 2
    assert "".join(pieces).rstrip().endswith((".", "?", "!"))
    assert ask(chat, Message(Role.SYSTEM, "Be brief."), user("Who are you?")) == pieces


def test_cancel_stops_between_pieces(chat: LlamaChat) -> None:
    cancel = CancelToken(TurnId(1))
    stream = chat.stream([user("Who are you?")], cancel)
    assert next(stream)
    cancel.cancel()
    assert list(stream) == []


def test_a_long_history_is_shortened_from_its_beginning(chat: LlamaChat) -> None:
    old = [user("a very long story " * 20), Message(Role.ASSISTANT, "I see. " * 20)] * 40
    assert ask(chat, *old, user("Who are you?"))


def test_a_message_longer_than_the_window_is_told(chat: LlamaChat) -> None:
    with pytest.raises(ThinkingError, match="fewer words"):
        ask(chat, user("word " * 9000))


def test_the_trained_window_is_read_from_the_head() -> None:
    assert context_length(default_llm()) in range(256, 1 << 20)


def head(*pairs: bytes) -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", 3, 0, len(pairs)) + b"".join(pairs)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (head(text("llama.context_length") + struct.pack("<II", 4, 77)), 77),
        (head(text("a") + struct.pack("<I", 8) + text("b"),
              text("x.context_length") + struct.pack("<IQ", 10, 88)), 88),
        (head(text("a") + struct.pack("<IB", 7, 1)), None),
        (head(text("a") + struct.pack("<I", 9)), None),
        (head(), None),
    ],
)  # fmt: skip
def test_heads(tmp_path: Path, data: bytes, expected: int | None) -> None:
    (tmp_path / "m.gguf").write_bytes(data)
    assert context_length(tmp_path / "m.gguf") == expected


def cut_copy(path: Path) -> None:
    path.write_bytes(default_llm().read_bytes()[:2_000_000])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no language model"),
        (lambda path: path.mkdir(), "no language model"),
        (lambda path: path.write_text("GGUF but no more"), "damaged or not fully copied"),
        (lambda path: path.write_bytes(b"GGUF" + bytes(400)), "damaged or not fully copied"),
        (lambda path: path.write_text("a text"), "not a GGUF"),
        (lambda path: path.touch(), "not a GGUF"),
        (cut_copy, "damaged or not fully copied"),
    ],
)
def test_unusable_files_are_told(tmp_path: Path, make, words: str) -> None:
    path = tmp_path / "m.gguf"
    make(path)
    with pytest.raises(ModelMissingError, match=words):
        LlamaChat(path).load()


def test_what_the_file_says_instead_is_said_where_the_model_guesses(
    chat: LlamaChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "_bound", Bound(0.5, 3, "I am not sure."))
    assert ask(chat, user("Who are you?")) == ["I am not sure."]

    monkeypatch.setattr(chat, "_bound", Bound(-50.0, 3, "I am not sure."))
    sure = ask(chat, user("Who are you?"))
    monkeypatch.setattr(chat, "_bound", None)
    assert sure == ask(chat, user("Who are you?"))
