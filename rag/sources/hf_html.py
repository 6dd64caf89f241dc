"""A saved page of Hugging Face papers: from the data inside it, else from what it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any

from rag.errors import SourceUnreadable
from rag.sources._lines import Line
from rag.sources._open import empty, open_text
from rag.sources._paper import make_paper
from rag.sources._shapes import hugging_face
from rag.sources._unpack import Damaged
from rag.sources.hf_page import page_records
from rag.sources.jsonl import DECODER, as_line
from rag.types import Record, Rejected

_MAX_PAGE = 32 * 2**20  # characters: a page is held whole
_PROPS = re.compile(r"""\bdata-props\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_TOKEN = re.compile(
    r"<!--[^-]*(?:-(?!->)[^-]*)*(?:-->)?|<![^<>]*>?"
    r"|</?(?P<tag>[A-Za-z][A-Za-z0-9]*)[^<>]*>|[^<]+|<"
)
_BLOCKS = frozenset(
    "p div h1 h2 h3 h4 h5 h6 li ul ol article section main header footer br hr tr td a button time"
    " figcaption".split()
)
_HIDDEN = frozenset("script style noscript template svg title".split())


class HfHtml:
    def read(self, address: str) -> Iterator[Record]:
        page = _page(address)
        found = False
        for number, entry in _entries(page):
            found = True
            raw = as_line(entry)
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
    """What a reader would see, a line for each block; in linear time, which html.parser is not."""
    parts: list[str] = []
    number, at, hidden = 1, 0, ""
    for token in _TOKEN.finditer(_PROPS.sub("", page)):
        text, tag = token.group(), (token["tag"] or "").lower()
        if tag in _BLOCKS and parts:
            yield from _line(at, parts)
            parts = []
        if tag in _HIDDEN and not hidden:
            hidden = "" if text.endswith("/>") else tag
        elif hidden and text.lower().startswith(f"</{hidden}"):
            hidden = ""
        elif not tag and not hidden and not text.startswith("<!"):
            if not parts:
                at = number + text[: len(text) - len(text.lstrip())].count("\n")
            parts.append(text)
        number += text.count("\n")
    yield from _line(at, parts)


def _line(number: int, parts: list[str]) -> Iterator[Line]:
    text = " ".join(unescape("".join(parts)).split())
    if text:
        yield Line(number, text)
