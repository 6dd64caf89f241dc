"""The page in a real browser. `make test-ui` runs these; without Chromium they are skipped.

FOOTNOTED_SCREENSHOTS=DIR keeps what was seen at both sizes, light and dark.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.types import Paper
from tests.ui.browsing import ask, fresh, opened, ready, reload
from tests.ui.conftest import PAPERS, QUESTION, live, make_bot
from tests.ui.test_render import HOSTILE

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    # Of Gradio and of the browser's driver, as they start and end.
    pytest.mark.filterwarnings("ignore"),
]
FOLLOW_UP = "And does it beat DiskANN?"


def test_ask_click_the_footnote_follow_up_and_reload(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        turn = ask(page, QUESTION)
        mark = turn.locator(".verdict.supported").first
        assert mark.inner_text().split() == ["✓", "supported"] and mark.bounding_box()["width"] < 20
        mark.hover()
        assert "supported, score" in turn.locator(".pop:visible").inner_text()
        turn.locator("a.fn").first.click()
        card = page.locator(".card.lit")
        assert card.locator("mark").inner_text() == (
            "SPANN needs 32 GB of memory for a billion vectors."
        )
        assert card.get_attribute("open") is not None
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.className") == "fn"
        assert "SPANN" in ask(page, FOLLOW_UP).inner_text()
        reload(page)
        ready(page)
        page.wait_for_selector("#history .turn")
        turns = page.locator("#history .turn")
        assert turns.count() == 2 and FOLLOW_UP in turns.last.inner_text()
        turns.first.locator("a.fn").first.click()
        assert "32 GB" in page.locator(".card.lit mark").inner_text()


def test_filters_in_the_question_are_shown_and_then_applied(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        fresh(page)
        box = page.locator("#question textarea")
        box.press_sequentially("Which index is on disk before 2020?", delay=5)
        page.wait_for_selector("#chips .chips")
        assert "year: until 2019" in page.locator("#chips").inner_text()
        turn = ask(page, "Which index is on disk before 2020?")
        titles = turn.locator(".card summary").all_inner_texts()
        assert titles and all("2019" in title for title in titles)


def test_a_dropped_file_can_be_asked_about(browser: Any, site: Any, tmp_path: Path) -> None:
    path = tmp_path / "my [new] papers.jsonl"
    record = {"title": "Zyxomat", "abstract": "Zyxomat kernels compare forty graphs at once."}
    path.write_text(json.dumps(record) + '\n{"title": "bad"}\n')
    with opened(browser, site[0]) as page:
        page.get_by_role("tab", name="Library").click()
        page.locator("#drop input[type=file]").set_input_files(str(path))
        page.wait_for_selector("#jobs .job.done")
        text = page.locator("#jobs .job").first.inner_text()
        assert "1 ingested" in text and "1 rejected" in text and "my [new] papers.jsonl" in text
        reload(page)
        page.get_by_role("tab", name="Library").click()
        page.wait_for_selector("#jobs .job.done")
        page.locator("#jobs summary").first.click()
        assert "no abstract" in page.locator("#jobs").inner_text()
        page.get_by_role("tab", name="Chat").click()
        fresh(page)
        assert "forty graphs" in ask(page, "What do Zyxomat kernels compare?").inner_text()


def test_what_was_said_can_be_exported(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        fresh(page)
        ask(page, QUESTION)
        page.wait_for_selector("#exports a")
        links = {a.inner_text(): a.get_attribute("href") for a in page.locator("#exports a").all()}
    assert list(links) == ["Markdown", "JSON", "BibTeX", "RIS"]
    assert QUESTION in httpx.get(site[0] + links["Markdown"]).text
    assert httpx.get(site[0] + links["JSON"]).json()["turns"][0]["citations"]
    pytest.importorskip("rag.export")
    bibtexparser = pytest.importorskip("bibtexparser")
    found = bibtexparser.parse_string(httpx.get(site[0] + links["BibTeX"]).text)
    titles = [entry["title"].strip("{}") for entry in found.entries]
    assert titles == ["SPANN: Search on disk"]


def test_a_thumb_down_with_a_reason_is_kept(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        fresh(page)
        ask(page, QUESTION)
        page.get_by_role("button", name="Thumbs down").click()
        page.get_by_label("incomplete").click()
        page.get_by_label("In your own words").fill("and the latency?")
        page.get_by_role("button", name="Send").click()
        page.wait_for_selector("#thanks .notice")
    kept = json.loads((site[1] / "feedback.jsonl").read_text().splitlines()[-1])
    assert not kept["good"] and kept["reason"] == "incomplete: and the latency?"


def test_retry_and_edit_bring_the_question_back(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        fresh(page)
        ask(page, QUESTION)
        page.get_by_role("button", name="Edit").click()
        page.wait_for_function(
            "q => document.querySelector('#question textarea').value === q", arg=QUESTION
        )
        page.get_by_role("button", name="Retry").click()
        page.wait_for_function("() => document.querySelectorAll('#history .turn').length === 2")


def test_the_map_leads_to_papers_and_to_a_question(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        page.get_by_role("tab", name="Map").click()
        page.get_by_text("Draw the map").click()
        page.wait_for_selector(".treemap .topic")
        page.locator(".scatter a.tile").first.click()  # a paper without an address of its own
        assert "Protein folding" in page.locator("details.card.lit").inner_text()
        page.locator(".treemap a.tile").first.click()
        topic = page.locator("details.card.lit")
        assert topic.locator("li").count() >= 1
        topic.get_by_role("button", name="Ask about these").click()
        page.wait_for_function("() => document.querySelector('#question textarea').value")


def test_search_marks_the_best_sentence(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        page.get_by_role("tab", name="Search").click()
        page.get_by_placeholder("Words, or a title").fill("memory for a billion vectors")
        page.keyboard.press("Enter")
        page.wait_for_selector("#found .results li")
        best = page.locator("#found .best").first.inner_text()
        assert "32 GB of memory" in best
        assert "2021" in page.locator("#facets").inner_text()


def test_the_keyboard_is_enough(browser: Any, site: Any) -> None:
    with opened(browser, site[0]) as page:
        fresh(page)
        page.locator("#talks").click(position={"x": 2, "y": 2})
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("/")
        page.keyboard.type(QUESTION)
        page.keyboard.press("Enter")
        page.wait_for_selector("#history .turn a.fn")
        for _ in range(60):
            page.keyboard.press("Shift+Tab")
            if page.evaluate("document.activeElement.className") == "fn":
                break
        page.keyboard.press("Enter")
        assert page.locator(".card.lit mark").is_visible()
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_it_fits_and_axe_finds_no_serious_fault(
    browser: Any, site: Any, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    size = {"width": width, "height": 900}
    with opened(browser, site[0], viewport=size, color_scheme=scheme) as page:
        fresh(page)
        ask(page, QUESTION).locator("a.fn").first.click()
        ask(page, "What is the capital of France according to xylophone players?")
        page.wait_for_timeout(300)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if folder := os.environ.get("FOOTNOTED_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/chat-{scheme}-{width}.png", full_page=True)
        found = axe.run(page).response["violations"]
    assert wide <= width
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [n["html"][:120] for n in v["nodes"]][:3]) for v in serious] == []


def test_nothing_hostile_runs_leaves_or_covers(browser: Any, tmp_path: Path) -> None:
    marked = "Quokka index facts: "
    papers = [
        Paper(
            f"{payload} {n}", f"{marked}{payload}. The quokka index {n} needs {n} GB. {payload}",
            id=f"h{n}", authors=(payload,), year=2020, venue=payload[:200],
            url="https://example.org/x", categories=(payload,),
        )
        for n, payload in enumerate(HOSTILE)
    ]  # fmt: skip
    reply = " ".join(
        f"The quokka index needs {n} GB {p} [{n % 8 + 1}]." for n, p in enumerate(HOSTILE)
    )
    backend = {"name": "scripted", "llm_kwargs": {"replies": reply}}
    with (
        make_bot(tmp_path / "home", [*papers, *PAPERS], backend=backend) as bot,
        live(bot, page=True) as (url, _),
        opened(browser, url) as page,
    ):
        turn = ask(page, f"How many GB does the quokka index need? {HOSTILE[1]} {HOSTILE[2]}")
        for note in turn.locator("a.fn").all()[:10]:
            note.click()
        bad = tmp_path / "<img src=x onerror=alert(1)>.jsonl"
        bad.write_text(json.dumps({"title": HOSTILE[0]}) + "\n")
        page.get_by_role("tab", name="Library").click()
        page.locator("#drop input[type=file]").set_input_files(str(bad))
        page.wait_for_selector("#jobs .job.done")
        page.get_by_role("tab", name="Search").click()
        page.get_by_placeholder("Words, or a title").fill("quokka index <script>alert(1)</script>")
        page.keyboard.press("Enter")
        page.wait_for_selector("#found .results li")
        page.get_by_role("tab", name="Map").click()
        page.get_by_text("Draw the map").click()
        page.wait_for_selector(".treemap .topic")
        page.get_by_role("tab", name="Chat").click()
        page.get_by_role("button", name="Rename").click()
        page.get_by_label("Title of this conversation").fill(HOSTILE[0])
        page.get_by_role("button", name="Save the title").click()
        page.wait_for_function(
            "t => document.querySelector('#talks label').innerText.includes(t)", arg=HOSTILE[0][:9]
        )
        page.get_by_role("button", name="Which papers").click()
        page.get_by_label("Venue", exact=True).and_(page.locator("input:visible")).click()
        page.get_by_role("option").nth(1).click()
        page.wait_for_selector("#chips .chips")
        shown = page.content()
        covering = page.evaluate(
            "() => [...document.querySelectorAll('#history *, #found *, .map *')].filter(e => "
            "getComputedStyle(e).position === 'fixed').length"
        )
        forms = page.evaluate("() => [...document.forms].filter(f => f.action).length")
        frames = len(page.frames)
    assert covering == 0 and forms == 0 and frames == 1
    assert not re.search(r"<img[^>]+evil|href=\"(javascript|http://evil)", shown)


def test_the_policy_blocks_a_script_even_if_markup_got_in(browser: Any, site: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(site[0])
    page.wait_for_selector("#question textarea")
    ran = page.evaluate(
        """async () => {
            window.ran = false;
            const box = document.createElement('div');
            box.innerHTML = '<img src=x onerror="window.ran = true">';
            document.body.append(box);
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(script);
            await new Promise(done => setTimeout(done, 500));
            return window.ran;
        }"""
    )
    context.close()
    assert ran is False
