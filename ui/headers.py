"""Response headers that keep a browser from doing what an abstract or a model might ask it to.

Gradio puts its configuration into inline scripts, so each page gets a nonce of its own, set on
the scripts that the server wrote; nothing that is put into the page later has it. No
'unsafe-eval': the page does without the components that need it.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

_POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'none'; "
    "worker-src 'self' blob:; object-src 'none'; frame-src 'none'; frame-ancestors 'none'; "
    "form-action 'self'; base-uri 'self'"
)
_FIXED = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    # Not "no-referrer": a form would then be sent with `Origin: null`, as from another site.
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_TLS = {b"strict-transport-security": b"max-age=31536000"}
_SCRIPT = re.compile(rb"<script\b")
# Gradio's template names scripts, fonts and pictures on other hosts, for embedding and sharing.
_ELSEWHERE = re.compile(
    rb"<script\b[^>]*\bsrc=\"https?://[^>]*>\s*</script>"
    rb"|<link\b[^>]*\bhref=\"https?://[^>]*>"
    rb"|<meta\b[^>]*\b(?:property|name)=\"(?:og|twitter):[^>]*>"
)
_PAGE = b"text/html"
# Their names hold a hash of what is in them: a browser need not ask whether they have changed.
_LASTING, _FOREVER = "/assets/", b"private, max-age=31536000, immutable"

Message = dict[str, Any]


class SecureHeaders:
    """ASGI middleware: the policy on every response, and its nonce in every page."""

    def __init__(self, app: Any, *, tls: bool = False) -> None:
        self._app = app
        self._fixed = list({**_FIXED, **(_TLS if tls else {})}.items())

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        lasting = scope["path"].startswith(_LASTING)
        response = _Response(send, self._fixed, lasting=lasting)
        await self._app(scope, receive, response.take)


class _Response:
    """One response on its way out; a page is held back until it is whole."""

    def __init__(
        self, send: Any, fixed: list[tuple[bytes, bytes]], *, lasting: bool = False
    ) -> None:
        self._send = send
        self._lasting = lasting
        self._fixed = fixed
        self._nonce = secrets.token_urlsafe(16)
        self._held: Message | None = None
        self._body = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = self._headers(message.get("headers", ()))
            if self._lasting and message["status"] == 200:
                named = [(n, v) for n, v in message["headers"] if n != b"cache-control"]
                message["headers"] = [*named, (b"cache-control", _FOREVER)]
            if any(k == b"content-type" and v.startswith(_PAGE) for k, v in message["headers"]):
                self._held = message
                return
        elif self._held is not None:
            await self._page(message)
            return
        await self._send(message)

    def _headers(self, given: Any) -> list[tuple[bytes, bytes]]:
        ours = {name for name, _ in self._fixed} | {b"content-security-policy"}
        kept = [
            (name.lower(), value)
            for name, value in given
            if name.lower() not in ours and not name.lower().startswith(b"access-control-")
        ]
        policy = _POLICY.format(nonce=self._nonce).encode()
        return [*kept, *self._fixed, (b"content-security-policy", policy)]

    async def _page(self, message: Message) -> None:
        assert self._held is not None
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = with_nonce(self._body, self._nonce)
        named = [(n, v) for n, v in self._held["headers"] if n != b"content-length"]
        length = str(len(body)).encode()
        self._held["headers"] = [
            *named,
            (b"content-length", length),
            (b"cache-control", b"no-store"),
        ]
        await self._send(self._held)
        await self._send({"type": "http.response.body", "body": body})


def with_nonce(page: bytes, nonce: str) -> bytes:
    """The page without what it would load from elsewhere, its scripts marked as the server's.

    The mark is set on markup only: what lies inside a script is left as it is, or a title that
    reads `<script` would get it too.
    """
    parts = re.split(rb"(<script\b.*?</script\s*>)", page, flags=re.DOTALL)
    for number, part in enumerate(parts):
        if number % 2 == 0:
            parts[number] = _ELSEWHERE.sub(b"", part)
        elif _ELSEWHERE.fullmatch(part):
            parts[number] = b""
        else:
            parts[number] = _SCRIPT.sub(b'<script nonce="%s"' % nonce.encode(), part, count=1)
    return b"".join(parts)
