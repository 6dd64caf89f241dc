"""report.html in a real browser: the worst first, filters that filter, nothing fetched or run."""

from __future__ import annotations

import shutil

import pytest

from eval.page import page
from eval.report import Report
from eval.runner import figures
from rag.types import Paper
from tests.eval.test_page import EVIL, row

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore"),  # of the browser's driver
]
CHROMIUM = next((p for n in ("chromium", "chromium-browser") if (p := shutil.which(n))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


def forty():
    """Ten contradicted, one refused in error, one refused in right, the others without a fault."""
    bad = [row(f"bad-{i}", verdict="contradicted", right=0.0) for i in range(10)]
    lost = row("lost", refused=True)
    right = row("right", refused=True, answerable=False)
    fine = [row(f"fine-{i}", right=1.0, cites_gold=1.0, key_facts=1.0) for i in range(28)]
    rows = [*fine, *bad, right, lost]
    for one in rows:
        one["question"] |= {"question": f"Asked {one['id']}? {EVIL}", "type": one["id"][:3]}
    return rows


@pytest.fixture
def report(tmp_path):
    rows = forty()
    settings = {"backend": {"name": "b", "model": None}, "retrieval": {"mode": "hybrid"}}
    data = {
        "dataset": "forty", "n": 40, "home": "h", "created": "2026-01-01T00:00:00",
        "settings": settings, "judge": {"name": "x", "record": {}}, "notes": [], "left_out": [],
        **figures(rows, 0),
    }  # fmt: skip
    path = tmp_path / "report.html"
    path.write_text(page(Report(data, rows), {"p": Paper(EVIL, "One. " + EVIL, id="p")}))
    return path


@pytest.fixture
def seen(report):
    if CHROMIUM is None:
        pytest.skip("no Chromium here; .ci/install-chromium sees to one")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        shown = browser.new_page(viewport={"width": 1280, "height": 900})
        wrong = []
        own = report.as_uri()
        shown.on("request", lambda r: None if r.url == own else wrong.append(r.url))
        shown.on("dialog", lambda d: (wrong.append(d.message), d.dismiss()))
        shown.on("pageerror", lambda e: wrong.append(str(e)))
        shown.goto(own)
        yield shown
        browser.close()
    assert wrong == []


def titles(seen):
    return [text.split("?")[0].removeprefix("Asked ") for text in
            seen.locator("article h3").all_inner_texts()]  # fmt: skip


def test_the_ten_worst_come_first_with_the_reason_and_the_evidence(seen):
    first = titles(seen)[:11]
    assert {name[:3] for name in first[:10]} == {"bad"}
    assert first[10] == "lost"
    worst = seen.locator("article").first
    assert "1 sentences contradicted" in worst.inner_text()
    worst.locator("summary").click()
    assert worst.locator("mark").first.inner_text() == "One."


def test_filters(seen):
    for what, expected in (("wrongly-refused", {"lost"}), ("refused", {"lost", "right"})):
        seen.select_option("#what", what)
        assert set(titles(seen)) == expected
    seen.select_option("#what", "")
    seen.select_option("#type", "bad")
    assert seen.locator("#count").inner_text() == "10 of 40"
    seen.select_option("#type", "")
    seen.fill("#find", "fine-7")
    assert titles(seen) == ["fine-7"]
    seen.fill("#find", "")
    assert len(titles(seen)) == 25
    seen.click("#more")
    assert len(titles(seen)) == 40


def test_a_narrow_screen_scrolls_only_downwards(seen):
    seen.set_viewport_size({"width": 390, "height": 844})
    wide = seen.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390
