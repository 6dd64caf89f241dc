"""What kind of work a paper is, by what its source called it: a BibTeX entry type, or RIS's `TY`.

Read from the first characters of the raw record, which the library keeps as it stood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_ENTRY = re.compile(r"\s*@([A-Za-z]{1,30})[ \t]*[{(]")
_TY = re.compile(r"\s{0,3}TY {0,3}- {0,3}([A-Z]{2,10})\b")
_TO_RIS = {
    "article": "JOUR", "book": "BOOK", "booklet": "PAMP", "collection": "EDBOOK",
    "conference": "CPAPER", "dataset": "DATA", "inbook": "CHAP", "incollection": "CHAP",
    "inproceedings": "CPAPER", "manual": "RPRT", "mastersthesis": "THES", "mvbook": "BOOK",
    "online": "ELEC", "patent": "PAT", "phdthesis": "THES", "proceedings": "CONF",
    "report": "RPRT", "software": "COMP", "techreport": "RPRT", "thesis": "THES",
    "unpublished": "UNPB",
}  # fmt: skip
_TO_BIBTEX = {
    "BOOK": "book", "CHAP": "incollection", "CONF": "inproceedings", "CPAPER": "inproceedings",
    "EBOOK": "book", "ECHAP": "incollection", "EDBOOK": "book", "EJOUR": "article",
    "INPR": "article", "JOUR": "article", "MGZN": "article", "NEWS": "article",
    "PAMP": "booklet", "RPRT": "techreport", "THES": "phdthesis", "UNPB": "unpublished",
}  # fmt: skip
_VENUES = {  # the BibTeX field that holds the venue; `series` where none does
    "article": "journal", "conference": "booktitle", "inbook": "booktitle",
    "incollection": "booktitle", "inproceedings": "booktitle", "mastersthesis": "school",
    "misc": "howpublished", "phdthesis": "school", "thesis": "school",
}  # fmt: skip
# They say little or "not yet": one that has a venue is more than that.
_WEAK = frozenset({"GEN", "UNPB"})


class Kind(NamedTuple):
    """The type of a work's BibTeX entry, in lower case, and that of its RIS record."""

    bibtex: str
    ris: str

    @property
    def is_weak(self) -> bool:
        return self.ris in _WEAK

    @property
    def venue_field(self) -> str:
        """Where a BibTeX entry of this kind has its venue."""
        return _VENUES.get(self.bibtex, "series")

    @property
    def venue_tag(self) -> str:
        """Where a RIS record of this kind has its venue."""
        return "JO" if self.bibtex in ("article", "misc", "unpublished") else "T2"


def kind_of(raw: str) -> Kind | None:
    """The kind that a record begins with; None for one that is neither BibTeX nor RIS."""
    if entry := _ENTRY.match(raw):
        name = entry[1].lower()
        return Kind(name, _TO_RIS.get(name, "GEN"))
    if record := _TY.match(raw):
        return Kind(_TO_BIBTEX.get(record[1], "misc"), record[1])
    return None


def kinds(records: Iterable[tuple[str, str]]) -> Mapping[str, Kind]:
    """By id of a paper, from (id, raw record): the first that says something, else the first."""
    found: dict[str, Kind] = {}
    for name, raw in records:
        kind = kind_of(raw)
        if kind and (name not in found or (found[name].is_weak and not kind.is_weak)):
            found[name] = kind
    return found
