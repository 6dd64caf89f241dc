"""CSV and TSV: a header that names a title and an abstract, then one paper a row."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from rag.errors import SourceUnreadable
from rag.sources._fields import ALIASES, NONE, known, pick
from rag.sources._lines import Line, read_lines
from rag.sources._paper import MAX_ABSTRACT, make_paper, reject
from rag.types import Record, Rejected

MAX_LINES = 200  # of one row: a quote that stays open for longer was never meant to
_NEEDED = frozenset({"title", "abstract"})
_SHOWN = 500


class _Row(NamedTuple):
    cells: list[str]
    number: int
    raw: str


class Csv:
    delimiters = ",;\t|"
    takes_fields = True

    def __init__(self, fields: Mapping[str, str] = NONE) -> None:
        self._fields = fields

    def read(self, address: str) -> Iterator[Record]:
        lines = read_lines(address)
        header = next((line.text for line in lines if line.text.strip()), "")
        delimiter = sniff(header, self.delimiters, self._fields)
        if delimiter is None:
            raise SourceUnreadable(_no_columns(address, header, self._fields))
        names = _cells(header, delimiter)
        for row in _Rows(lines, address, delimiter, len(names)):
            record: Record = row if isinstance(row, Rejected) else self._record(row, names, address)
            if isinstance(record, Rejected):
                record = replace(record, head=header)
            yield record

    def _record(self, row: _Row, names: list[str], address: str) -> Record:
        cells = dict(zip(names, row.cells, strict=False))
        return make_paper(pick(cells, self._fields), address, row.number, row.raw)


class Tsv(Csv):
    delimiters = "\t"


def sniff(header: str, delimiters: str, fields: Mapping[str, str] = NONE) -> str | None:
    """Return the delimiter under which a header names a title and an abstract, and `fields`."""
    return next((d for d in delimiters if _covers(_cells(header, d), fields)), None)


def _covers(names: list[str], fields: Mapping[str, str]) -> bool:
    return known(names) | set(fields) >= _NEEDED and set(fields.values()) <= set(names)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return line.split(delimiter)


def _no_columns(address: str, header: str, fields: Mapping[str, str]) -> str:
    if fields:
        return (
            f"{address} has not the columns {', '.join(fields.values())}; its first line is "
            f"'{header[:_SHOWN]}'. Name columns of it with --map title=...,abstract=...."
        )
    titles, abstracts = ALIASES["title"][0], ", ".join(ALIASES["abstract"])
    return (
        f"{address} has no columns for a title and an abstract; its first line is "
        f"'{header[:_SHOWN]}'. Say which they are with --map title=...,abstract=..., or name them "
        f"{titles} and one of: {abstracts}."
    )


class _Rows:
    """The rows under a header. A broken one costs its first line, not the rest of the file.

    Therefore each row gets a csv.reader of its own: the lines that a broken one took are put back.
    """

    def __init__(self, lines: Iterator[Line], source: str, delimiter: str, width: int) -> None:
        self._lines = lines
        self._source = source
        self._delimiter = delimiter
        self._width = width
        self._put_back: deque[Line] = deque()

    def __iter__(self) -> Iterator[_Row | Rejected]:
        while line := self._next_line():
            if line.problem:
                yield reject(self._source, line.number, line.problem, line.text)
            elif line.text.strip():
                yield self._row(line)

    def _next_line(self) -> Line | None:
        return self._put_back.popleft() if self._put_back else next(self._lines, None)

    def _row(self, first: Line) -> _Row | Rejected:
        used = [first]
        try:
            cells = next(csv.reader(self._feed(used), delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            return self._broken(used, str(error))
        if len(used) > 1 and len(cells) != self._width:
            return self._broken(used, "the quote closed by chance")
        raw = "\n".join(line.text for line in used)
        return self._checked(_Row(cells, first.number, raw))

    def _feed(self, used: list[Line]) -> Iterator[str]:
        yield used[0].text + "\n"
        while len(used) < MAX_LINES and (line := self._next_line()):
            used.append(line)
            if line.problem:
                return
            yield line.text + "\n"

    def _checked(self, row: _Row) -> _Row | Rejected:
        """More cells than columns: an unquoted delimiter has cut a value short."""
        if not any(row.cells[self._width :]):
            return row
        reason = (
            f"{len(row.cells)} cells under a header of {self._width}; "
            f"put quotes around a value that holds {self._delimiter!r}"
        )
        return reject(self._source, row.number, reason, row.raw)

    def _broken(self, used: list[Line], error: str) -> _Row | Rejected:
        first = used[0]
        self._put_back.extendleft(reversed(used[1:]))
        if self._delimiter == "\t" and len(first.text) <= csv.field_size_limit():
            # Most programs that write TSV quote nothing: here a quote is only a character.
            return self._checked(_Row(first.text.split("\t"), first.number, first.text))
        spans = len(used) > 1 or "unexpected end" in error
        return reject(self._source, first.number, _reason(error, spans), first.text)


def _reason(error: str, spans: bool) -> str:
    if spans:
        return "a quote opened here is never closed"
    if "field limit" in error:
        limit = csv.field_size_limit()
        return f"a cell of over {limit:,} characters; the limit is {MAX_ABSTRACT:,}"
    return f"not a row: {error}"
