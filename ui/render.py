"""Answers -> HTML. Pure functions; everything from outside is escaped, and cleaned once more.

The HTML is one line: it travels in a Markdown component, which leaves a block of HTML alone until
the first blank line and cleans it a second time in the browser. Links lead to footnotes on the
page, or to the http(s) address of a paper that the library holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlsplit

import nh3

from rag import _small_talk
from rag.types import LISTED, Hit, Paper

# Controls, and the signs that turn the direction of text around.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
_TAGS = {
    "a", "article", "b", "blockquote", "br", "button", "details", "div", "em", "h2", "h3", "h4",
    "li", "mark", "ol", "p", "pre", "section", "small", "span", "strong", "summary", "table",
    "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {
    "*": {"class", "id", "role", "tabindex"},
    "a": {"href"},
    "button": {"type"},
    "details": {"open"},
    "div": {"style"},  # the map's tiles are placed by it
    "span": {"style"},
}
_STYLES = {"left", "top", "width", "height"}
_VERDICTS = {
    "supported": ("✓", "supported"),
    "partial": ("◐", "partly supported"),
    "unsupported": ("✕", "not supported by any source"),
    "contradicted": ("≠", "contradicted by the source"),
}
_REFUSED = {
    "not_in_collection": "No answer in this collection",
    "not_stated": "The abstracts do not say",
    "empty_collection": "No papers yet",
    "backend_failed": "The answer could not be written",
}
_AUTHORS = 4

Turn = Mapping[str, Any]
Papers = Mapping[str, Paper]


def text(value: object) -> str:
    """Text for HTML, on one line."""
    return escape(" ".join(_INVISIBLE.sub("", str(value)).split()))


def clean(html: str) -> str:
    """Only what these functions write may pass, whatever a mistake in them let in."""
    kept = nh3.clean(
        html, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow", filter_style_properties=_STYLES,
    )  # fmt: skip
    return kept.replace("\n", "&#10;")


def history(turns: Sequence[Turn], papers: Papers) -> str:
    """A whole conversation."""
    return clean("".join(f"<div>{_turn(turn, papers)}</div>" for turn in turns))


def turn(answer: Turn, papers: Papers) -> str:
    """One question and its answer, with the sources beside it."""
    return clean(_turn(answer, papers))


def live(question: str, status: str, draft: str = "") -> str:
    """An answer in the making: what is being done, and what is written so far, still unchecked."""
    written = f'<p class="draft">{text(draft)}</p>' if draft else ""
    return clean(
        f'<div class="turn live">{_question(question)}<div class="answer">'
        f'<p class="status" role="status">{text(status)}</p>{written}</div></div>'
    )


def place(conversation: str | None) -> str:
    """Which conversation is open, for page.js: it keeps that in the page's address."""
    return clean(f'<p class="conversation-id">{text(conversation or "")}</p>')


def notice(message: str, kind: str = "note") -> str:
    """Something to tell the user, in a box; `kind` is note or error."""
    role = "alert" if kind == "error" else "status"
    return clean(f'<div class="notice {text(kind)}" role="{role}"><p>{text(message)}</p></div>')


def plain(answer: Turn) -> str:
    """An answer as text with its footnotes, for the clipboard."""
    lines = [answer["text"], ""]
    for c in answer["citations"]:
        year = f" ({c['year']})" if c["year"] else ""
        lines.append(f"[{c['marker']}] {c['title']}{year}. {c['url'] or ''}".rstrip())
        lines.append(f"    “{c['quote']}”")
    return "\n".join(lines).strip() + "\n"


