"""What an operator sees: one JSON line a request, and numbers for Prometheus.

No line holds a question, a key, an answer or an abstract; `log_text` adds the question.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from rag.types import Answer

LOG = logging.getLogger("footnoted.ui")
_REQUEST_ID = re.compile(r"[\w.-]{1,64}")
_STAGES = ("retrieve", "rank", "first_token", "generate", "verify", "total")
# Up to where a person would have left.
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)

Scope = dict[str, Any]


class Meters:
    """The numbers of one server; a registry of its own, so that two can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter(
            "footnoted_requests", "HTTP requests", ["route", "method", "status"], **made
        )
        self.request_seconds = Histogram(
            "footnoted_request_seconds", "Time to the end of a response", ["route"],
            buckets=_BUCKETS, **made,
        )  # fmt: skip
        self.answers = Counter(
            "footnoted_answers", "Answers, by how they ended", ["backend", "outcome"], **made
        )
        self.stage_seconds = Histogram(
            "footnoted_answer_stage_seconds", "Time of each stage of an answer", ["stage"],
            buckets=_BUCKETS, **made,
        )  # fmt: skip
        self.sentences = Counter(
            "footnoted_sentences", "Sentences written, by verdict", ["verdict"], **made
        )
        self.turned_away = Counter(
            "footnoted_turned_away", "Requests refused by a limit", ["reason"], **made
        )
        self._made = made

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        Gauge(f"footnoted_{name}", text, **self._made).set_function(read)

    def count(self, answer: Answer) -> None:
        outcome = answer.refusal.kind if answer.refusal else "answered"
        self.answers.labels(answer.backend, outcome).inc()
        for stage in _STAGES:
            self.stage_seconds.labels(stage).observe(answer.seconds.get(stage, 0.0))
        for sentence in answer.sentences:
            self.sentences.labels(sentence.verdict).inc()

    def text(self) -> bytes:
        return generate_latest(self.registry)


class JsonLines(logging.Formatter):
    """A record as one JSON object; what was given as `extra={"fields": ...}` goes into it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)


def log(message: str, level: int = logging.INFO, **fields: Any) -> None:
    LOG.log(level, message, extra={"fields": fields})


@contextmanager
def logging_to_stderr() -> Iterator[None]:
    """While the server runs: a library configures no logging."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    LOG.addHandler(handler)
    before, LOG.propagate = (LOG.level, LOG.propagate), False
    LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.level, LOG.propagate = before


def request_id(scope: Scope) -> str:
    """The caller's X-Request-ID where it is a plain one, else a new one."""
    given = header(scope, b"x-request-id")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def header(scope: Scope, name: bytes) -> str:
    """One header of a request, empty where it is absent."""
    found = next((value for key, value in scope.get("headers", ()) if key == name), b"")
    return str(found.decode("latin-1"))


class Observed:
    """ASGI middleware: names each request, times it, logs it, counts it."""

    def __init__(self, app: Any, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name, started, status = request_id(scope), time.perf_counter(), 500
        scope["footnoted.request_id"] = name

        async def sending(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", name.encode())]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route, method = route_of(scope), scope["method"]
        self._meters.requests.labels(route, method, status).inc()
        self._meters.request_seconds.labels(route).observe(seconds)
        log(
            "request",
            id=scope["footnoted.request_id"],
            method=method,
            route=route,
            status=status,
            seconds=round(seconds, 4),
            client=(scope.get("client") or ("",))[0],
            user=scope.get("footnoted.user"),
        )


def route_of(scope: Scope) -> str:
    """The route's template: a path may hold what somebody searched for, and there are endless."""
    template = getattr(scope.get("route"), "path", None)
    if template:
        return str(template)
    first = scope.get("path", "/").strip("/").split("/")[0]
    return {"": "/", "gradio_api": "/gradio_api", "assets": "/assets"}.get(first, "other")
