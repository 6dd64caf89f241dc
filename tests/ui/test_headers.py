from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from ui.headers import SecureHeaders, with_nonce

TEMPLATE = (
    b'<head><meta property="og:image" content="https://raw.githubusercontent.com/x.jpg" />'
    b'<link rel="preconnect" href="https://fonts.googleapis.com" />'
    b'<link rel="stylesheet" href="./assets/a.css">'
    b'<script>window.config = {"t": "<script src=x>"};</script>'
    b'<script src="https://cdnjs.cloudflare.com/x.js" async></script>'
    b'<script type="module" src="./assets/i.js"></script></head>'
)


def test_only_the_servers_own_scripts_get_the_nonce() -> None:
    page = with_nonce(TEMPLATE, "N")
    assert page.count(b'nonce="N"') == 2
    assert b'"<script src=x>"' in page  # a title that says so is left alone


def test_nothing_is_loaded_from_elsewhere() -> None:
    page = with_nonce(TEMPLATE, "N")
    assert not re.search(rb"https?://", page)
    assert b'href="./assets/a.css"' in page


@pytest.mark.parametrize(
    ("path", "status", "kept"),
    [("/assets/index-Dphv.js", 200, True), ("/assets/gone.js", 404, False), ("/x", 200, False)],
)
def test_what_is_named_by_its_hash_is_kept_by_the_browser(
    path: str, status: int, kept: bool
) -> None:
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/javascript"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def take(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path}
    asyncio.run(SecureHeaders(app)(scope, None, take))
    found = [value for name, value in sent[0]["headers"] if name == b"cache-control"]
    assert len(found) == 1 and (b"immutable" in found[0]) == kept