def web_link(url: str | None) -> str:
    """The address if it is an http(s) one with a host, else nothing."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    safe = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    return url if safe and not re.search(r"[\s<>\"'\\]", url) else ""


def hits(found: Sequence[Hit], spans: Sequence[tuple[int, int]]) -> str:
    """Search results; the span of each is its best sentence."""
    if not found:
        return notice("No paper matches.")
    items = (
        f"<li>{card(hit.paper, span, f'hit-{hit.rank}', _score(hit.score), shut=False)}</li>"
        for hit, span in zip(found, spans, strict=True)
    )
    return clean(f'<div class="results"><ol>{"".join(items)}</ol></div>')


def bars(counts: Mapping[str, int], title: str) -> str:
    """A histogram in words and bars; each bar is as long as its share of the longest."""
    most = max(counts.values(), default=0)
    if not most:
        return ""
    rows = "".join(
        f'<tr><th>{text(name)}</th><td><span class="bar" style="width:{100 * n / most:.0f}%">'
        f"</span></td><td>{n:,}</td></tr>"
        for name, n in counts.items()
    )
    return f'<section class="bars"><h3>{text(title)}</h3><table>{rows}</table></section>'


def facets(groups: Iterable[tuple[str, Mapping[str, int]]]) -> str:
    return clean(f'<div class="facets">{"".join(bars(c, name) for name, c in groups)}</div>')


def _turn(answer: Turn, papers: Papers) -> str:
    key = text(answer["id"])[:12]
    body = _refusal(answer, papers, key) if answer["refusal"] else _body(answer, key)
    cited = [_source(c, papers.get(c["paper_id"]), key) for c in answer["citations"]]
    sources = f'<div class="sources"><h3>Sources</h3>{"".join(cited)}</div>' if cited else ""
    return (
        f'<div class="turn">{_question(answer["question"])}'
        f'<div class="answer">{body}{_origin(answer)}</div>{sources}</div>'
    )


def _question(question: str) -> str:
    return f'<h3 class="question"><span class="sr">You asked: </span>{text(question)}</h3>'


def _body(answer: Turn, key: str) -> str:
    quotes = {c["marker"]: c for c in answer["citations"]}
    first = answer["sentences"][:1]
    sentences = " ".join(
        f"{'<br>' if s.get('lead') and s not in first else ''}{_sentence(s, quotes, key)}"
        for s in answer["sentences"]
    )
    cut = "The answer was cut off before its end." if answer["truncated"] else ""
    cut = f'<p class="notice error">{cut}</p>' if cut else ""
    copied = escape(_INVISIBLE.sub("", plain(answer)))
    return (
        f'<p class="sentences">{sentences}</p>{cut}'
        f'<div class="tools"><button type="button" class="copy">Copy with footnotes</button>'
        f'<span class="plain">{copied}</span></div>'
    )


def _sentence(sentence: Mapping[str, Any], quotes: Mapping[int, Any], key: str) -> str:
    verdict = sentence["verdict"] if sentence["verdict"] in _VERDICTS else "unsupported"
    notes = "".join(_footnote(n, quotes[n], key) for n in sentence["citations"] if n in quotes)
    lead = f'<b class="lead">{text(sentence["lead"])}:</b> ' if sentence.get("lead") else ""
    marks = f"{notes}{_verdict(verdict, sentence['score'])}"
    if verdict == "supported":  # the sign alone would look lost at the beginning of a line
        marks = f'<span class="marks">{marks}</span>'
    return f'{lead}<span class="sentence {verdict}">{text(sentence["text"])}</span>{marks}'


def _verdict(verdict: str, score: float) -> str:
    """What was found of a sentence: in words, unless all is well; then a sign, and words for ears.

    How sure it is stands in what shows beneath the pointer.
    """
    sign, words = _VERDICTS[verdict]
    said = f'<span class="sr"> {words}</span>' if verdict == "supported" else f" {words}"
    return (
        f'<span class="note"><span class="verdict {verdict}">{sign}{said}</span>'
        f'<span class="pop" role="tooltip">{words}, {_score(score)}</span></span>'
    )


def _footnote(number: int, citation: Mapping[str, Any], key: str) -> str:
    return (
        f'<span class="note"><a class="fn" href="#fn-{key}-{int(number)}">'
        f'<span class="sr">Footnote </span>{int(number)}</a>'
        f'<span class="pop" role="tooltip"><b>{text(citation["title"])}</b> '
        f"“{text(citation['quote'])}”</span></span>"
    )


def _refusal(answer: Turn, papers: Papers, key: str) -> str:
    refusal, listed = answer["refusal"], _are_listed(answer)
    near = [
        f"<li>{_near(n, papers.get(n['paper_id']), f'near-{key}-{i}')}</li>"
        for i, n in enumerate(answer["nearest"])
    ]
    title = "Papers" if listed else "Nearest papers"
    nearest = f"<h4>{title}</h4><ul>{''.join(near)}</ul>" if near else ""
    head = "By their records" if listed else f"∅ {_REFUSED.get(refusal['kind'], 'No answer')}"
    heading = "" if _small_talk.reply(answer["question"]) else f"<h4>{head}</h4>"
    return f'<div class="refusal">{heading}<p>{text(refusal["message"])}</p>{nearest}</div>'


def _are_listed(answer: Turn) -> bool:
    """Whether the papers below are what was asked for, not what came near."""
    return bool(answer["nearest"]) and all(n["score"] == LISTED for n in answer["nearest"])


def _score(value: float) -> str:
    return f"score {value:.2f}"


def _near(nearest: Mapping[str, Any], paper: Paper | None, key: str) -> str:
    if paper is None:
        return text(nearest["title"])
    return card(paper, None, key, "" if nearest["score"] == LISTED else _score(nearest["score"]))


def _source(citation: Mapping[str, Any], paper: Paper | None, key: str) -> str:
    """A source's card: the abstract with the supporting sentence marked, if it still holds it."""
    name, lead = f"fn-{key}-{int(citation['marker'])}", f"[{int(citation['marker'])}] "
    start, end, quoted = citation["start"], citation["end"], citation["quote"]
    if paper is not None and paper.abstract[start:end] == quoted:
        return card(paper, (start, end), name, lead=lead)
    gone = "no longer in the collection" if paper is None else "its abstract has changed since"
    return (
        f'<details class="card" id="{name}"><summary>{lead}{text(citation["title"])}</summary>'
        f'<p class="meta">{gone}</p><p class="abstract"><mark>{text(quoted)}</mark></p></details>'
    )


