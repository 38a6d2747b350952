"""An OpenAI-compatible server on loopback that answers, refuses, stalls or breaks off as told."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def event(text: str | None = None, finish: str | None = None, **extra: Any) -> bytes:
    """One server-sent event of the chat format."""
    delta = {} if text is None else {"content": text}
    body = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **extra}
    return f"data: {json.dumps(body)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


@dataclass
class Script:
    """What the server does with a request.

    ``parts`` are sent one by one; ``hang_after`` keeps the line open and silent after so many until
    the test ends; ``then`` is for the next request; ``cut`` drops the connection in the middle of the announced length.
    """

    parts: Sequence[bytes] = (
        event("Hello "),
        event("there, my friend."),
        event(None, "stop"),
        DONE,
    )
    status: int = 200
    content_type: str = "text/event-stream"
    hang_after: int | None = None
    cut: bool = False
    keep_alive: bool = False
    then: Script | None = None


@dataclass
class FakeServer:
    """A running server: its address and what it was sent."""

    url: str
    script: Script
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def serving(script: Script) -> Generator[FakeServer]:
    """Run a server in the background for the length of the ``with``."""
    fake = FakeServer("", script)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    server.daemon_threads = False
    fake.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield fake
    finally:
        fake.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def free_address() -> str:
    """An address on which nothing listens."""
    with serving(Script()) as fake:
        return fake.url


def _handler(fake: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            fake.bodies.append(json.loads(self.rfile.read(length)))
            fake.headers.append({name.lower(): value for name, value in self.headers.items()})
            fake.paths.append(self.path)
            with contextlib.suppress(ConnectionError):
                _play(self, fake)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _play(handler: BaseHTTPRequestHandler, fake: FakeServer) -> None:
    script = fake.script
    if script.then is not None:
        fake.script = script.then
    handler.close_connection = True
    if script.hang_after == 0 and not script.keep_alive:
        fake.released.wait(10)
        return
    handler.send_response(script.status)
    handler.send_header("Content-Type", script.content_type)
    body = b"".join(script.parts)
    if script.cut:
        handler.send_header("Content-Length", str(len(body) + 1000))
    handler.send_header("Connection", "close")
    handler.end_headers()
    wait: Callable[[float], bool] = fake.released.wait
    for number, part in enumerate(script.parts):
        if number == script.hang_after:
            break
        handler.wfile.write(part)
        handler.wfile.flush()
    if script.hang_after is not None:
        while not wait(0.02 if script.keep_alive else 10):
            if not script.keep_alive:
                return
            handler.wfile.write(b": still here\n\n")
            handler.wfile.flush()
