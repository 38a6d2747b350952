"""A language model behind any OpenAI-compatible server, streamed over HTTP.

The one place of the assistant that opens a connection, and only to the address the user gave.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from app.core.errors import InputError, ServerError
from app.core.ports import Clock
from app.core.turn import CancelToken
from app.core.types import Message
from app.thinking.toolcalls import ToolBox, ToolCalls

if TYPE_CHECKING:
    import httpx

KEY_VARIABLES = ("PARLEY_LLM_KEY", "OPENAI_API_KEY")
# Requests for one answer: the last goes without tools, so that words must come.
_TOOL_ROUNDS = 4
_REFUSES_TOOLS = (400, 422, 500, 501)


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Which model is asked, and how long to wait for what.

    ``first_s`` is for the first word of an answer, ``stall_s`` for each further one.
    """

    model: str = ""
    reply_tokens: int = 256
    temperature: float = 0.0
    connect_s: float = 5.0
    first_s: float = 30.0
    stall_s: float = 15.0


class _NoToolsError(Exception):
    """The server refused a request that offers tools."""


class ServerChat:
    """The ``ChatModel`` on a server."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        key: str | None = None,
        options: ServerOptions | None = None,
        tools: ToolBox | None = None,
    ) -> None:
        self._url = endpoint(url)
        self.place = shown(self._url)
        self._clock = clock
        self._key = key
        self._options = options or ServerOptions()
        self._tools = tools

    def load(self) -> None:
        """Nothing to load: whether the server answers shows when it is asked."""

    def stream(self, messages: Sequence[Message], cancel: CancelToken) -> Iterator[str]:
        """The answer piece by piece.

        Raises:
            ServerError: when the server is down, slow, refuses, breaks off or talks nonsense.
        """
        talk: list[dict[str, Any]] = [
            {"role": str(message.role), "content": message.content} for message in messages
        ]
        for rounds_left in reversed(range(_TOOL_ROUNDS)):
            calls = ToolCalls()
            body = self._body(talk)
            if self._tools is not None and rounds_left:
                body["tools"] = self._tools.schemas()
            try:
                yield from self._answer(body, calls, cancel)
            except _NoToolsError:
                # This server or model knows no tools: do without from now on.
                self._tools = None
                continue
            if self._tools is None or not calls.calls or cancel.cancelled:
                return
            talk += calls.answered(self._tools, self._clock.now())

    def _answer(self, body: dict[str, Any], calls: ToolCalls, cancel: CancelToken) -> Iterator[str]:
        """One request and the texts of its answer; asked-for tools go into ``calls``."""
        import httpx

        options = self._options
        timeout = httpx.Timeout(max(options.first_s, options.stall_s), connect=options.connect_s)
        started = False
        try:
            with (
                httpx.Client(timeout=timeout, trust_env=False) as client,
                client.stream("POST", self._url, json=body, headers=self._headers()) as response,
            ):
                if response.status_code != 200:
                    response.read()
                    if "tools" in body and response.status_code in _REFUSES_TOOLS:
                        raise _NoToolsError
                    raise self._refused(response)
                for text in self._texts(response, calls):
                    if cancel.cancelled:
                        return
                    started = True
                    yield text
        except httpx.ConnectTimeout as error:
            raise self._unreachable() from error
        except httpx.TimeoutException as error:
            raise self._slow(started) from error
        except httpx.ConnectError as error:
            raise self._unreachable() from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise self._broke_off(started) from error
        except httpx.InvalidURL as error:
            raise InputError(
                f"{self.place} is not an address of a server: give one like "
                "http://127.0.0.1:8080/v1 with --llm."
            ) from error

    def _body(self, talk: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            # Servers with one model need no name; those with many say so when it is missing.
            "model": self._options.model or "default",
            "messages": talk,
            "stream": True,
            "max_tokens": self._options.reply_tokens,
            "temperature": self._options.temperature,
        }

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "text/event-stream"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers

    def _texts(self, response: httpx.Response, calls: ToolCalls) -> Iterator[str]:
        """The texts of a stream of events, or the whole of an answer that is not streamed."""
        if response.headers.get("content-type", "").startswith("application/json"):
            response.read()
            yield from self._pieces(response.text, "message", calls)
            return
        deadline = self._clock.monotonic_s() + self._options.first_s
        started = finished = False
        for line in response.iter_lines():
            # A server may keep the line warm with comments while nothing comes.
            if self._clock.monotonic_s() > deadline:
                raise self._slow(started)
            if not line.startswith("data:"):
                if line.startswith(("{", "<")):
                    raise self._nonsense()
                continue
            data = line.removeprefix("data:").strip()
            if data == "[DONE]":
                return
            finished = finished or _finish_reason(data)
            for text in self._pieces(data, "delta", calls):
                started = True
                deadline = self._clock.monotonic_s() + self._options.stall_s
                yield text
        if not finished:
            raise self._broke_off(started)

    def _pieces(self, data: str, part: str, calls: ToolCalls) -> Iterator[str]:
        """The text in one JSON object of the chat format."""
        try:
            parsed: Any = json.loads(data)
        except ValueError as error:
            raise self._nonsense() from error
        if not isinstance(parsed, dict):
            raise self._nonsense()
        if parsed.get("error"):
            raise ServerError(
                f"The language model's server at {self.place} reported an error "
                f"({_reason(parsed)}): look at its log or try again."
            )
        choices = parsed.get("choices")
        if choices is None or not isinstance(choices, list):
            raise self._nonsense()
        for choice in choices[:1]:
            piece = choice.get(part) if isinstance(choice, dict) else None
            if not isinstance(piece, dict):
                continue
            calls.add(piece.get("tool_calls"))
            text = piece.get("content")
            if isinstance(text, str) and text:
                yield text

    def _refused(self, response: httpx.Response) -> ServerError:
        status = response.status_code
        where = f"The language model's server at {self.place}"
        if status in (401, 403):
            return ServerError(
                f"{where} refused the key: set {KEY_VARIABLES[0]} or {KEY_VARIABLES[1]} "
                "in the environment."
            )
        if status == 404:
            return ServerError(
                f"{where} knows no such model or address: check --llm and --llm-model."
            )
        if status == 429:
            return ServerError(f"{where} is busy or its quota is used up: try again later.")
        reason = _reason_of(response.text)
        return ServerError(
            f"{where} answered with error {status}{reason}: look at its log or try again."
        )

    def _unreachable(self) -> ServerError:
        return ServerError(
            f"No language model's server answers at {self.place}: start it or check --llm."
        )

    def _slow(self, started: bool) -> ServerError:
        what = "stopped in the middle of its answer" if started else "did not answer in time"
        return ServerError(
            f"The language model's server at {self.place} {what}: "
            "try again or choose a smaller model."
        )

    def _broke_off(self, started: bool) -> ServerError:
        what = "in the middle of its answer" if started else "before it answered"
        return ServerError(
            f"The language model's server at {self.place} broke off {what}: "
            "look at its log or try again."
        )

    def _nonsense(self) -> ServerError:
        return ServerError(
            f"{self.place} did not answer like an OpenAI-compatible server: check --llm."
        )


def endpoint(url: str) -> str:
    """The chat address of a server given as its root, its ``/v1`` or the whole address.

    Raises:
        InputError: when it is no http address.
    """
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid = False
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid:
        raise InputError(
            f"{url} is not an address of a server: give one like http://127.0.0.1:8080/v1."
        )
    path = parts.path.rstrip("/")
    if not path.endswith("/chat/completions"):
        path = f"{path or '/v1'}/chat/completions"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))


def shown(url: str) -> str:
    """The address without name, password and query, fit for messages and session folders."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    place = f"{host}:{parts.port}" if parts.port else str(host)
    return f"{parts.scheme}://{place}{parts.path.removesuffix('/chat/completions')}"


def key_from(environment: Mapping[str, str]) -> str | None:
    """The server's key, from the first variable that holds one."""
    return next((environment[name] for name in KEY_VARIABLES if environment.get(name)), None)


def _finish_reason(data: str) -> bool:
    """Whether this event says that the answer is complete."""
    try:
        choices = json.loads(data)["choices"]
        return bool(choices and choices[0].get("finish_reason"))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return False


def _reason(parsed: dict[str, Any]) -> str:
    """A short, one-line reason out of an error object."""
    error = parsed.get("error", parsed)
    message = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(message or "no reason given").split()).rstrip(".")[:160]


def _reason_of(text: str) -> str:
    """`` (reason)`` out of an error page that is JSON, else ''."""
    try:
        parsed: Any = json.loads(text)
    except ValueError:
        return ""
    return f" ({_reason(parsed)})" if isinstance(parsed, dict) else ""
