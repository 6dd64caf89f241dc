"""RIS, parsed by rispy one record at a time.

Given a whole file, rispy finds no record after a byte order mark or `TY -`, and makes one of two
where `ER` is missing. So the records are counted here, by `TY`, and each must come out as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rag.sources._blocks import Block, read_blocks
from rag.sources._paper import make_paper, reject
from rag.types import Record

_TY = re.compile(r"[ \t]{0,3}TY {0,3}-")
_TAG = re.compile(r"[ \t]{0,3}([A-Z][A-Z0-9]) {0,3}-(?: |$)[ \t]*")
_FIELDS = {  # ours -> rispy's, the better one first
    "title": ("title", "primary_title", "translated_title"),
    "abstract": ("abstract", "notes_abstract"),
    "authors": ("authors", "first_authors"),
    "year": ("year", "publication_year", "date"),
    "venue": ("journal_name", "secondary_title", "alternate_title3", "alternate_title1"),
    "url": ("urls", "file_attachments1"),
    "categories": ("keywords",),
    "doi": ("doi",),
    "language": ("language",),
    "key": ("id",),
}


class Ris:
    def read(self, address: str) -> Iterator[Record]:
        for block in read_blocks(address, _TY.match):
            if block.problem:
                yield reject(address, block.number, block.problem, block.text)
            elif block.begun:
                yield from _records(block, address)
            elif _looks_like_record(block.text):
                yield reject(address, block.number, "no TY line begins this record", block.text)


def _looks_like_record(text: str) -> bool:
    """Programs put lines of their own on top; a record has several tags."""
    return sum(bool(_TAG.match(line)) for line in text.split("\n")) > 2


def _records(block: Block, source: str) -> Iterator[Record]:
    lines = block.text.split("\n")
    tags = [match[1] if (match := _TAG.match(line)) else "" for line in lines]
    end = tags.index("ER") if "ER" in tags else len(lines)
    try:
        found = _parse(lines[:end])
    except Exception as error:  # on odd tags it trips over its own lists
        yield reject(source, block.number, f"bad RIS: {error}"[:300], block.text)
        return
    rest = "\n".join(lines[end + 1 :])
    raw = "\n".join(lines[: end + 1])
    if len(found) == 1:
        yield make_paper(_fields(found[0]), source, block.number, raw)
    else:
        yield reject(source, block.number, "bad RIS: no record could be made of it", raw)
    if _looks_like_record(rest):
        yield reject(source, block.number + end + 1, "no TY line begins this record", rest)


def _parse(lines: list[str]) -> list[dict[str, Any]]:
    """In the one form that rispy knows: two letters, two blanks, a hyphen, a blank."""
    from rispy.parser import RisParser

    tidy = [_TAG.sub(lambda m: f"{m[1]}  - ", line, count=1) for line in lines if line.strip()]
    found: list[dict[str, Any]] = RisParser().parse_lines(iter([*tidy, "ER  - "]))
    return found


def _fields(record: dict[str, Any]) -> dict[str, object]:
    fields: dict[str, object] = {
        ours: next((record[name] for name in theirs if record.get(name)), None)
        for ours, theirs in _FIELDS.items()
    }
    names = fields["authors"]
    if isinstance(names, list):
        fields["authors"] = [_name(str(name)) for name in names]
    if "pubmed" in str(record.get("name_of_database", "")).lower():
        fields["pmid"] = record.get("accession_number")
    return fields


def _name(name: str) -> str:
    """`Byron, Ada, Jr.` -> `Ada Byron Jr.`."""
    parts = [part.strip() for part in name.split(",")]
    if not 2 <= len(parts) <= 3:
        return name
    return " ".join(filter(None, [parts[1], parts[0], *parts[2:]]))
