"""Where papers come from: an address -> a stream of `Paper` and `Rejected`.

A format is one file here and one line in `SOURCES`. Yours needs a class with
`read(address) -> Iterator[Record]`; `read_lines`, `make_paper` and `clean` do what all share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rag.errors import SourceError, SourceUnreadable
from rag.registry import lookup
from rag.sources import _zip
from rag.sources._fields import NONE, check_fields
from rag.sources._find import exists, expand, guess_format, is_wanted, leads_out
from rag.sources._lines import Line, read_lines
from rag.sources._meter import Meter
from rag.sources._open import STDIN, size
from rag.sources._paper import make_paper, reject
from rag.sources._text import clean
from rag.sources.beir import corpora_in
from rag.types import Record, Rejected, Source

SOURCES: dict[str, str] = {
    "arxiv_atom": "rag.sources.arxiv_atom:ArxivAtom",
    "beir": "rag.sources.beir:Beir",
    "bibtex": "rag.sources.bibtex:Bibtex",
    "csv": "rag.sources.delimited:Csv",
    "hf_html": "rag.sources.hf_html:HfHtml",
    "hf_page": "rag.sources.hf_page:HfPage",
    "json": "rag.sources.json_file:Json",
    "jsonl": "rag.sources.jsonl:Jsonl",
    "medline": "rag.sources.medline:Medline",
    "parquet": "rag.sources.parquet:Parquet",
    "pubmed_xml": "rag.sources.pubmed_xml:PubmedXml",
    "rejected": "rag.sources.rejected:Rejects",
    "ris": "rag.sources.ris:Ris",
    "text": "rag.sources.text:Text",
    "tsv": "rag.sources.delimited:Tsv",
}


def guess(address: str) -> str:
    """Name the format of a file, a BEIR folder or `-`, from its suffix, else from its beginning.

    Raises SourceNotFound, and SourceUnreadable where no format fits.
    """
    return guess_format(address, ", ".join(SOURCES))


def open_source(
    address: str,
    format: str | None = None,
    extra: Mapping[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
    meter: Meter | None = None,
) -> Iterator[Record]:
    """Stream the records of a file, a folder, a glob, `-` (standard input) or `scheme:query`.

    `format` overrides the guess, `extra` adds readers (name -> "module:Class"), `fields` says what
    ours are called in the source ({"title": "Name"}), `meter` is told how much was read. One file
    that cannot be read raises SourceError; in a folder, glob or .zip it becomes a `Rejected` at
    line 0.
    """
    registry = {**SOURCES, **(extra or {})}
    if format is not None and format not in registry and ":" not in format:
        known = ", ".join(sorted(registry))
        raise SourceUnreadable(
            f"no format is called '{format}'. Use --format with one of: {known}."
        )
    check_fields(fields or NONE)
    way = _Way(registry, format, fields or NONE, meter or Meter())
    scheme, _, query = address.partition(":")
    if format is None and query and scheme in registry and not exists(address):
        way.meter.expect(None)
        return replace(way, format=scheme).one(query)
    path = str(Path(address).expanduser()) if address.startswith("~") else address
    files = None if address == STDIN else expand(path, format)
    for file in [path] if files is None else files:
        way.meter.expect(size(file))
    return way.one(path) if files is None else way.many(files, path)


@dataclass(frozen=True)
class _Way:
    """How to read: what every file of one source has in common."""

    registry: Mapping[str, str]
    format: str | None
    fields: Mapping[str, str]
    meter: Meter

    def one(self, address: str) -> Iterator[Record]:
        if address != STDIN and _zip.is_zip(address) and self.format not in self._foreign():
            return self._zip(address)
        known = ", ".join(sorted(self.registry))
        name = self.format or guess_format(address, known, self.fields)
        return self._records(self._reader(name).read(address), name)

    def many(self, addresses: list[str], folder: str = "") -> Iterator[Record]:
        for address in addresses:
            try:
                if folder and leads_out(address, folder):
                    raise SourceUnreadable(
                        f"{address} is a link out of the folder. To read it, name the file itself."
                    )
                yield from self.one(address)
            except SourceError as error:
                yield reject(address, 0, str(error), "")

    def _foreign(self) -> set[str]:
        return {name for name in self.registry if name not in SOURCES}

    def _reader(self, name: str) -> Source:
        cls = lookup("source", name, self.registry)
        if not self.fields:
            return cls()  # type: ignore[no-any-return]
        if not getattr(cls, "takes_fields", False):
            raise SourceUnreadable(
                f"the fields of the format '{name}' are fixed. Leave --map out, or give --format."
            )
        return cls(self.fields)  # type: ignore[no-any-return]

    def _records(self, records: Iterator[Record], name: str) -> Iterator[Record]:
        """Note on each reject how its text is to be read again."""
        with self.meter.counting():  # the file is opened when its first record is asked for
            first = next(records, None)
        if first is None:
            return
        fields = tuple(self.fields.items())
        yield _noted(first, name, fields)
        for record in records:
            yield _noted(record, name, fields) if isinstance(record, Rejected) else record

    def _zip(self, address: str) -> Iterator[Record]:
        with _zip.members(address, self.meter) as names:
            corpora = corpora_in(names)
            if corpora and self.format is None:
                yield from replace(self, format="beir").many(corpora)
                return
            wanted = [  # a .zip in a .zip is not opened, but that is said
                n for n in names if n.lower().endswith(".zip") or is_wanted(n, self.format)
            ]
            wanted = names if len(names) == 1 else wanted
            if not wanted:
                raise SourceUnreadable(f"{address} holds no papers. Unpack it and look inside.")
            yield from self.many(wanted)


def _noted(record: Record, name: str, fields: tuple[tuple[str, str], ...]) -> Record:
    if not isinstance(record, Rejected) or record.format:
        return record
    return replace(record, format=name, fields=fields)


__all__ = [
    "SOURCES",
    "Line",
    "Meter",
    "clean",
    "guess",
    "make_paper",
    "open_source",
    "read_lines",
    "reject",
]
