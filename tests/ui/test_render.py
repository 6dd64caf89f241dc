from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.types import Answer, Citation, Nearest, Paper, Refusal, Sentence
from tests.ui.conftest import PAPERS
from ui import render, shelf

HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "![](http://evil.example/?q=1)",
    "[click](javascript:alert(1))", "</div></details><h1>over</h1>", "<svg/onload=alert(1)>",
    "<style>*{background:url(http://evil.example)}</style>", "<form action=http://evil.example>",
    "<div style='position:fixed;inset:0'>cover</div>", '" onmouseover="alert(1)',
    "<iframe src=http://evil.example></iframe>", "<base href=http://evil.example/>",
    "a\n\n# b\n\n<script>alert(2)</script>", "`x` $$\\href{javascript:alert(1)}{x}$$",
    "{{constructor.constructor('alert(1)')()}} ${alert(1)}", "\u202eevil", "&lt;script&gt;",
]  # fmt: skip
TAGS = {
    "div", "p", "span", "a", "details", "summary", "mark", "h2", "h3", "h4", "ul", "ol", "li", "b",
    "button", "section", "small", "table", "thead", "tbody", "tr", "td", "th",
}  # fmt: skip


class Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.odd: list[Any] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "href":
                self.links.append(value or "")
            elif name == "style":
                safe = all(
                    part.split(":")[0].strip() in ("left", "top", "width", "height", "")
                    for part in (value or "").split(";")
                )
                self.odd += [] if safe else [value]
            elif name not in ("class", "id", "open", "role", "tabindex", "type", "rel"):
                self.odd.append(name)


def answer(**changes: Any) -> Answer:
    paper = PAPERS[0]
    quote = "SPANN needs 32 GB of memory for a billion vectors."
    start = paper.abstract.index(quote)
    cited = Citation(
        1, paper.id, paper.title, paper.authors, paper.year, paper.venue, paper.url, quote, start,
        start + len(quote), 0.9,
    )  # fmt: skip
    made = Answer(
        "abc123", "How much memory?", "How much memory?", f"{quote} [1]",
        (Sentence(quote, (1,), "supported", 0.9),), (cited,), seconds={"total": 1.0},
        backend="extractive",
    )  # fmt: skip
    return replace(made, **changes)


def shown(found: Answer, *papers: Paper) -> str:
    return render.turn(found.to_dict(), {paper.id: paper for paper in papers or PAPERS})


def test_a_footnote_leads_to_the_card_with_its_sentence_marked() -> None:
    html = shown(answer())
    assert "<mark>SPANN needs 32 GB of memory for a billion vectors.</mark>" in html
    assert 'href="#fn-abc123-1"' in html and 'id="fn-abc123-1"' in html
    assert html.count("<mark>") == 1
    assert 'href="https://example.org/spann"' in html


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("supported", "✓ supported"), ("partial", "◐ partly"), ("unsupported", "✕ not supported"),
     ("contradicted", "≠ contradicted")],
)  # fmt: skip
def test_verdicts_are_said_in_words_and_shape(verdict: Any, words: str) -> None:
    sentence = Sentence("It needs 32 GB.", (1,), verdict, 0.5)
    html = shown(answer(sentences=(sentence,)))
    assert words in re.sub("<[^>]+>", "", html) and f'class="sentence {verdict}"' in html


def test_what_is_supported_is_marked_quietly_with_words_for_those_who_hear_or_point() -> None:
    html = shown(answer())
    assert '<span class="verdict supported">✓<span class="sr"> supported</span></span>' in html
    assert '<span class="pop" role="tooltip">supported, score 0.90</span>' in html
    assert "score" not in html.partition('class="sources"')[2]
    doubtful = shown(answer(sentences=(Sentence("It is.", (1,), "partial", 0.5),)))
    assert '<span class="verdict partial">◐ partly supported</span>' in doubtful


def test_a_paper_that_is_gone_or_changed_says_so_and_keeps_the_quote() -> None:
    quote = "SPANN needs 32 GB of memory for a billion vectors."
    gone = render.turn(answer().to_dict(), {})
    changed = shown(answer(), replace(PAPERS[0], abstract="Something else."))
    assert "no longer in the collection" in gone and f"<mark>{quote}</mark>" in gone
    assert "its abstract has changed" in changed and f"<mark>{quote}</mark>" in changed


def test_a_refusal_looks_like_one_and_lists_the_nearest() -> None:
    refusal = Refusal("not_in_collection", "Nothing answers that.")
    near = (Nearest("fold", "Protein folding with attention", 0.3),)
    html = shown(answer(refusal=refusal, sentences=(), citations=(), nearest=near))
    assert 'class="refusal"' in html and "No answer in this collection" in html
    assert "Protein folding" in html and 'class="sentence' not in html


def test_the_clipboard_gets_the_footnotes_too() -> None:
    text = render.plain(answer().to_dict())
    assert text.startswith("SPANN needs 32 GB") and "[1] SPANN: Search on disk (2021)." in text
    assert "\n" not in shown(answer())


@pytest.mark.parametrize("payload", HOSTILE)
def test_nothing_hostile_gets_through_anywhere(payload: str) -> None:
    paper = Paper(
        payload, payload + " tail", id=payload, authors=(payload,), venue=payload,
        url=f"javascript:{payload}", categories=(payload,),
    )  # fmt: skip
    cited = Citation(
        1, payload, payload, (payload,), 2020, payload, payload, payload, 0, len(payload), 0.5
    )
    found = answer(
        id=payload, question=payload, standalone_question=payload + "?", text=payload,
        sentences=(Sentence(payload, (1,), "partial", 0.1),), citations=(cited,), model=payload,
    )  # fmt: skip
    refused = answer(
        refusal=Refusal("not_stated", payload), nearest=(Nearest(payload, payload, 0.1),)
    )
    for html in (
        render.turn(found.to_dict(), {payload: paper}), render.turn(found.to_dict(), {}),
        render.turn(refused.to_dict(), {payload: paper}), render.live(payload, payload, payload),
        render.notice(payload, payload), shelf.papers([paper], "all", removable=True),
        shelf.twins([[paper, paper]], 1, removable=True),
    ):  # fmt: skip
        check(html)


@given(st.text(), st.text())
def test_any_text_stays_text(one: str, other: str) -> None:
    check(render.live(one, other, one + other))


def check(html: str) -> None:
    read = Reader(html)
    assert set(read.tags) <= TAGS
    assert read.odd == []
    assert all(link.startswith("#") for link in read.links)
    assert "\n" not in html  # a blank line would end the block and let Markdown begin


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "//evil.example", "http://u:p@evil.example/",
     "https://ok.example/\" onclick=\"x", "ftp://x.example", "http://[", "", None],
)  # fmt: skip
def test_addresses_that_are_no_links(url: str | None) -> None:
    assert render.web_link(url) == ""


def test_an_address_that_is_one() -> None:
    assert render.web_link("https://arxiv.org/abs/1") == "https://arxiv.org/abs/1"
