"""A real server on loopback that speaks chat completions, as well or as badly as told.

    with ChatServer(says("Hello ", "there.")) as server:
        backend = OpenAIBackend(BackendSettings(base_url=server.url, model="any"))

Each behaviour takes the connection; the nth request meets the nth, the last one stays.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any

from tests.loopback import Loopback, reset_connection

STREAM = "text/event-stream"
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Wire:
    """One connection, seen from a behaviour."""

    def __init__(self, handler: BaseHTTPRequestHandler, closing: Event, request: Request) -> None:
        self._handler = handler
        self._closing = closing
        self.request = request

    def head(self, status: int = 200, kind: str = STREAM, **headers: str) -> None:
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", kind)
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.end_headers()

    def send(self, data: bytes) -> None:
        self._handler.wfile.write(data)

    def text(self, content: str | None, finish: str | None = None) -> None:
        self.send(event(content, finish))

    def wait(self, seconds: float) -> bool:
        """Wait, but no longer than the test lasts; True when it is over."""
        return self._closing.wait(seconds)

    def reset(self) -> None:
        reset_connection(self._handler)


Behaviour = Callable[[Wire], None]


def event(content: str | None, finish: str | None = None) -> bytes:
    delta = {"role": "assistant", "content": content}
    return data({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def data(chunk: object) -> bytes:
    if isinstance(chunk, dict):
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", **chunk}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def says(*pieces: str, finish: str | None = "stop", done: bool = True) -> Behaviour:
    """The answer `pieces`, well-behaved unless told otherwise."""
    tail = (event(None, finish) if finish else b"") + (DONE if done else b"")
    return sends(*(event(piece) for piece in pieces), tail)


def sends(*packets: bytes, kind: str = STREAM, gap: float = 0.0) -> Behaviour:
    """These bytes, one packet each, and the end of the body."""

    def behave(wire: Wire) -> None:
        wire.head(200, kind)
        for packet in packets:
            wire.send(packet)
            if gap:
                wire.wait(gap)

    return behave


def fails(status: int, body: object, kind: str = "application/json", **headers: str) -> Behaviour:
    """An HTTP error; `body` is sent as JSON unless it is text."""
    text = body if isinstance(body, str) else json.dumps(body)

    def behave(wire: Wire) -> None:
        wire.head(status, kind, Content_Length=str(len(text.encode())), **headers)
        wire.send(text.encode())

    return behave


class ChatServer(Loopback):
    """Keeps what was asked in `requests`."""

    def __init__(self, *behaviours: Behaviour) -> None:
        super().__init__()
        self.url += "/v1"
        self.requests: list[Request] = []
        self._behaviours = behaviours

    def meet(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        request = Request(handler.path, dict(handler.headers), json.loads(body or b"{}"))
        self.requests.append(request)
        turn = min(len(self.requests), len(self._behaviours)) - 1
        self._behaviours[turn](Wire(handler, self._closing, request))


@contextmanager
def closed_port() -> Iterator[str]:
    """The address of a port on which nobody listens, kept from everybody else."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"


def hang(wire: Wire) -> None:
    """Never say a word."""
    wire.wait(30)


def drip(wire: Wire) -> None:
    """Send a byte at a time, never an event's end in time."""
    wire.head()
    for byte in event("slow") * 1000:
        wire.send(bytes([byte]))
        if wire.wait(0.02):
            return
