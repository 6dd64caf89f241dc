"""Atom, as arXiv's API gives it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rag.sources._paper import make_paper, reject
from rag.sources._xml import every, find, read_xml, text_of
from rag.types import Record


class ArxivAtom:
    def read(self, address: str) -> Iterator[Record]:
        for number, text, node, problem in read_xml(address, "entry"):
            if problem:
                yield reject(address, number, problem, text)
            else:
                yield make_paper(entry_fields(node), address, number, text)


def entry_fields(entry: Any) -> dict[str, object]:
    """Our fields from an `<entry>`."""
    links = [link for link in every(entry, "link") if link.get("href")]
    pages = [link.get("href") for link in links if link.get("rel", "alternate") == "alternate"]
    name = text_of(find(entry, "id"))
    return {
        "title": text_of(find(entry, "title")),
        "abstract": text_of(find(entry, "summary")) or text_of(find(entry, "content")),
        "authors": [text_of(found) for found in every(entry, "author", "name")],
        "year": text_of(find(entry, "published")) or text_of(find(entry, "updated")),
        "venue": text_of(find(entry, "journal_ref")),
        "url": next(iter(pages), name),
        "categories": [found.get("term") for found in every(entry, "category")],
        "doi": text_of(find(entry, "doi")),
        "arxiv_id": name,
        "license": text_of(find(entry, "rights")) or text_of(find(entry, "license")),
    }
