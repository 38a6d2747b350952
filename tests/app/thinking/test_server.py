"""The model on a server: what is asked, what is understood, and every way it can fail."""

from __future__ import annotations

import json

import pytest

from app.core.clock import SystemClock
from app.core.errors import InputError, ServerError
from app.core.turn import CancelToken, TurnId
from app.core.types import Message, Role
from app.thinking import tools
from app.thinking.server import ServerChat, ServerOptions, endpoint, key_from, shown
from app.thinking.toolcalls import ToolCalls
from tests.fakes.server import DONE, Script, event, free_address, serving

QUICK = ServerOptions(model="m", connect_s=2.0, first_s=0.2, stall_s=0.2)
PATIENT = ServerOptions(model="m")
MESSAGES = [Message(Role.SYSTEM, "be brief"), Message(Role.USER, "hi")]


def ask(url: str, options: ServerOptions = PATIENT, key: str | None = None) -> list[str]:
    """The texts that came, the error's sentence last where there was one."""
    texts: list[str] = []
    chat = ServerChat(url, SystemClock(), key=key, options=options)
    try:
        for text in chat.stream(MESSAGES, CancelToken(TurnId(1))):
            texts.append(text)  # noqa: PERF402  (what came before an error must stay)
    except ServerError as error:
        texts.append(f"! {error}")
    return texts


def test_the_request_and_its_answer() -> None:
    with serving(Script()) as server:
        assert ask(server.url, key="secret") == ["Hello ", "there, my friend."]
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["authorization"] == "Bearer secret"
    body = server.bodies[0]
    assert body["stream"] is True
    assert body["model"] == "m"
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hi"},
    ]


def test_no_key_no_header() -> None:
    with serving(Script()) as server:
        ask(server.url)
    assert "authorization" not in server.headers[0]


def test_an_answer_that_is_not_streamed() -> None:
    body = json.dumps({"choices": [{"message": {"content": "All at once."}}]}).encode()
    with serving(Script([body], content_type="application/json")) as server:
        assert ask(server.url) == ["All at once."]


def test_comments_empty_deltas_and_a_missing_done_are_fine() -> None:
    parts = [
        b": hello\n\n", event(None), b"event: x\n", event("One"), event("", "stop"),
        b'data: {"choices": [], "usage": {}}\n\n',
    ]  # fmt: skip
    with serving(Script(parts)) as server:
        assert ask(server.url) == ["One"]


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (401, b"{}", "refused the key: set PARLEY_LLM_KEY or OPENAI_API_KEY"),
        (403, b"", "refused the key"),
        (404, b"{}", "no such model or address"),
        (429, b"{}", "busy or its quota"),
        (500, b'{"error": {"message": "out of\\nmemory."}}', r"error 500 \(out of memory\)"),
        (502, b"<html>bad gateway</html>", "error 502: look"),
    ],
)
def test_refusals_are_one_sentence(status: int, body: bytes, sentence: str) -> None:
    with serving(Script([body], status=status, content_type="application/json")) as server:
        [told] = ask(server.url, key="secret-key")
    import re

    assert re.search(sentence, told)
    assert "\n" not in told
    assert "secret-key" not in told


def test_a_server_that_is_down() -> None:
    [told] = ask(free_address())
    assert "No language model's server answers" in told


def test_a_server_that_never_answers() -> None:
    with serving(Script(hang_after=0)) as server:
        [told] = ask(server.url, QUICK)
    assert "did not answer in time" in told


def test_a_server_that_stalls_keeps_what_came() -> None:
    with serving(Script(hang_after=1)) as server:
        texts = ask(server.url, QUICK)
    assert texts[0] == "Hello "
    assert "stopped in the middle" in texts[1]


@pytest.mark.parametrize("after", [0, 1])
def test_comments_do_not_keep_a_stalled_answer_alive(after: int) -> None:
    with serving(Script(hang_after=after, keep_alive=True)) as server:
        told = ask(server.url, QUICK)[-1]
    assert ("middle" if after else "in time") in told


@pytest.mark.parametrize("cut", [True, False])
def test_an_answer_that_breaks_off_keeps_what_came(cut: bool) -> None:
    with serving(Script([event("Half a")], cut=cut)) as server:
        texts = ask(server.url)
    assert texts[0] == "Half a"
    assert "broke off in the middle" in texts[1]


@pytest.mark.parametrize(
    "part",
    [b"data: {broken\n\n", b"data: [1, 2]\n\n", b'data: {"a": 1}\n\n', b"<html>hello</html>\n", b'data: {"choices": 3}\n\n'],
)  # fmt: skip
def test_nonsense_is_told(part: bytes) -> None:
    with serving(Script([part])) as server:
        [told] = ask(server.url)
    assert "did not answer like an OpenAI-compatible server" in told


