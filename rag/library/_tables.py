"""Rows of a library's tables, read and changed. Everything happens in the caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rag.library._identity import merge, names
from rag.library._rows import COLUMNS, UPDATE, facets, pack, paper_of, row_of, summed, unpack
from rag.types import Paper

_PART = 500  # stays far below SQLite's limit on bound variables


def load(db: sqlite3.Connection, number: int) -> Paper:
    row = db.execute(f"SELECT {COLUMNS} FROM papers WHERE number = ?", (number,)).fetchone()
    return paper_of(row)


def update_paper(db: sqlite3.Connection, number: int, paper: Paper, now: str) -> None:
    db.execute(UPDATE, (*summed(row_of(paper)), now, number))
    db.execute("DELETE FROM facets WHERE number = ?", (number,))
    db.execute("INSERT INTO facets VALUES (?, ?, ?, ?, ?)", (number, *facets(paper)))
    forget_twins(db, number)


def remove_paper(db: sqlite3.Connection, number: int) -> None:
    """Everything that is known of a paper, apart from its vectors."""
    rows = db.execute("SELECT record FROM records WHERE number = ?", (number,))
    forget_records(db, [row[0] for row in rows])
    forget_twins(db, number)
    for table in ("names", "facets", "papers"):
        db.execute(f"DELETE FROM {table} WHERE number = ?", (number,))


def drop_records(db: sqlite3.Connection, number: int, gone: set[int]) -> bool:
    """Forget some records of a paper, and the paper with its last; whether it was."""
    rows = db.execute("SELECT record FROM records WHERE number = ? ORDER BY record", (number,))
    left = [row[0] for row in rows if row[0] not in gone]
    if not left:
        remove_paper(db, number)
        return True
    old = load(db, number)
    kept = [fields_of(db, record) or old for record in left]
    forget_records(db, list(gone))
    new = merge(kept, old.id)
    if new != old:
        update_paper(db, number, new, datetime.now(UTC).isoformat(timespec="seconds"))
    db.execute("DELETE FROM names WHERE number = ?", (number,))
    found = {name for paper in (new, *kept) for name in names(paper)}
    db.executemany("INSERT INTO names VALUES (?, ?)", [(name, number) for name in found])
    return False


def forget_twins(db: sqlite3.Connection, number: int) -> None:
    db.execute("DELETE FROM sketches WHERE number = ?", (number,))
    db.execute("DELETE FROM twins WHERE number = ?1 OR other = ?1", (number,))


def forget_records(db: sqlite3.Connection, records: Iterable[int]) -> None:
    for record in records:
        db.execute("DELETE FROM records WHERE record = ?", (record,))
        db.execute("DELETE FROM bodies WHERE record = ?", (record,))


def fields_of(db: sqlite3.Connection, record: int) -> Paper | None:
    """The fields of a record where they are kept apart from the paper's."""
    row = db.execute("SELECT fields FROM bodies WHERE record = ?", (record,)).fetchone()
    return unpack(row[0]) if row and row[0] else None


def keep_fields(db: sqlite3.Connection, record: int, paper: Paper) -> None:
    if fields_of(db, record) is None:
        db.execute(
            "INSERT INTO bodies VALUES (?, NULL, ?) "
            "ON CONFLICT (record) DO UPDATE SET fields = excluded.fields",
            (record, pack(paper)),
        )


def parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _PART):
        yield items[start : start + _PART]


def marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))
