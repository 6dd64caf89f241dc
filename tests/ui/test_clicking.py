"""Each thing on the page that can be clicked, clicked in a real browser."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.cli import main
from rag.types import Paper
from tests.servers import ChatServer, event, sends
from tests.ui.browsing import ask, fresh, opened, ready, reload
from tests.ui.conftest import PAPERS, QUESTION, live, make_bot
from ui.access import Access

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),  # of Gradio and the browser's driver
]
QUOTE = "SPANN needs 32 GB of memory for a billion vectors."
TWINS = [
    Paper(
        "Zebra graphs for the search of vectors", "Zebra graphs find neighbours twice as fast.",
        id=name, authors=("Ada Lewis",), year=2022, venue=venue,
    )
    for name, venue in (("zebra-preprint", "arXiv"), ("zebra-published", "VLDB"))
]  # fmt: skip
BIB = """@article{okapi2024, title = {Okapi indexes}, author = {Rothschild, Lea}, year = {2024},
  journal = {Journal of Tests}, abstract = {Okapi indexes need seven bytes for each vector.}}
@article{nothing, title = {Without an abstract}}
"""


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A collection with one work under two ids, and two runs of an evaluation."""
    home = tmp_path_factory.mktemp("twins") / "home"
    with make_bot(home, [*PAPERS, *TWINS]) as bot:
        _runs(home)
        with live(bot, page=True) as (url, _):
            yield url, home


def _runs(home: Path) -> None:
    (home / "footnoted.toml").write_text(
        '[embedding]\nname = "hashing"\n[store]\nname = "memory"\n[answer]\nrefuse_below = 0.0\n'
    )
    questions = home.parent / "questions.jsonl"
    asked = [
        {"id": "q1", "question": QUESTION, "gold_papers": ["spann"], "key_facts": [["32 gb"]]},
        {"id": "q2", "question": "What predicts how a protein folds?", "gold_papers": ["fold"]},
    ]
    questions.write_text("".join(f"{json.dumps(line)}\n" for line in asked))
    for mode in ("lexical", "dense"):
        out = str(home / "runs" / mode)
        flags = ["--home", str(home), "--mode", mode, "--out", out, "--quiet"]
        assert main(["eval", "run", str(questions), *flags]) == 0


