"""A pasted page of trending papers: titles, each with its abstract in one line below it.

Nothing is counted: an abstract is a long line, its title the nearest line above it that is short
and no furniture of the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from rag.errors import SourceUnreadable
from rag.sources._identifiers import web_address
from rag.sources._lines import Line, read_lines
from rag.sources._paper import MAX_RAW, make_paper, reject
from rag.sources._text import clean
from rag.types import Paper, Record, Rejected

MAX_TITLE = 300
_LONG_WORDS, _LONG_CHARS = 40, 250
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_FURNITURE = re.compile(
    rf"""[\W\d_]* | [\d.,]+\s?[kKmM]? | new | hot | subscribe | log\ ?in | sign\ ?(?:up|in) | search
    | (?:trending|daily|hugging\ face)?\s?papers | models | datasets | spaces | docs | pricing
    | hugging\ face | community | collections? | add\ to\ collections? | load\ more | previous
    | next | close | share | comments? | github\ ?[\d.,]*k? | (?:view\ )?(?:arxiv|pdf)(?:\ page)?
    | project(?:\ page)? | code | (?:up)?votes?\ *[\d.,]*k? | likes?\ *[\d.,]*k? | sort\ by.*
    | get\ trending\ papers.* | by\s?\S.*\ and\ the\ research\ community | submitted\ by.*
    | published(?:\ on)?\ +{_MONTH}\ .* | [·•+\-\s]*\d+\ +(?:author|comment|upvote|like)s?[·•\s]*
    | an?\ day\ ago | \d+\ +(?:minute|hour|day|week|month|year)s?\ ago | https?://\S+ | @\S+
    | (?:{_MONTH}\ +\d{{1,2}}|\d{{1,2}}\ +{_MONTH})(?:,?\ +\d{{4}})? | {_MONTH}\ +\d{{4}}""",
    re.IGNORECASE | re.VERBOSE,
)
_SENTENCE_END = re.compile(r"[.!?。](?:\s|$)|。")
_LINK = re.compile(
    r"(?<![\w@/.])(?:https?://|(?:www\.)?(?:github\.com|gitlab\.com|bitbucket\.org|huggingface\.co)/)"
    r"[^\s<>\"{}|\\^`]{1,300}",
    re.IGNORECASE,
)
_NOT_ITS_OWN = re.compile(r"https?://(?:[\w-]+\.)*(?:arxiv|creativecommons)\.org/", re.IGNORECASE)


class HfPage:
    def read(self, address: str) -> Iterator[Record]:
        empty = True
        for record in page_records(read_lines(address), address):
            empty = False
            yield record
        if empty:
            raise SourceUnreadable(
                f"no paper found in {address}: an abstract there is one line of {_LONG_WORDS} "
                f"words or more, under the line with its title. Use --format for another format."
            )


def looks_like_page(text: str) -> bool:
    """Whether a text holds at least one abstract under a title."""
    title = False
    for line in filter(None, map(str.strip, text.split("\n"))):
        if title and _is_abstract(line):
            return True
        title = _may_be_title(line)
    return False


def page_records(lines: Iterable[Line], address: str) -> Iterator[Record]:
    """The papers in the lines of a page, as `HfPage` finds them."""
    title: Line | None = None
    for line in lines:
        text = line.text.strip()
        if line.problem:
            yield reject(address, line.number, line.problem, line.text)
            title = None  # that was its abstract
        elif _is_abstract(text):
            yield _paper(title, line, address)
            title = None
        elif _may_be_title(text):
            yield from _lost(title, address)
            title = line
    yield from _lost(title, address)


def _is_abstract(text: str) -> bool:
    if len(text) < _LONG_CHARS:
        return len(text.split()) >= _LONG_WORDS
    return len(text) > MAX_TITLE or bool(_SENTENCE_END.search(text))


def _may_be_title(text: str) -> bool:
    return 0 < len(text) <= MAX_TITLE and not _FURNITURE.fullmatch(clean(text))


def _lost(title: Line | None, address: str) -> Iterator[Rejected]:
    """A line of four words or more looks like a title, and its loss should be seen."""
    if title and len(title.text.split()) >= 4:
        yield reject(address, title.number, "no abstract under this title", title.text)


def _paper(title: Line | None, abstract: Line, address: str) -> Record:
    if title is None:
        return reject(address, abstract.number, "no title above this abstract", abstract.text)
    fields = {"title": title.text, "abstract": abstract.text}
    raw = f"{title.text}\n\n{abstract.text[:MAX_RAW]}"
    record = make_paper(fields, address, title.number, raw)
    # Set afterwards: a link inside an abstract is not the paper's own arXiv id or DOI.
    return replace(record, url=first_link(record.abstract)) if isinstance(record, Paper) else record


def first_link(text: str) -> str | None:
    """Find the first link to code or data, also a bare `github.com/x/y`."""
    links = (_trim(match.group()) for match in _LINK.finditer(text))
    return next((web_address(link) for link in links if not _NOT_ITS_OWN.match(link)), None)


def _trim(link: str) -> str:
    """Without what closes the sentence; a closing bracket stays where the link opens it."""
    link = link.rstrip(".,;:!?'*")
    while link.endswith((")", "]")) and link.count("(") + link.count("[") < (
        link.count(")") + link.count("]")
    ):
        link = link[:-1].rstrip(".,;:!?'*")
    return link
