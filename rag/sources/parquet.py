"""Parquet, read by pyarrow some hundred rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from rag.errors import SourceUnreadable
from rag.sources._fields import NONE, meaning
from rag.sources._open import empty, first_bytes, open_seekable
from rag.sources._paper import make_paper, reject
from rag.sources._shapes import KEYS, fields_of
from rag.sources.jsonl import as_line
from rag.types import Record, Rejected

_ROWS = 256
_MAX_STRING = 2**20  # of the file's own description of itself
_LINES = "jsonl"  # a reject holds its row as a JSON object


class Parquet:
    """A row is numbered as a line would be, from 1."""

    takes_fields = True

    def __init__(self, fields: Mapping[str, str] = NONE) -> None:
        self._fields = fields

    def read(self, address: str) -> Iterator[Record]:
        if not first_bytes(address):
            raise empty(address)
        with open_seekable(address) as file:
            table = _opened(file, address)
            columns = self._columns(table.schema_arrow.names, address)
            number = 0
            for group in range(table.num_row_groups):
                rows = table.metadata.row_group(group).num_rows
                try:
                    for batch in _batches(table, group, columns):
                        for row in _rows(batch):
                            number += 1
                            rows -= 1
                            yield self._record(row, address, number)
                except _Unreadable as error:
                    reason = f"{rows:,} rows could not be read from here on: {error}"
                    yield reject(address, number + 1, reason[:300], "")
                    number += rows
        if not number:
            raise empty(address)

    def _columns(self, names: list[str], address: str) -> list[str]:
        """Leave out what is no field of a paper, such as vectors."""
        mapped = {name.partition(".")[0] for name in self._fields.values()}
        mapped.update(self._fields.values())
        wanted = [n for n in names if meaning(n) or n in KEYS or n in mapped]
        if not wanted:
            shown = ", ".join(names)[:500]
            raise SourceUnreadable(
                f"{address} has no column for a title or an abstract, only: {shown}. "
                "Say which they are with --map title=...,abstract=...."
            )
        return wanted

    def _record(self, row: dict[str, Any] | None, source: str, number: int) -> Record:
        if row is None:
            return reject(source, number, "text that is not UTF-8", "")
        raw = as_line(row)
        record = make_paper(fields_of(row, self._fields), source, number, raw)
        if isinstance(record, Rejected):
            return replace(record, format=_LINES, fields=tuple(self._fields.items()))
        return record


class _Unreadable(Exception):
    """Some rows cannot be had."""


def _opened(file: Any, address: str) -> Any:
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(
            file,
            pre_buffer=False,
            thrift_string_size_limit=_MAX_STRING,
            thrift_container_size_limit=_MAX_STRING,
        )
    except Exception as error:  # what is damaged gives one of many error classes
        raise SourceUnreadable(f"cannot read {address}: {_said(error)}.") from error


def _batches(table: Any, group: int, columns: list[str]) -> Iterator[Any]:
    try:
        yield from table.iter_batches(_ROWS, row_groups=[group], columns=columns, use_threads=False)
    except GeneratorExit:
        raise
    except Exception as error:
        raise _Unreadable(_said(error)) from error


def _rows(batch: Any) -> Iterator[dict[str, Any] | None]:
    rows = _converted(batch)
    if rows is not None:
        yield from rows
        return
    for at in range(batch.num_rows):
        one = _converted(batch.slice(at, 1))
        yield one[0] if one else None


def _converted(batch: Any) -> list[dict[str, Any]] | None:
    try:
        return [_plain(row) for row in batch.to_pylist(maps_as_pydicts="lossy")]
    except (ValueError, OverflowError):  # text that is no UTF-8, dates that Python has not
        return None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()}


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
