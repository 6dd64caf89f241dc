"""A real HTTP server on loopback that serves while it is open, whatever a test wants of it."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Self


class Loopback:
    """Listens on a free port, at `url`; `meet` answers each request on a thread of its own."""

    def __init__(self) -> None:
        self._closing = Event()
        self._http = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def meet(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        serve = {"poll_interval": 0.01}
        self._thread = Thread(target=self._http.serve_forever, kwargs=serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        meet = self.meet

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with suppress(OSError):  # clients hang up in many of these tests
                    meet(self, body)
                self.close_connection = True

            do_POST = do_GET  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    # Joined on closing, so that no test leaves a thread to the next one.
    daemon_threads = False
    block_on_close = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


def reset_connection(handler: BaseHTTPRequestHandler) -> None:
    """Zero linger turns the close into a reset, which is what a killed server sends."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()