def until(done: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def tab(page: Any, name: str) -> None:
    """Go to a tab; on a phone some of them are in a menu."""
    found = page.get_by_role("tab", name=name)
    if found.count() and found.first.is_visible():
        found.first.click()
        return
    page.locator(".overflow-menu > button").first.click()
    page.locator(".overflow-dropdown button", has_text=name).first.click()


def test_stop_ends_the_answer_and_gives_the_question_back(browser: Any, tmp_path: Path) -> None:
    slow = [event(f"word{n} ") for n in range(200)]
    quick = [event(f"{QUOTE} [1]"), event(None, "stop") + b"data: [DONE]\n\n"]
    with ChatServer(sends(*slow, gap=0.1), sends(*quick)) as llm:
        backend = {"name": "openai", "base_url": llm.url, "model": "m", "api_key": "x"}
        with (
            make_bot(tmp_path / "home", backend=backend) as bot,
            live(bot, page=True) as (url, server),
            opened(browser, url) as page,
        ):
            assert not page.locator("#stop").is_visible()
            page.locator("#question textarea").fill(QUESTION)
            page.keyboard.press("Enter")
            page.wait_for_function(
                "() => document.querySelector('#live .draft')?.textContent.includes('word5')"
            )
            assert "writing" in page.locator("#live .status").inner_text()
            page.locator("#question textarea").fill("what comes to mind meanwhile")
            page.wait_for_timeout(500)  # some more words have come
            assert page.locator("#question textarea").input_value().startswith("what comes")
            page.locator("#stop").click()
            page.wait_for_selector("#live .notice")
            until(lambda: server.service.pool.running == 0)
            page.wait_for_timeout(1000)  # a word that was on its way has come by now
            assert "Stopped" in page.locator("#live").inner_text()
            assert page.locator("#question textarea").input_value() == QUESTION
            assert page.locator(".turn").count() == 0 and page.locator("#talks label").count() == 0
            page.locator("#ask").click()
            page.wait_for_selector("#history .turn")
            assert QUOTE in page.locator("#history .turn").inner_text()
            assert page.locator("#talks label").count() == 1


def test_who_waits_is_told_the_place_and_then_answered(browser: Any, tmp_path: Path) -> None:
    slow = [event(f"word{n} ") for n in range(25)]
    quick = [event(f"{QUOTE} [1]")]
    end = event(None, "stop") + b"data: [DONE]\n\n"
    with ChatServer(sends(*slow, end, gap=0.1), sends(*quick, end)) as llm:
        backend = {"name": "openai", "base_url": llm.url, "model": "m", "api_key": "x"}
        with (
            make_bot(tmp_path / "home", backend=backend) as bot,
            live(bot, page=True, concurrent=1, waiting=1) as (url, _),
            opened(browser, url) as first,
            opened(browser, url) as second,
            opened(browser, url) as third,
        ):
            for page, seen in (
                (first, "#live .draft"),
                (second, "#live :text('busy, place 1')"),
                (third, "#live .notice.error"),
            ):
                page.locator("#question textarea").fill(QUESTION)
                page.keyboard.press("Enter")
                page.wait_for_selector(seen)
            assert "1 question waits already" in third.locator("#live").inner_text()
            assert third.locator("#question textarea").input_value() == QUESTION
            for page in (first, second):
                page.wait_for_selector("#history .turn")


def test_retry_asks_again_and_edit_brings_the_question_back(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        fresh(page)
        ask(page, QUESTION)
        page.get_by_role("button", name="Retry").click()
        page.wait_for_function("() => document.querySelectorAll('#history .turn').length === 2")
        questions = page.locator("#history .question").all_inner_texts()
        assert len(questions) == 2 and all(q.endswith(QUESTION) for q in questions)
        page.get_by_role("button", name="Edit").click()
        page.wait_for_function(
            "q => document.querySelector('#question textarea').value === q", arg=QUESTION
        )
        page.locator("#question textarea").fill(f"{QUESTION} And DiskANN?")
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.querySelectorAll('#history .turn').length === 3")


def test_copy_takes_the_footnotes_along(browser: Any, site: Any) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    with opened(browser, site[0], permissions=allowed) as page:
        fresh(page)
        turn = ask(page, QUESTION)
        turn.get_by_role("button", name="Copy with footnotes").click()
        page.wait_for_function(
            "() => document.querySelector('#history button.copy').textContent === 'Copied'"
        )
        copied = page.evaluate("navigator.clipboard.readText()")
    lines = copied.splitlines()
    assert "[1]" in lines[0]
    first = next(n for n, line in enumerate(lines) if line.startswith("[1] "))
    assert lines[first] == "[1] SPANN: Search on disk (2021). https://example.org/spann"
    assert lines[first + 1].strip() == f"“{QUOTE}”"


def test_copy_shows_the_text_where_the_clipboard_is_closed(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        page.add_init_script("delete Navigator.prototype.clipboard")
        reload(page)
        ready(page)
        fresh(page)
        ask(page, QUESTION).get_by_role("button", name="Copy with footnotes").click()
        page.wait_for_selector("#history .plain.shown")
        assert QUOTE in page.evaluate("getSelection().toString()")


def test_a_conversation_is_renamed_opened_and_deleted(browser: Any, site: Any) -> None:
    labels = "[...document.querySelectorAll('#talks label')].map(l => l.innerText.trim())"
    with opened(browser, site[0]) as page:
        fresh(page)
        ask(page, QUESTION)
        page.get_by_role("button", name="Rename").click()
        title = page.get_by_label("Title of this conversation")
        assert title.input_value() == QUESTION
        title.fill("Memory <b>of</b> indexes")
        page.get_by_role("button", name="Save the title").click()
        page.wait_for_function(f"() => {labels}[0] === 'Memory <b>of</b> indexes (1)'")
        fresh(page)
        ask(page, "What predicts how a protein folds?")
        page.locator("#talks label", has_text="Memory <b>").click()
        page.wait_for_function(
            "q => document.querySelector('#history .question').textContent.includes(q)",
            arg=QUESTION,
        )
        reload(page)
        ready(page)
        page.locator("#talks label", has_text="Memory <b>").click()
        page.wait_for_selector(f"#history .question:has-text('{QUESTION}')")
        page.locator("#talk-tools").get_by_role("button", name="Delete").click()
        page.get_by_role("button", name="Keep it").click()
        assert page.locator("#history .turn").count() == 1
        page.locator("#talk-tools").get_by_role("button", name="Delete").click()
        page.get_by_role("button", name="Delete it").click()
        page.wait_for_function(f"() => !{labels}.some(l => l.includes('Memory'))")
        assert page.locator("#history .turn").count() == 0
        reload(page)
        ready(page)
        page.wait_for_selector("#talks label")
        assert page.locator("#history .turn").count() == 0
        assert not any("Memory" in label for label in page.evaluate(labels))


def test_a_bib_that_is_dropped_can_be_asked_about(browser: Any, tmp_path: Path) -> None:
    with (
        make_bot(tmp_path / "home") as bot,
        live(bot, page=True) as (url, _),
        opened(browser, url) as page,
    ):
        assert "3 papers" in page.locator("#head").inner_text()
        tab(page, "Library")
        data = page.evaluate_handle(
            """text => { const data = new DataTransfer();
            data.items.add(new File([atob(text)], "papers.bib", {type: "text/plain"}));
            return data; }""",
            base64.b64encode(BIB.encode()).decode(),
        )
        page.dispatch_event("#drop button", "drop", {"dataTransfer": data})
        page.wait_for_selector("#jobs .job.done")
        said = page.locator("#jobs .job").first.inner_text()
        assert "papers.bib" in said and "1 ingested" in said and "1 rejected" in said
        page.wait_for_function("() => document.querySelector('#head').innerText.includes('4 pap')")
        assert "Okapi indexes" in page.locator("#library").inner_text()
        tab(page, "Chat")
        turn = ask(page, "How many bytes do Okapi indexes need for each vector?")
        assert "seven bytes" in turn.inner_text()
        turn.locator("a.fn").first.click()
        assert "Rothschild" in page.locator(".card.lit").inner_text()


def pick(page: Any, label: str, choice: str) -> None:
    page.get_by_label(label, exact=True).and_(page.locator("input:visible")).click()
    page.get_by_role("option", name=choice).click()


def test_venue_and_category_are_picked_from_lists_with_counts(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        fresh(page)
        page.get_by_role("button", name="Which papers").click()
        pick(page, "Venue", "NeurIPS (2)")
        page.wait_for_selector("#chips :text('venue: NeurIPS')")
        pick(page, "Category", "cs.DB (1)")
        page.wait_for_selector("#chips :text('category: cs.DB')")
        turn = ask(page, "How much memory does it need for a billion points?")
        cards = turn.locator(".card summary").all_inner_texts()
        assert cards and all("DiskANN: Graphs" in card for card in cards)
        page.get_by_role("button", name="Clear these").click()
        page.wait_for_function("() => !document.querySelector('#chips .chips')")
        tab(page, "Search")
        pick(page, "Venue", "Nature (1)")
        page.get_by_placeholder("Words, or a title").fill("memory for a billion vectors")
        page.keyboard.press("Enter")
        page.wait_for_selector("#found .results li")
        titles = page.locator("#found .card summary").all_inner_texts()
        assert len(titles) == 1 and "Protein folding" in titles[0]


def test_filters_can_be_typed_and_what_is_no_year_is_told(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        fresh(page)
        page.get_by_role("button", name="Which papers").click()
        years = page.get_by_label("Years").and_(page.locator("input:visible, textarea:visible"))
        years.fill("soon")
        page.wait_for_selector("#chips .notice.error")
        years.fill("2023-")
        author = page.get_by_label("Author").and_(page.locator("input:visible, textarea:visible"))
        author.fill("Lewis")
        page.wait_for_selector("#chips :text('author: Lewis')")
        turn = ask(page, "What needs memory?")
        assert "SPANN" not in turn.locator(".card").all_inner_texts()


def test_the_backend_and_the_policy_are_chosen(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        fresh(page)
        page.get_by_role("button", name="Who answers, and how").click()
        page.get_by_label("leave it out").click()
        assert "extractive" in ask(page, QUESTION).locator(".origin").inner_text()
        page.get_by_role("button", name="Thumbs up").click()
        page.wait_for_selector("#thanks .notice")
    kept = json.loads((site[1] / "feedback.jsonl").read_text().splitlines()[-1])
    assert kept["good"] is True and kept["question"] == QUESTION


def test_an_example_is_a_question(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        fresh(page)
        example = page.locator("#examples button").first
        asked = example.inner_text().strip()
        example.click()
        page.wait_for_selector("#history .turn")
        assert asked in page.locator("#history .question").inner_text()
        assert not page.locator("#examples button").first.is_visible()


def test_two_runs_are_compared(browser: Any, twins: Any) -> None:
    with opened(browser, twins[0]) as page:
        tab(page, "Evaluation")
        page.wait_for_selector("#runs table")
        heads = page.locator("#runs thead th").all_inner_texts()
        assert set(heads) == {"Metric", "dense", "lexical"}
        page.get_by_role("button", name="Compare").click()
        page.wait_for_selector("#compared table")
        said = page.locator("#compared").inner_text()
        assert "no difference to be seen" in said
        assert "A: lexical" in said and "B: dense" in said
        pick(page, "with B", "lexical")
        page.get_by_role("button", name="Compare").click()
        page.wait_for_selector("#compared .notice.error")
        with page.expect_popup() as opening:
            page.locator("#runs a", has_text="dense").click()
        report = opening.value
        report.wait_for_load_state()
        assert report.url.endswith("/ui/runs/dense/report.html")
        assert QUESTION in report.locator("body").inner_text()  # which its own script writes


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_every_tab_fits_and_axe_finds_no_serious_fault(
    browser: Any, twins: Any, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    size = {"width": width, "height": 900}
    found: list[Any] = []
    with opened(browser, twins[0], viewport=size, color_scheme=scheme) as page:
        for name, seen in (
            ("Search", "#found"), ("Library", "#twins .twin"), ("Map", "#map"),
            ("Evaluation", "#runs table"),
        ):  # fmt: skip
            tab(page, name)
            page.wait_for_selector(seen, state="attached")
            if name == "Map":
                page.get_by_text("Draw the map").click()
                page.wait_for_selector(".treemap .topic")
            page.wait_for_timeout(300)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            found += [(name, v) for v in axe.run(page).response["violations"]]
    serious = [(n, v) for n, v in found if v["impact"] in ("serious", "critical")]
    assert [(n, v["id"], [x["html"][:120] for x in v["nodes"]][:3]) for n, v in serious] == []


def test_a_twin_is_listed_and_deleted(browser: Any, twins: Any) -> None:
    with opened(browser, twins[0]) as page:
        tab(page, "Library")
        page.wait_for_selector("#twins .twin")
        assert "1 work is here more than once" in page.locator("#twins").inner_text()
        assert page.locator("#twins .card").count() == 2
        button = page.locator("#twins li li", has_text="zebra-preprint").locator("button.remove")
        button.click()
        assert "Really delete?" in button.inner_text()
        button.click()
        page.wait_for_function("() => !document.querySelector('#twins .twin')")
        page.wait_for_function("() => document.querySelector('#head').innerText.includes('4 pap')")
        left = page.locator("#library").inner_text()
        assert "zebra-published" in left and "zebra-preprint" not in left
        card = page.locator("#library .card", has_text="zebra-published")
        card.locator("summary").click()
        card.locator("button.remove").click()
        page.wait_for_timeout(4300)  # who does not mean it need not say so
        assert "Really" not in card.locator("button.remove").inner_text()
        page.get_by_role("button", name="Delete several at once").click()
        page.get_by_label("Their ids, one a line").fill("zebra-published\nnowhere")
        page.get_by_role("button", name="Delete these papers").click()
        page.wait_for_selector("#said .notice")
        assert "1 of 2 deleted" in page.locator("#said").inner_text()
        page.wait_for_function("() => document.querySelector('#head').innerText.includes('3 pap')")


def test_a_read_only_page_offers_no_way_to_add_or_delete(browser: Any, tmp_path: Path) -> None:
    with (
        make_bot(tmp_path / "home", [*PAPERS, *TWINS]) as bot,
        live(bot, page=True, read_only=True) as (url, _),
        opened(browser, url) as page,
    ):
        tab(page, "Library")
        page.wait_for_selector("#twins .twin")
        assert page.locator("button.remove, #drop input").count() == 0
        assert "read-only" in page.locator(".notice:visible").first.inner_text()
        tab(page, "Chat")
        assert QUOTE in ask(page, QUESTION).inner_text()


def test_typing_does_not_use_up_what_may_be_asked(browser: Any, tmp_path: Path) -> None:
    with (
        make_bot(tmp_path / "home") as bot,
        live(bot, page=True, per_minute=12) as (url, _),
        opened(browser, url) as page,
    ):
        box = page.locator("#question textarea")
        for _ in range(3):
            box.fill("")
            box.press_sequentially(QUESTION, delay=20)
        assert QUOTE in ask(page, QUESTION).inner_text()
        for _ in range(11):
            page.locator("#question textarea").fill("?")
            page.keyboard.press("Enter")
            page.wait_for_timeout(300)
        page.locator("#question textarea").fill(QUESTION)
        page.keyboard.press("Enter")
        page.wait_for_selector("#live .notice.error")
        assert "Ask again in" in page.locator("#live").inner_text()


def test_each_logs_in_to_conversations_of_their_own(browser: Any, tmp_path: Path) -> None:
    password = "correct horse battery"
    with make_bot(tmp_path / "home") as bot:
        for name in ("ada", "bob"):
            Access(bot.home / "access").add_user(name, password)
        with live(bot, page=True) as (url, _):
            pages = {}
            for name in ("ada", "bob"):
                page = pages[name] = browser.new_context().new_page()
                page.goto(url)
                assert page.url.endswith("/login")
                page.get_by_label("Name").fill(name)
                page.get_by_label("Password").fill("wrong horse battery")
                page.keyboard.press("Enter")
                page.wait_for_selector("[role=alert]")
                page.get_by_label("Name").fill(name)
                page.get_by_label("Password").fill(password)
                page.keyboard.press("Enter")
                ready(page)
                if name == "ada":
                    ask(page, QUESTION)
            assert pages["bob"].locator("#history .turn, #talks label").count() == 0
            reload(pages["ada"])
            ready(pages["ada"])
            pages["ada"].wait_for_selector("#history .turn")
            pages["ada"].get_by_role("button", name="Log out").click()
            pages["ada"].wait_for_selector("#password")
            pages["ada"].goto(url)
            assert pages["ada"].url.endswith("/login")
            for page in pages.values():
                page.context.close()


def test_a_new_browser_begins_a_new_conversation_and_a_reload_keeps_it(
    browser: Any, tmp_path: Path
) -> None:
    with make_bot(tmp_path / "home") as bot, live(bot, page=True) as (url, _):
        with opened(browser, url) as page:
            ask(page, QUESTION)
            page.wait_for_function("() => location.search.startsWith('?conversation=')")
        with opened(browser, url) as page:
            assert page.locator("#history .turn").count() == 0
            page.wait_for_selector("#talks label")  # the list is at hand
            reload(page)
            ready(page)
            assert page.locator("#history .turn").count() == 0
            ask(page, "What beats DiskANN?")
            page.wait_for_function("() => location.search.startsWith('?conversation=')")
            first = page.url
            reload(page)
            page.wait_for_selector("#history .turn")
            assert "What beats DiskANN?" in page.locator("#history").inner_text()
            page.locator("#talks label").nth(1).click()
            page.wait_for_function("u => location.href !== u", arg=first)
            reload(page)
            page.wait_for_selector("#history .turn")
            assert QUESTION in page.locator("#history").inner_text()
            fresh(page)
            page.wait_for_function("() => !location.search")
            reload(page)
            ready(page)
            assert page.locator("#history .turn").count() == 0
            page.goto(f"{url}/?conversation=nobodys")
            ready(page)
            assert page.locator("#history .turn").count() == 0
