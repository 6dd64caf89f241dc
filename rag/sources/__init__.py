"""Where papers come from: an address -> a stream of `Paper` and `Rejected`.

A format is one file here and one line in `SOURCES`. Yours needs a class with
`read(address) -> Iterator[Record]`; `read_lines`, `make_paper` and `clean` do what all share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from rag.errors import SourceError, SourceUnreadable
from rag.registry import lookup
from rag.sources._find import exists, expand, guess_format
from rag.sources._lines import Line, read_lines
from rag.sources._open import STDIN
from rag.sources._paper import make_paper, reject
from rag.sources._text import clean
from rag.types import Record, Source

SOURCES: dict[str, str] = {
    "beir": "rag.sources.beir:Beir",
    "csv": "rag.sources.delimited:Csv",
    "hf_page": "rag.sources.hf_page:HfPage",
    "jsonl": "rag.sources.jsonl:Jsonl",
    "tsv": "rag.sources.delimited:Tsv",
}


def guess(address: str) -> str:
    """Name the format of a file, a BEIR folder or `-`, from its suffix, else from its beginning.

    Raises SourceNotFound, and SourceUnreadable where no format fits.
    """
    return guess_format(address, ", ".join(SOURCES))


def open_source(
    address: str, format: str | None = None, extra: Mapping[str, str] | None = None
) -> Iterator[Record]:
    """Stream the records of a file, a folder, a glob, `-` (standard input) or `scheme:query`.

    `format` overrides the guess, `extra` adds readers (name -> "module:Class"). One file that
    cannot be read raises SourceError; in a folder or glob it becomes a `Rejected` at line 0.
    """
    registry = {**SOURCES, **(extra or {})}
    if format is not None and format not in registry and ":" not in format:
        known = ", ".join(sorted(registry))
        raise SourceUnreadable(
            f"no format is called '{format}'. Use --format with one of: {known}."
        )
    if address == STDIN:
        return _open_one(address, format, registry)
    scheme, _, query = address.partition(":")
    if format is None and query and scheme in registry and not exists(address):
        return _open_one(query, scheme, registry)
    path = str(Path(address).expanduser()) if address.startswith("~") else address
    files = expand(path, format)
    if files is None:
        return _open_one(path, format, registry)
    return _open_many(files, format, registry)


def _open_one(address: str, format: str | None, registry: Mapping[str, str]) -> Iterator[Record]:
    name = format or guess_format(address, ", ".join(sorted(registry)))
    reader: Source = lookup("source", name, registry)()
    return reader.read(address)


def _open_many(
    addresses: list[str], format: str | None, registry: Mapping[str, str]
) -> Iterator[Record]:
    for address in addresses:
        try:
            yield from _open_one(address, format, registry)
        except SourceError as error:
            yield reject(address, 0, str(error), "")


__all__ = [
    "SOURCES",
    "Line",
    "clean",
    "guess",
    "make_paper",
    "open_source",
    "read_lines",
    "reject",
]
