"""MEDLINE, as PubMed saves it (.nbib, or .txt in the format "PubMed")."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from rag.sources._blocks import Block, read_blocks
from rag.sources._paper import make_paper, reject
from rag.types import Record

_BEGINS = re.compile(r"PMID ?-")
_TAG = re.compile(r"([A-Z][A-Z0-9]{1,3}) {0,3}- ?(.*)", re.DOTALL)
_ID = re.compile(r"(\S+)\s+\[(doi|pii|pmc)\]", re.IGNORECASE)


class Medline:
    def read(self, address: str) -> Iterator[Record]:
        for block in read_blocks(address, _BEGINS.match):
            if block.problem:
                yield reject(address, block.number, block.problem, block.text)
            elif block.begun:
                yield _record(block, address)
            elif _TAG.search(block.text.strip()):
                yield reject(address, block.number, "no PMID line begins this record", block.text)


def _record(block: Block, source: str) -> Record:
    tags = _tags(block.text)
    fields: dict[str, object] = {
        "title": _first(tags, "TI", "TT", "BTI"),
        "abstract": " ".join(tags.get("AB") or tags.get("OAB") or []),
        "authors": [_name(name) for name in tags.get("FAU") or tags.get("AU") or []],
        "year": _first(tags, "DP", "DEP", "EDAT"),
        "venue": _first(tags, "JT", "TA"),
        "categories": [*(name.lstrip("*") for name in tags.get("MH", [])), *tags.get("OT", [])],
        "doi": _doi(tags),
        "pmid": _first(tags, "PMID"),
        "language": _first(tags, "LA"),
    }
    if fields["pmid"]:
        fields["url"] = f"https://pubmed.ncbi.nlm.nih.gov/{fields['pmid']}/"
    return make_paper(fields, source, block.number, block.text)


def _tags(text: str) -> Mapping[str, list[str]]:
    """The values of each tag; a line that begins with blanks continues the one above."""
    tags: dict[str, list[str]] = defaultdict(list)
    last: list[str] | None = None
    for line in text.split("\n"):
        match = None if line.startswith("  ") else _TAG.fullmatch(line)
        if match:
            last = tags[match[1]]
            last.append(match[2].strip())
        elif last and line.strip():
            last[-1] += f" {line.strip()}"
    return tags


def _first(tags: Mapping[str, list[str]], *names: str) -> str:
    return next((tags[name][0] for name in names if tags.get(name)), "")


def _doi(tags: Mapping[str, list[str]]) -> str:
    found = [_ID.match(value) for name in ("LID", "AID") for value in tags.get(name, [])]
    return next((m[1] for m in found if m and m[2].lower() == "doi"), "")


def _name(name: str) -> str:
    last, comma, first = name.partition(",")
    return f"{first.strip()} {last.strip()}" if comma else name
