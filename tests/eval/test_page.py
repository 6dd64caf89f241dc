"""report.html: self-contained, and deaf to what other people's text would like it to do."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval import plots
from eval.page import page
from eval.report import Report
from eval.runner import figures
from eval.text import judge_text
from eval.worst import badness
from rag.types import Paper

EVIL = '</script><script>alert(1)</script><img src="http://evil.example/x" onerror=alert(2)>{{js}}'


def row(name="q1", refused=False, answerable=True, verdict="supported", **numbers):
    refusal = {"kind": "not_stated", "message": EVIL} if refused else None
    sentences = [] if refused else [{"text": EVIL, "citations": [1]}]
    citation = {"marker": 1, "paper_id": "p", "quote": "One.", "start": 0, "end": 4, "title": EVIL}
    seconds = {"total": 0.5, "first_token": 0.4}
    return {
        "id": name,
        "question": {"id": name, "question": EVIL, "type": EVIL, "answerable": answerable,
                     "key_facts": [[EVIL]], "gold_papers": ["p"]},
        "answer": {"refused": refused, "refusal": refusal, "text": EVIL, "sentences": sentences,
                   "citations": [] if refused else [citation], "seconds": seconds},
        "judged": {"sentences": [] if refused else [{"verdict": verdict, "score": 0.5}]},
        "confidence": 0.5,
        "retrieved": ["p"],
        "rows": {name: [value] for name, value in numbers.items()},
    }  # fmt: skip


@pytest.fixture
def html():
    rows = [row(right=1.0, cites_gold=1.0), row("q2", refused=True)]
    rows[0]["rows"] |= {"aurc": [0.5, 0.0], "calibration_error": [0.5, 1.0]}
    settings = {"backend": {"name": EVIL, "model": None}, "retrieval": {"mode": "hybrid"}}
    data = {
        "dataset": EVIL, "n": 2, "home": EVIL, "created": "2026-01-01T00:00:00",
        "settings": settings,
        "judge": {"name": EVIL, "record": {}}, "notes": [EVIL],
        "left_out": [{"line": 3, "id": EVIL, "why": EVIL}], **figures(rows, 0),
    }  # fmt: skip
    return page(Report(data, rows), {"p": Paper(EVIL, "One. " + EVIL, id="p")})


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_hostile_text_stays_text(html):
    reader = Reader()
    reader.feed(html)
    assert [tag for tag, _ in reader.tags].count("script") == 2
    assert not [tag for tag, _ in reader.tags if tag in {"img", "iframe", "link", "object"}]
    # Nor our own: the policy of `footnoted serve`, which shows the page too, lets none run.
    assert not [a for _, attrs in reader.tags for a in attrs if a.startswith("on")]
    data = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1]
    assert json.loads(data)["questions"][0]["question"] == EVIL
    assert html.count("{{js}}") > 1  # stands in text, and was not filled in


def test_the_page_fetches_nothing(html):
    reader = Reader()
    reader.feed(html)
    policies = [a["content"] for tag, a in reader.tags if a.get("http-equiv")]
    assert policies[0].startswith("default-src 'none'")
    links = [attrs.get("src") or attrs.get("href") for _, attrs in reader.tags]
    assert not [link for link in links if link and not link.startswith("#")]


def test_the_script_never_writes_html(html):
    script = html.rpartition("<script>")[2]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)


def test_worst_first():
    order = [
        row(verdict="contradicted"),
        row(answerable=False),
        row(cites_gold=0.0),
        row(refused=True),
        row(key_facts=0.5),
        row(key_facts=1.0),
    ]
    scores = [badness(r)[0] for r in order]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] == 0.0
    assert badness(order[3])[1] == ["refused, but there is an answer"]


def test_the_judge_is_named_with_its_record():
    assert "never measured" in judge_text({"name": "x", "record": {}})
    record = {"scifact": {"auroc": {"value": 0.761}, "balanced_accuracy": {"value": 0.7}}}
    text = judge_text({"name": "x", "record": record})
    assert "by the grounder 'x'" in text
    assert "scifact AUROC 0.76, balanced accuracy 0.70." in text
    record["scifact"] |= {"fit": "cross-validated", "unseen": {"auroc": {"value": 0.7}}}
    assert "0.70 (cross-validated, AUROC 0.70 when fitted to other sets alone)" in judge_text(
        {"name": "x", "record": record}
    )


@given(st.lists(st.floats(0, 50), max_size=30))
def test_a_histogram_counts_every_value(values):
    svg = plots.histogram(values, "Seconds")
    tall = 230 - 10 - 34
    heights = [float(h) for h in re.findall(r'class="bar"[^>]*height="([\d.]+)"', svg)]
    assert max(heights) == (pytest.approx(tall, abs=0.1) if values else 0.0)


def test_colours_say_good_and_bad():
    assert plots.heat(None, "higher") == plots.heat(0.3, "neither") == ""
    assert "hsl(215" in plots.heat(0.9, "higher")
    assert "hsl(12" in plots.heat(0.9, "lower")
