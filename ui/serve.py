"""Runs the server until it is told to stop, and then lets what is being answered be answered."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from types import FrameType
from typing import Any

import uvicorn

from rag.chatbot import Chatbot
from rag.errors import ConfigError
from ui.app import Server
from ui.observe import log, logging_to_stderr
from ui.options import Options

_FLUSH_SECONDS = 0.5  # for the last bytes to leave after the last answer is made


class _Uvicorn(uvicorn.Server):
    """Stops on SIGTERM once nothing is in the making; open pages do not hold it up."""

    def __init__(
        self, config: uvicorn.Config, started: Callable[[], None], drained: Callable[[], Any]
    ) -> None:
        super().__init__(config)
        self._started = started
        self._drained = drained

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:  # asked twice: now
            self.force_exit = True
            return
        log("stopping", signal=signal.Signals(sig).name)
        self.should_exit = True
        threading.Thread(target=self._drain, name="drain", daemon=True).start()

    def _drain(self) -> None:
        self._drained()
        time.sleep(_FLUSH_SECONDS)
        self.force_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, but a page's endless connection is cut when the answers are out."""
        stopping = asyncio.ensure_future(super().shutdown(sockets))
        while not stopping.done() and not self.force_exit:
            await asyncio.wait({stopping}, timeout=0.05)
        if not stopping.done():
            stopping.cancel()
            for task in list(self.server_state.tasks):
                task.cancel()
            await asyncio.wait({stopping}, timeout=1.0)


def serve(bot: Chatbot, options: Options, *, say: Callable[[str], None], page: bool = True) -> int:
    """Serve until SIGTERM or Ctrl-C. Raises ConfigError for a port that is taken."""
    started = time.perf_counter()
    with closing(_listen(options)) as listener, logging_to_stderr():
        say("loading the page" if page else "loading the service")
        server = Server(bot, options, page=page)
        say("opening the index and the model")
        server.service.warm()
        papers = server.service.canary()["papers"] or 0
        where = f"http://{_shown(options.host)}:{listener.getsockname()[1]}"

        def ready() -> None:
            seconds = time.perf_counter() - started
            say(f"ready after {seconds:.1f} s: {papers:,} papers at {where}")

        config = uvicorn.Config(
            server.app, log_level="warning", access_log=False, server_header=False,
            timeout_keep_alive=30, limit_concurrency=1000, h11_max_incomplete_event_size=65_536,
            lifespan="on", http="h11",
        )  # fmt: skip
        _Uvicorn(config, ready, server.close).run([listener])
        finished = server.close()
    say("stopped" if finished else "stopped; some answers took too long to wait for")
    return 0


def _listen(options: Options) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host.strip("[]"), options.port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot serve on {options.host}:{options.port}: {error.strerror or error}. "
            f"Choose another with --port."
        ) from error
    return listener


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def say_to_stderr(message: str) -> None:
    sys.stderr.write(f"footnoted: {message}\n")
    sys.stderr.flush()
