"""A visitor at the page, in Debian's Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

CHROMIUM = next(
    (p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None
)
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-dev-shm-usage""".split()
WAIT = 30_000


@contextmanager
def opened(browser: Any, url: str, **options: Any) -> Iterator[Any]:
    """A page of a new visitor; ends with the check that nothing went elsewhere and nothing ran."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
    page = context.new_page()
    page.set_default_timeout(WAIT)
    elsewhere: list[str] = []
    dialogs: list[str] = []
    errors: list[str] = []
    own = (url, "data:", "blob:")
    page.on("request", lambda r: None if r.url.startswith(own) else elsewhere.append(r.url))
    page.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto(url)
    ready(page)
    yield page
    if not page.is_closed():
        page.evaluate("0")  # what was told before this arrives before its answer
    told = list(elsewhere), list(dialogs), own_errors(errors)
    context.close()  # which breaks off what is still being fetched: no error of the page's
    assert told == ([], [], []), told


def own_errors(errors: Sequence[str]) -> list[str]:
    """Without what Gradio logs where a page is left before the server's last word is in."""
    if not any(error.startswith("AbortError: signal is aborted") for error in errors):
        return list(errors)
    left = ("AbortError: signal is aborted", "Unexpected error Connection errored out.")
    return [error for error in errors if not error.startswith(left)]


def ready(page: Any) -> None:
    """Wait for what the server says when a page is opened; the examples come with it."""
    page.wait_for_selector("#question textarea")
    page.wait_for_selector("#examples button", state="attached")


def reload(page: Any) -> None:
    """Load the page again, when the last word of the server is in: else Gradio logs an error."""
    page.wait_for_timeout(400)
    page.reload()


def ask(page: Any, question: str) -> Any:
    """Ask, and wait for the answer; the new turn."""
    before = page.locator("#history .turn").count()
    page.locator("#question textarea").fill(question)
    page.keyboard.press("Enter")
    page.wait_for_function(
        "n => document.querySelectorAll('#history .turn').length > n", arg=before
    )
    return page.locator("#history .turn").last


def fresh(page: Any) -> None:
    page.get_by_role("button", name="New conversation").click()
    page.wait_for_function("() => !document.querySelector('#history .turn')")
