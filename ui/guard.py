"""Turns away what should not come in, before anything reads it.

In order: a host name that is not ours, a write that another site sent, routes that the page does
not need, too many requests, nobody known, a body that is too long.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException

from ui.access import Access, Sessions, Window
from ui.observe import Meters, header
from ui.options import Options
from ui.service import LOCAL

COOKIE = "footnoted_session"
# Gradio brings many more routes than the page needs; what is not named here does not exist.
_GRADIO = (
    "info", "heartbeat", "queue/join", "queue/data", "call", "upload", "upload_progress", "file=",
    "reset", "cancel", "startup-events", "theme.css", "run", "api", "app_id", "login_check",
)  # fmt: skip
_NO_PAGES = ("/monitoring", "/svelte", "/custom_component", "/gradio_api/deep_link", "/pwa_icon")
_OPEN = {"/healthz", "/readyz", "/login", "/favicon.ico", "/ui/page.css"}
_UPLOADS = {"/api/ingest", "/gradio_api/upload"}
_UNCOUNTED = ("/healthz", "/readyz", "/metrics", "/assets/", "/gradio_api/heartbeat", "/ui/")
# What a page says while somebody types or a file is read, many times a minute. A question that
# comes this way is counted once more, by itself, in Service.pace.
_CHATTER, _CHATTER_TIMES = "/gradio_api/queue/", 20

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Guard:
    """ASGI middleware in front of everything; sets `scope["footnoted.user"]`."""

    def __init__(
        self, app: Any, options: Options, access: Access, sessions: Sessions, meters: Meters
    ) -> None:
        self._app = app
        self._options = options
        self._access = access
        self._sessions = sessions
        self._meters = meters
        self._hosts = options.hosts()
        self._requests = Window(options.rate, 60.0)
        self._chatter = Window(options.rate * _CHATTER_TIMES, 60.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks over a websocket
            await send({"type": "websocket.close", "code": 1008})
            return
        user = self._user(scope)
        refused = self._refused(scope, user)
        if refused is not None:
            await _reply(scope, send, *refused)
            return
        scope["footnoted.user"] = user
        await self._limited(scope, receive, send)

    def _refused(self, scope: Scope, user: str | None) -> tuple[int, str, float] | None:
        """Status, reason, and after how many seconds to try again; None where all is well."""
        return self._wrong_door(scope) or self._not_now(scope, user) or self._too_long(scope)

    def _wrong_door(self, scope: Scope) -> tuple[int, str, float] | None:
        if self._hosts and _host(header(scope, b"host")) not in self._hosts:
            return self._turn_away("host", 421, "unknown host name; see --allow-host")
        if scope["method"] not in ("GET", "HEAD") and not _same_origin(scope):
            return self._turn_away("origin", 403, "another site may not send this")
        return None if _exists(scope["path"]) else (404, "not found", 0)

    def _not_now(self, scope: Scope, user: str | None) -> tuple[int, str, float] | None:
        path = scope["path"]
        wait = 0.0 if path.startswith(_UNCOUNTED) else self._wait(scope, user)
        if wait:
            return self._turn_away("rate", 429, "too many requests", wait)
        if user is None and path not in _OPEN:
            return self._turn_away("login", 401, "say who you are: log in, or send a token")
        if self._options.read_only and path in _UPLOADS and scope["method"] == "POST":
            return self._turn_away("read_only", 403, "this collection is read-only here")
        return None

    def _wait(self, scope: Scope, user: str | None) -> float:
        key = user if user not in (None, LOCAL) else client_of(scope)
        window = self._chatter if scope["path"].startswith(_CHATTER) else self._requests
        wait = window.wait(str(key))
        if not wait:
            window.add(str(key))
        return wait

    def _too_long(self, scope: Scope) -> tuple[int, str, float] | None:
        length = header(scope, b"content-length")
        if length.isdigit() and int(length) > self._limit(scope["path"]):
            return self._turn_away("size", 413, f"at most {self._limit(scope['path']):,} bytes")
        return None

    def _limit(self, path: str) -> int:
        return self._options.max_upload if path in _UPLOADS else self._options.max_body

    def _turn_away(
        self, reason: str, status: int, message: str, wait: float = 0.0
    ) -> tuple[int, str, float]:
        self._meters.turned_away.labels(reason).inc()
        return status, message, wait

    def _user(self, scope: Scope) -> str | None:
        if not len(self._access):
            return LOCAL
        kind, _, token = header(scope, b"authorization").partition(" ")
        if kind.lower() == "bearer":
            return self._access.user_of_token(token.strip())
        name = self._sessions.read(_cookie(scope))
        # One whose line was taken out of the file is no longer let in.
        return name if name and self._access.knows(name) else None

    async def _limited(self, scope: Scope, receive: Receive, send: Any) -> None:
        """Count the body as it comes: its length may not have been said, or not truly."""
        limit, seen = self._limit(scope["path"]), 0

        async def receiving() -> dict[str, Any]:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                self._turn_away("size", 413, "")
                raise HTTPException(413, f"at most {limit:,} bytes")
            return message

        await self._app(scope, receiving, send)


def client_of(scope: Scope) -> str:
    """The address a request came from; uvicorn has set it from X-Forwarded-For if told to."""
    return str((scope.get("client") or ("unknown",))[0])


def _exists(path: str) -> bool:
    if path.startswith("/gradio_api/"):
        rest = path.removeprefix("/gradio_api/")
        return any(rest == name or rest.startswith((f"{name}/", "file=")) for name in _GRADIO)
    return not path.startswith(_NO_PAGES)


def _host(value: str) -> str:
    try:
        return urlsplit(f"//{value}").hostname or ""
    except ValueError:
        return ""


def _same_origin(scope: Scope) -> bool:
    """A browser says where a write comes from; a program says nothing, and is no browser."""
    if header(scope, b"sec-fetch-site") == "cross-site":
        return False
    origin = header(scope, b"origin")
    if not origin:
        return True
    try:
        return urlsplit(origin).netloc.lower() == header(scope, b"host").lower()
    except ValueError:
        return False


def _cookie(scope: Scope) -> str:
    try:
        morsel = SimpleCookie(header(scope, b"cookie")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


async def _reply(scope: Scope, send: Any, status: int, message: str, wait: float) -> None:
    page = "text/html" in header(scope, b"accept") and scope["method"] == "GET"
    if status == 401 and page:
        await _send(send, 303, b"", [(b"location", b"/login")])
        return
    headers = [(b"content-type", b"application/json")]
    if wait:
        headers.append((b"retry-after", str(int(wait) + 1).encode()))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await _send(send, status, error_json(message, status), headers)


async def _send(send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    sized = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": sized})
    await send({"type": "http.response.body", "body": body})


def error_json(message: str, status: int) -> bytes:
    """The one shape of an error, which OpenAI's clients understand as well."""
    error = {"message": message, "type": "error", "code": status}
    return json.dumps({"error": error}).encode()
