"""A saved page of Hugging Face papers: from the data inside it, else from what it shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from typing import Any

from rag.errors import SourceUnreadable
from rag.sources._lines import Line
from rag.sources._open import empty, open_text
from rag.sources._paper import make_paper
from rag.sources._shapes import hugging_face
from rag.sources._unpack import Damaged
from rag.sources.hf_page import page_records
from rag.sources.jsonl import DECODER
from rag.types import Record, Rejected

_MAX_PAGE = 32 * 2**20  # characters: a page is held whole
_PROPS = re.compile(r"""\bdata-props\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_BLOCKS = frozenset(
    "p div h1 h2 h3 h4 h5 h6 li ul ol article section main header footer br hr tr td a button time"
    " figcaption".split()
)
_HIDDEN = frozenset("script style noscript template svg head".split())


class HfHtml:
    def read(self, address: str) -> Iterator[Record]:
        page = _page(address)
        found = False
        for number, entry in _entries(page):
            found = True
            raw = json.dumps(entry, ensure_ascii=False)
            yield _as_lines(make_paper(_fields(entry), address, number, raw))
        if not found:
            for record in page_records(_shown(page), address):
                found = True
                yield record
        if not found:
            raise SourceUnreadable(
                f"no paper found in {address}. Save the page from https://huggingface.co/papers."
            )


def _page(address: str) -> str:
    with open_text(address) as stream:
        try:
            page = stream.read(_MAX_PAGE + 1)
        except (OSError, Damaged) as error:
            raise SourceUnreadable(f"cannot read {address}: {error}.") from error
    if len(page) > _MAX_PAGE:
        raise SourceUnreadable(
            f"{address} has over {_MAX_PAGE:,} characters, which no page has. Use --format."
        )
    if not page.strip("\ufeff \n\t\r"):
        raise empty(address)
    return page


def _entries(page: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The papers in the data that the page's own script shows, with the line, each once."""
    seen: set[str] = set()
    for match in _PROPS.finditer(page):
        number = page.count("\n", 0, match.start()) + 1
        try:
            props = DECODER.decode(unescape(match[1] or match[2] or ""))
        except (ValueError, RecursionError):
            continue
        for record in _papers(props):
            inner = record.get("paper")
            entry = inner if isinstance(inner, dict) else record
            name = str(entry.get("id") or entry.get("title"))
            if name not in seen:
                seen.add(name)
                yield number, record


def _papers(value: Any) -> Iterator[dict[str, Any]]:
    """Objects that are papers, at any depth; without recursion, for the depth is the page's."""
    stack = [value]
    while stack:
        found = stack.pop()
        if isinstance(found, dict):
            inner = found.get("paper")
            wrapped = isinstance(inner, dict) and ("title" in inner or "summary" in inner)
            if wrapped or ("title" in found and ("summary" in found or "abstract" in found)):
                yield found
            else:
                stack.extend(reversed(list(found.values())))
        elif isinstance(found, list):
            stack.extend(reversed(found))


def _as_lines(record: Record) -> Record:
    """The text of a reject is an object, to be read as a line of JSONL."""
    return replace(record, format="jsonl") if isinstance(record, Rejected) else record


def _fields(record: dict[str, Any]) -> dict[str, object]:
    return hugging_face(record if isinstance(record.get("paper"), dict) else {"paper": record})


def _shown(page: str) -> Iterator[Line]:
    """What a reader would see, a line for each block."""
    text = _Text()
    text.feed(page)
    text.close()
    return iter(text.lines)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []
        self._parts: list[str] = []
        self._number = 1
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in _BLOCKS:
            self._end_line()
        self._hidden += tag in _HIDDEN

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._end_line()
        self._hidden = max(0, self._hidden - (tag in _HIDDEN))

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            if not self._parts:
                self._number = self.getpos()[0] + len(data) - len(data.lstrip("\n"))
            self._parts.append(data)

    def close(self) -> None:
        super().close()
        self._end_line()

    def _end_line(self) -> None:
        text = " ".join("".join(self._parts).split())
        self._parts.clear()
        if text:
            self.lines.append(Line(self._number, text))
