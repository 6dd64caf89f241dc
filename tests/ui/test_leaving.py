"""A page that is loaded again, or left, in the middle of an answer: no question is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.servers import ChatServer, event, sends
from tests.ui.browsing import WAIT, ready
from tests.ui.conftest import QUESTION, live, make_bot, scripted
from tests.ui.test_clicking import QUOTE, until
from ui.making import Makings
from ui.options import Options
from ui.service import Asked, Service

in_browser = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),  # of Gradio and the browser's driver
]
END = event(None, "stop") + b"data: [DONE]\n\n"
SLOW = [event(f"word{n} ") for n in range(25)]


def marked(*marks: Any) -> Callable[[Any], Any]:
    def mark(test: Any) -> Any:
        for one in marks:
            test = one(test)
        return test

    return mark


@contextmanager
def writing(tmp_path: Path, *pieces: bytes, **options: Any) -> Iterator[tuple[str, Any, Any]]:
    """A page whose model writes a word each tenth of a second: its address, server and model."""
    with ChatServer(sends(*pieces, gap=0.1)) as llm:
        backend = {"name": "openai", "base_url": llm.url, "model": "m", "api_key": "x"}
        with (
            make_bot(tmp_path / "home", backend=backend) as bot,
            live(bot, page=True, **options) as (url, server),
        ):
            yield url, server, llm


@contextmanager
def visitor(browser: Any, url: str) -> Iterator[Any]:
    """A page; what Gradio logs where a connection is cut off is as it should be."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(url)
    ready(page)
    yield page
    context.close()


def ask_and_see(page: Any, seen: str) -> str:
    """Ask, and wait until so much of the answer is there; the address of the conversation."""
    page.locator("#question textarea").fill(QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_function(
        "seen => document.querySelector('#live .draft')?.textContent.includes(seen)", arg=seen
    )
    page.wait_for_function("() => location.search.startsWith('?conversation=')")
    return str(page.url)


@marked(*in_browser)
def test_a_reload_in_the_middle_of_an_answer_sees_it_through(browser: Any, tmp_path: Path) -> None:
    with (
        writing(tmp_path, *SLOW, event(f"{QUOTE} [1]"), END) as (url, _, llm),
        visitor(browser, url) as page,
    ):
        ask_and_see(page, "word3")
        page.reload()
        page.wait_for_selector("#live .turn.live .draft")
        assert QUESTION in page.locator("#live").inner_text()
        assert "word3" in page.locator("#live .draft").inner_text()
        page.reload()
        page.wait_for_selector("#history .turn")
        turn = page.locator("#history .turn").inner_text()
        assert QUESTION in turn and QUOTE in turn and "cut off" not in turn
        page.wait_for_function("() => !document.querySelector('#live .turn')")
        assert page.locator("#history .turn").count() == 1
        assert len(llm.requests) == 1
        page.reload()
        page.wait_for_selector("#history .turn")
        assert page.locator("#history .turn").count() == 1


@marked(*in_browser)
def test_an_answer_is_there_for_who_left_and_comes_back(browser: Any, tmp_path: Path) -> None:
    with (
        writing(tmp_path, *SLOW[:12], event(f"{QUOTE} [1]"), END) as (url, server, _),
        visitor(browser, url) as page,
    ):
        address = ask_and_see(page, "word3")
        page.goto("about:blank")
        until(lambda: server.service.pool.running == 0)
        page.goto(address)
        page.wait_for_selector("#history .turn")
        assert QUOTE in page.locator("#history").inner_text()


@marked(*in_browser)
def test_what_breaks_off_while_nobody_looks_is_kept_and_marked(
    browser: Any, tmp_path: Path
) -> None:
    with (
        writing(tmp_path, event(f"{QUOTE} [1] "), *SLOW[:12]) as (url, server, _),
        visitor(browser, url) as page,
    ):
        address = ask_and_see(page, "word3")
        page.goto("about:blank")
        until(lambda: server.service.pool.running == 0)
        page.goto(address)
        page.wait_for_selector("#history .turn")
        turn = page.locator("#history").inner_text()
        assert QUOTE in turn and "The answer was cut off before its end." in turn


@marked(*in_browser)
def test_what_took_too_long_is_told_and_the_question_given_back(
    browser: Any, tmp_path: Path
) -> None:
    with (
        writing(tmp_path, *SLOW, *SLOW, END, total_seconds=3) as (url, server, _),
        visitor(browser, url) as page,
    ):
        address = ask_and_see(page, "word3")
        page.goto("about:blank")
        until(lambda: server.service.pool.running == 0)
        page.goto(address)
        page.wait_for_selector("#live .notice.error")
        assert "no answer within 3 seconds" in page.locator("#live").inner_text()
        assert page.locator("#question textarea").input_value() == QUESTION


@marked(*in_browser)
def test_stop_ends_an_answer_also_after_a_reload(browser: Any, tmp_path: Path) -> None:
    with (
        writing(tmp_path, *SLOW, *SLOW, *SLOW, END) as (url, server, _),
        visitor(browser, url) as page,
    ):
        ask_and_see(page, "word3")
        page.reload()
        page.wait_for_selector("#live .turn.live .draft")
        page.locator("#stop").click()
        page.wait_for_selector("#live .notice")
        until(lambda: server.service.pool.running == 0)
        page.wait_for_timeout(500)
        assert "Stopped" in page.locator("#live").inner_text()
        assert page.locator("#question textarea").input_value() == QUESTION
        assert page.locator(".turn").count() == 0


# --- without a browser


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with make_bot(tmp_path / "home", **scripted(f"{QUOTE} [1]")) as bot:
        made = Service(bot, Options(home=bot.home))
        yield made
        made.close()


def asked(service: Service, owner: str = "") -> Asked:
    return Asked(QUESTION, conversation=service.conversations.create(owner), owner=owner)


def test_all_followers_see_all_of_an_answer_and_none_has_to_stay(service: Service) -> None:
    async def run() -> None:
        makings, wanted = Makings(service), asked(service, "ada")
        making = makings.begin(wanted)
        assert makings.of(wanted.conversation, "ada") is making
        assert makings.of(wanted.conversation, "eve") is None
        async for _ in making.follow():
            break  # leaves
        first = [item async for item in making.follow()]
        second = [item async for item in making.follow()]
        assert first == second and first[-1].kind == "answer"
        assert makings.of(wanted.conversation, "ada") is None
        assert len(service.conversations.turns(str(wanted.conversation), "ada")) == 1

    asyncio.run(run())


def test_one_that_is_stopped_ends_for_all_and_leaves_nothing(service: Service) -> None:
    async def run() -> None:
        makings, wanted = Makings(service), asked(service)
        making = makings.begin(wanted)
        makings.stop(wanted.conversation, "eve")
        makings.stop(wanted.conversation, "")
        assert [item async for item in making.follow()] == []
        await asyncio.sleep(0)
        assert makings.of(wanted.conversation, "") is None
        assert service.conversations.turns(str(wanted.conversation)) == []

    asyncio.run(run())


def test_what_failed_is_kept_until_somebody_is_told(service: Service) -> None:
    async def run() -> None:
        makings = Makings(service)
        wanted = Asked("x" * 100_000, conversation=service.conversations.create())
        making = makings.begin(wanted)
        while not making.failed:
            await asyncio.sleep(0.01)
        assert makings.of(wanted.conversation, "") is making
        with pytest.raises(Exception, match="100,000 characters"):
            [item async for item in making.follow()]
        makings.told(making)
        assert makings.of(wanted.conversation, "") is None

    asyncio.run(run())