def test_an_error_inside_the_stream_keeps_what_came() -> None:
    parts = [event("One"), b'data: {"error": {"message": "overloaded"}}\n\n']
    with serving(Script(parts)) as server:
        texts = ask(server.url)
    assert texts[0] == "One"
    assert "(overloaded)" in texts[1]


def test_strange_choices_give_nothing() -> None:
    parts = [b'data: {"choices": [null]}\n\n', b'data: {"choices": [{"delta": 3}]}\n\n', DONE]
    with serving(Script(parts)) as server:
        assert ask(server.url) == []


def test_cancel_stops_between_tokens() -> None:
    token = CancelToken(TurnId(1))
    with serving(Script()) as server:
        stream = ServerChat(server.url, SystemClock(), options=PATIENT).stream(MESSAGES, token)
        assert next(stream) == "Hello "
        token.cancel()
        assert list(stream) == []


def calling(*pieces: dict) -> bytes:
    body = {"choices": [{"delta": {"tool_calls": list(pieces)}, "finish_reason": None}]}
    return f"data: {json.dumps(body)}\n\n".encode()


CALL = [
    calling({"index": 0, "id": "a1", "function": {"name": "spe", "arguments": ""}}),
    calling({"index": 0, "function": {"name": "ll", "arguments": '{"word": '}}),
    calling({"index": 0, "function": {"arguments": '"cat"}'}}),
    event(None, "tool_calls"),
    DONE,
]


def ask_with_tools(url: str) -> str:
    chat = ServerChat(url, SystemClock(), options=PATIENT, tools=tools)
    return "".join(chat.stream(MESSAGES, CancelToken(TurnId(1))))


def test_a_tool_that_the_model_calls_is_run_and_told() -> None:
    with serving(Script(CALL, then=Script())) as server:
        assert ask_with_tools(server.url) == "Hello there, my friend."
    first, second = server.bodies
    assert {tool["function"]["name"] for tool in first["tools"]} >= {"spell", "calculate"}
    asked, told = second["messages"][-2:]
    assert asked["tool_calls"][0]["function"] == {"name": "spell", "arguments": '{"word": "cat"}'}
    assert told["role"] == "tool"
    assert told["tool_call_id"] == "a1"
    assert "C, A, T" in told["content"].upper()


def test_a_wrong_call_is_told_to_the_model() -> None:
    wrong = [calling({"index": 0, "function": {"name": "fly", "arguments": "{}"}}), DONE]
    with serving(Script([*wrong[:1], event(None, "tool_calls"), DONE], then=Script())) as server:
        assert ask_with_tools(server.url) == "Hello there, my friend."
    assert "no tool called" in server.bodies[1]["messages"][-1]["content"]


def test_a_model_that_calls_for_ever_is_asked_for_words() -> None:
    with serving(Script(CALL)) as server:
        assert ask_with_tools(server.url) == ""
    assert len(server.bodies) == 4
    assert "tools" not in server.bodies[-1]


def test_a_server_without_tools_is_asked_without() -> None:
    refusal = Script([b"{}"], status=400, content_type="application/json", then=Script())
    with serving(refusal) as server:
        assert ask_with_tools(server.url) == "Hello there, my friend."
    assert "tools" not in server.bodies[1]


@pytest.mark.parametrize("pieces", [3, [3], [{"index": "x"}], [{"function": 3}], None])
def test_calls_of_unknown_form_are_passed_over(pieces: object) -> None:
    calls = ToolCalls()
    calls.add(pieces)
    assert all(not call.name for call in calls.calls.values())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a:80", "http://a:80/v1/chat/completions"),
        ("http://a/", "http://a/v1/chat/completions"),
        ("https://a/v1/", "https://a/v1/chat/completions"),
        ("https://a/x/openai", "https://a/x/openai/chat/completions"),
        ("https://a/v1/chat/completions", "https://a/v1/chat/completions"),
        ("https://a/v1?x=1", "https://a/v1/chat/completions?x=1"),
    ],
)
def test_addresses_are_completed(url: str, expected: str) -> None:
    assert endpoint(url) == expected


@pytest.mark.parametrize(
    "url", ["ftp://a", "http://", "://", "http://a:99999", "http://[", "a://b c"]
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="not an address of a server"):
        endpoint(url)


def test_addresses_are_shown_without_secrets() -> None:
    assert shown("https://me:pw@host:1/v1/chat/completions?key=abc") == "https://host:1/v1"


def test_the_key_comes_from_the_environment() -> None:
    assert key_from({}) is None
    assert key_from({"OPENAI_API_KEY": "a", "PARLEY_LLM_KEY": ""}) == "a"
    assert key_from({"OPENAI_API_KEY": "a", "PARLEY_LLM_KEY": "b"}) == "b"
