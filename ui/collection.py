"""What the page shows of the collection as a whole; worked out once for each state of it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar

from rag.chatbot import Chatbot
from rag.chunking import sentence_spans
from rag.lexical import tokens
from rag.library import fold
from rag.types import Hit, Paper
from ui import render
from ui.parse import Known

T = TypeVar("T")
_FORMATS = {"markdown": "Markdown", "json": "JSON", "bibtex": "BibTeX", "ris": "RIS"}
_NAMED = re.compile(r"^([A-Z][\w+-]*(?: [A-Z][\w+-]*)?): ")
_TOP = 8
_PICKS = 300  # names that a list offers; others can be typed

_kept: dict[tuple[str, str], tuple[int, Any]] = {}
_lock = Lock()


def remembered(bot: Chatbot, name: str, make: Callable[[], T]) -> T:
    """What `make` gives for the collection as it is, made again only when that has changed."""
    key, revision = (str(bot.home.resolve()), name), bot._collection.library().revision()
    with _lock:
        found = _kept.get(key)
    if found is None or found[0] != revision:
        found = (revision, make())
        with _lock:
            _kept[key] = found
    value: T = found[1]
    return value


def known(bot: Chatbot) -> Known:
    """The names that a question may filter by."""
    return remembered(bot, "known", lambda: _known(list(bot.papers())))


def picks(bot: Chatbot) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Venues and categories with their numbers of papers, the frequent first: (label, name)."""
    return remembered(bot, "picks", lambda: _picks(list(bot.papers())))


def twins(bot: Chatbot, most: int) -> tuple[list[list[Paper]], int]:
    """The first works that are here under several ids, their papers as they came; and how many.

    Not remembered: works are compared after the last paper is in, which changes no revision.
    """
    library = bot._collection.library()
    groups = library.duplicates()
    papers = library.get([name for group in groups[:most] for name in group])
    return [[papers[i] for i in group if i in papers] for group in groups[:most]], len(groups)


def examples(bot: Chatbot, count: int) -> list[str]:
    """Questions about papers of this collection, of the kind that their abstracts answer."""
    return remembered(bot, f"examples-{count}", lambda: _examples(list(bot.papers()), count))


def exports(conversation: str | None) -> str:
    links = " · ".join(
        f'<a href="/api/conversations/{render.text(conversation)}/export?format={name}">{label}</a>'
        for name, label in _FORMATS.items()
    )
    return render.clean(f'<div class="exports"><p>Export what is said and cited: {links}</p></div>')


def best_sentence(query: str, hit: Hit) -> tuple[int, int]:
    """The sentence of the hit's chunk that shares most words with the query, as a span."""
    wanted = set(tokens(query))
    spans = [
        span for span in sentence_spans(hit.paper.abstract)
        if span[0] >= hit.chunk.start and span[1] <= hit.chunk.end
    ] or [(hit.chunk.start, hit.chunk.end)]  # fmt: skip

    def shared(span: tuple[int, int]) -> float:
        words = set(tokens(hit.paper.abstract[slice(*span)]))
        return len(words & wanted) / math.sqrt(len(words) + 5)

    return max(spans, key=shared)


def counts(papers: Sequence[Paper]) -> list[tuple[str, Mapping[str, int]]]:
    """Papers by year, and by the most frequent authors, venues and categories."""
    years = Counter(str(p.year) for p in papers if p.year)
    groups: list[tuple[str, Mapping[str, int]]] = [("Years", dict(sorted(years.items())))]
    for name, values in (
        ("Authors", (a for p in papers for a in p.authors)),
        ("Venues", (p.venue for p in papers if p.venue)),
        ("Categories", (c for p in papers for c in p.categories)),
    ):
        groups.append((name, dict(Counter(values).most_common(_TOP))))
    return groups


def _known(papers: Sequence[Paper]) -> Known:
    return Known(
        {fold(name) for paper in papers for name in paper.authors},
        {fold(paper.venue) for paper in papers if paper.venue},
        {fold(name) for paper in papers for name in paper.categories},
    )


def _picks(papers: Sequence[Paper]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    venues = Counter(p.venue for p in papers if p.venue)
    categories = Counter(c for p in papers for c in p.categories)
    return _labelled(venues), _labelled(categories)


def _labelled(counts: Counter[str]) -> list[tuple[str, str]]:
    return [(f"{name} ({n:,})", name) for name, n in counts.most_common(_PICKS)]


def _examples(papers: Sequence[Paper], count: int) -> list[str]:
    """Of papers whose title names something, spread evenly over the collection."""
    named = [match[1] for paper in papers if (match := _NAMED.match(paper.title))]
    titles = [paper.title for paper in papers if len(paper.title) < 90]
    chosen = [f"What is {name}?" for name in _spread(list(dict.fromkeys(named)), count)]
    chosen += [f"What does “{title}” find?" for title in _spread(titles, count - len(chosen))]
    return chosen[:count]


def _spread(items: Sequence[str], count: int) -> list[str]:
    step = max(len(items) // count, 1) if count > 0 else 1
    return list(items[::step][: max(count, 0)])
