from __future__ import annotations

import re

from ui.headers import with_nonce

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
