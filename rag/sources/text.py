"""Plain text: a title and its abstract in paragraphs, or under labels (`Title: ...`).

A paragraph is what stands between blank lines. One that is long is an abstract, the first short one
above it the title; names between the two are the authors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rag.errors import SourceUnreadable
from rag.sources._lines import Line, read_lines
from rag.sources._paper import MAX_ABSTRACT, make_paper, reject
from rag.types import Record

_LONG_WORDS = 30
_MAX_TITLE = 300
_WRAPPED = 200  # characters in a line
_MAX_PARAGRAPH = 4 * MAX_ABSTRACT
_LABELS = {
    "title": "title", "abstract": "abstract", "summary": "abstract", "author": "authors",
    "authors": "authors", "year": "year", "date": "year", "published": "year", "journal": "venue",
    "journal-ref": "venue", "venue": "venue", "conference": "venue", "url": "url", "link": "url",
    "doi": "doi", "arxiv": "arxiv_id", "arxiv id": "arxiv_id", "pmid": "pmid",
    "keywords": "categories", "categories": "categories", "license": "license",
    "language": "language",
}  # fmt: skip
_NAMES = "|".join(sorted(_LABELS, key=len, reverse=True))
_LABEL = re.compile(
    rf"[ \t#*]{{0,8}}({_NAMES})[ *]{{0,4}}:[ *]{{0,4}}(.*)", re.IGNORECASE | re.DOTALL
)
_HEADING = re.compile(r"\s*(?:#{1,6}\s+|\*\*)?(.*?)(?:\*\*|\s#+)?\s*", re.DOTALL)
_PARTICLES = frozenset("and by de der den del della di da la le van von ten ter el bin ibn".split())
_ABSTRACT_WORD = re.compile(r"\W*(?:abstract|summary)\W*", re.IGNORECASE)


class _Paragraph(NamedTuple):
    number: int
    lines: tuple[str, ...]
    problem: str = ""

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Text:
    def read(self, address: str) -> Iterator[Record]:
        found = False
        for record in _records(_paragraphs(read_lines(address)), address):
            found = True
            yield record
        if not found:
            raise SourceUnreadable(
                f"no paper found in {address}: a title and its abstract are paragraphs with a "
                f"blank line between, or begin with 'Title:' and 'Abstract:'."
            )


def is_labelled(text: str) -> bool:
    """Whether there are lines that begin with `Title:` and `Abstract:`."""
    found = filter(None, map(_LABEL.match, text.split("\n")))
    return {_LABELS[match[1].lower()] for match in found} >= {"title", "abstract"}


def is_wrapped(text: str) -> bool:
    """Whether abstracts are broken into short lines, which those of a pasted page are not."""
    lines = [Line(n, line) for n, line in enumerate(text.split("\n"), 1)]
    return any(
        len(p.lines) > 2 and max(map(len, p.lines)) <= _WRAPPED and _is_long(p.text)
        for p in _paragraphs(lines)
    )


def looks_like_text(text: str) -> bool:
    """Whether a text begins with a title and an abstract."""
    lines = [Line(n, line) for n, line in enumerate(text.split("\n"), 1)]
    title = False
    for paragraph in _paragraphs(lines):
        if title and _is_long(paragraph.text):
            return True
        title = title or _may_be_title(paragraph)
    return False


def _paragraphs(lines: Iterable[Line]) -> Iterator[_Paragraph]:
    number, gathered, size = 0, list[str](), 0
    for line in lines:
        blank = not line.text.strip() and not line.problem
        heading = line.text.startswith("#") or (gathered and gathered[-1].startswith("#"))
        if gathered and (blank or heading or line.problem or size > _MAX_PARAGRAPH):
            yield _Paragraph(number, tuple(gathered))
            gathered, size = [], 0
        if line.problem:
            yield _Paragraph(line.number, (line.text,), line.problem)
        elif not blank:
            number = number if gathered else line.number
            gathered.append(line.text)
            size += len(line.text)
    if gathered:
        yield _Paragraph(number, tuple(gathered))


def _records(paragraphs: Iterator[_Paragraph], source: str) -> Iterator[Record]:
    state = _State(source)
    for paragraph in paragraphs:
        yield from state.take(paragraph)
    yield from state.end()


class _State:
    """What is known of the paper that is being read."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._clear()

    def _clear(self) -> None:
        self._number = 0
        self._raw: list[str] = []
        self._fields: dict[str, str] = {}
        self._labelled = False
        self._last = ""

    def take(self, paragraph: _Paragraph) -> Iterator[Record]:
        if paragraph.problem:
            yield reject(self._source, paragraph.number, paragraph.problem, paragraph.text)
            self._clear()
        elif _LABEL.match(paragraph.lines[0]):
            yield from self._labels(paragraph)
        elif self._labelled and self._last:
            self._add(self._last, paragraph.text, paragraph)
        elif _is_long(paragraph.text):
            yield from self._abstract(paragraph)
        elif _may_be_title(paragraph):
            yield from self._short(paragraph)

    def end(self) -> Iterator[Record]:
        """The paper that was read, if there was one."""
        fields, number, raw = dict(self._fields), self._number, "\n\n".join(self._raw)
        labelled = self._labelled
        self._clear()
        if "abstract" in fields or labelled:
            yield make_paper(fields, self._source, number, raw)
        elif len(fields.get("title", "").split()) >= 4:
            yield reject(self._source, number, "no abstract under this title", raw)

    def _labels(self, paragraph: _Paragraph) -> Iterator[Record]:
        for at, line in enumerate(paragraph.lines):
            match = _LABEL.match(line)
            part = _Paragraph(paragraph.number + at, (line,))
            if not match:
                self._add(self._last, line.strip(), part)
                continue
            name = _LABELS[match[1].lower()]
            if name == "title" or (name in self._fields and name == "abstract"):
                yield from self.end()
            self._labelled = True
            self._add(name, match[2], part)

    def _abstract(self, paragraph: _Paragraph) -> Iterator[Record]:
        first, rest = paragraph.lines[0], "\n".join(paragraph.lines[1:])
        if max(map(len, paragraph.lines[1:]), default=0) > _MAX_TITLE >= len(first):
            yield from self.end()  # a title, and in the next line its abstract
            self._add("title", _heading(first), paragraph)
            self._fields["abstract"] = rest
        elif "title" in self._fields:
            self._add("abstract", paragraph.text, paragraph)
        else:
            reason = "no title above this abstract"
            yield reject(self._source, paragraph.number, reason, paragraph.text)

    def _short(self, paragraph: _Paragraph) -> Iterator[Record]:
        text = paragraph.text
        if _ABSTRACT_WORD.fullmatch(text):
            return
        open_title = "title" in self._fields and "abstract" not in self._fields
        if open_title and "authors" not in self._fields and _are_names(text):
            names = re.sub(r"(?i)^by\s+|[*\d]", "", text).replace(" and ", ", ")
            self._add("authors", names.replace(",", ";"), paragraph)
            return
        yield from self.end()
        self._add("title", _heading(text), paragraph)

    def _add(self, name: str, text: str, paragraph: _Paragraph) -> None:
        if not self._raw:
            self._number = paragraph.number
        before = self._fields.get(name)
        if len(before or "") <= _MAX_PARAGRAPH:
            self._fields[name] = text if before is None else f"{before}\n{text}"
            self._raw.append(paragraph.text)
        self._last = name


def _is_long(text: str) -> bool:
    return len(text) > _MAX_TITLE or len(text.split()) >= _LONG_WORDS


def _may_be_title(paragraph: _Paragraph) -> bool:
    text = paragraph.text
    return len(paragraph.lines) <= 4 and len(text) <= _MAX_TITLE and any(map(str.isalpha, text))


def _are_names(text: str) -> bool:
    """`Ada Byron, A. Turing and Grace Hopper`, but no title in capitals."""
    words = re.sub(r"[*\d&;,]", " ", text).split()
    capital = all(word[0].isupper() or word.lower() in _PARTICLES for word in words)
    several = bool(re.search(r"[;,]|\band\b|\b[A-Z]\.", text)) or 2 <= len(words) <= 3
    return capital and several and len(words) > 1 and text.rstrip()[-1] not in "?!:"


def _heading(text: str) -> str:
    match = _HEADING.fullmatch(text)
    return match[1] if match else text