def card(
    paper: Paper, span: tuple[int, int] | None, key: str, note: str = "", *, lead: str = "",
    shut: bool = True, tail: str = "",
) -> str:  # fmt: skip
    """A paper to unfold; `key` is its id on the page, `tail` stands below the abstract.

    Not cleaned yet: it is a part of something.
    """
    meta = " · ".join(part for part in (_authors(paper), *_where(paper), text(note)) if part)
    link = web_link(paper.url)
    host = text(urlsplit(link).hostname or "") if link else ""
    anchor = f'<p class="meta"><a href="{escape(link)}">Open at {host}</a></p>' if link else ""
    best = "" if shut or span is None else _best(paper.abstract, span)
    return (
        f'<details class="card" id="{text(key)}"><summary>{lead}{text(paper.title)}'
        f'<span class="meta">{meta}</span>{best}</summary>'
        f'<p class="abstract">{_marked(paper.abstract, span)}</p>{anchor}{tail}</details>'
    )


def _best(abstract: str, span: tuple[int, int]) -> str:
    return f'<span class="best"><mark>{text(abstract[slice(*span)])}</mark></span>'


def _marked(abstract: str, span: tuple[int, int] | None) -> str:
    if span is None:
        return text(abstract)
    start, end = span
    before, after = text(abstract[:start]), text(abstract[end:])
    return f"{before} <mark>{text(abstract[start:end])}</mark> {after}".strip()


def _authors(paper: Paper) -> str:
    more = f" and {len(paper.authors) - _AUTHORS} more" if len(paper.authors) > _AUTHORS else ""
    return text(", ".join(paper.authors[:_AUTHORS])) + more


def _where(paper: Paper) -> list[str]:
    return [text(part) for part in (paper.year, paper.venue, ", ".join(paper.categories)) if part]


def _origin(answer: Turn) -> str:
    seconds = answer["seconds"].get("total")
    parts = (answer["backend"], answer["model"], f"{seconds:.1f} s" if seconds else None)
    searched = answer["standalone_question"]
    leant = f" · searched for: {text(searched)}" if searched != answer["question"] else ""
    return f'<p class="origin">{text(" · ".join(p for p in parts if p))}{leant}</p>'
