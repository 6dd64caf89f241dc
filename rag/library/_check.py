"""What is wrong with a library's file, and what can be saved of it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rag.library._identity import names
from rag.library._rows import COLUMNS, FOLDING, checksum, facets, paper_of
from rag.library._schema import connect

_SHOWN = 3  # problems of one kind that are told
_MAGIC = b"SQLite format 3\x00"
# As they are; papers come apart, and what is left out is made anew from them.
_WHOLE = ("sources", "records", "bodies", "vectors", "names")


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What became of a damaged file: it was moved to `damaged`, and a new one is in its place."""

    papers: int
    lost: int
    damaged: Path


def check(db: sqlite3.Connection) -> list[str]:
    """Problems in plain words, none for a sound file. Raises sqlite3.Error where it is too bad."""
    rows = db.execute(f"PRAGMA integrity_check({_SHOWN})").fetchall()
    found = [f"the file is damaged: {row[0]}" for row in rows if row[0] != "ok"]
    if found:
        return found
    wrong = list(wrong_papers(db))
    if wrong:
        some = ", ".join(wrong[:_SHOWN])
        found.append(f"{len(wrong)} papers are not as they were stored: {some}")
    papers = db.execute("SELECT count(*) FROM papers").fetchone()[0]
    for table, what in (("facets", "filters"), ("names", "identifiers"), ("records", "sources")):
        there = db.execute(
            f"SELECT count(*) FROM papers WHERE number IN (SELECT number FROM {table})"
        ).fetchone()[0]
        if there != papers:
            found.append(f"the {what} of {papers - there} papers are missing")
    return found


def wrong_papers(db: sqlite3.Connection) -> Iterator[str]:
    """Ids of papers whose fields do not fit their checksum."""
    for row in db.execute(f"SELECT {COLUMNS}, sum FROM papers ORDER BY number"):
        if checksum(row[:-1]) != row[-1]:
            yield str(row[0])


def mend(db: sqlite3.Connection) -> list[str]:
    """Make what is derived from the papers anew; ids of papers that their sources must mend.

    These are read again, and replaced, when their source is ingested the next time.
    """
    wrong = list(wrong_papers(db))
    for name in wrong:
        db.execute(
            "UPDATE records SET hash = 0 WHERE number = (SELECT number FROM papers WHERE id = ?)",
            (name,),
        )
    db.execute("DELETE FROM facets")
    cursor = db.execute(f"SELECT number, {COLUMNS} FROM papers")
    for number, *row in cursor.fetchall():
        paper = paper_of(row)
        db.execute("INSERT INTO facets VALUES (?, ?, ?, ?, ?)", (number, *facets(paper)))
        add = "INSERT OR IGNORE INTO names VALUES (?, ?)"
        db.executemany(add, [(name, number) for name in names(paper)])
    db.execute("UPDATE facts SET value = value + 1 WHERE name = 'revision'")
    db.execute("INSERT OR REPLACE INTO facts VALUES ('folding', ?)", (str(FOLDING),))
    return wrong


def salvage(path: Path) -> Salvaged:
    """Put a new file in the place of a damaged one, with all that can still be read.

    Raises OSError or sqlite3.Error where not even a beginning can be made.
    """
    damaged = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    new = path.with_name(f"{path.name}.mended")
    _remove(new)
    _readable_copy(path, damaged)
    try:
        kept, expected = _rescue(damaged, new)
    except BaseException:
        _remove(new)
        _remove(damaged)
        raise
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    new.replace(path)
    return Salvaged(kept, max(0, expected - kept), damaged)


def _rescue(damaged: Path, new: Path) -> tuple[int, int]:
    """Fill a new file; the number of papers in it, and of those that there were."""
    with closing(connect(new, read_only=False)) as db, closing(_raw(damaged)) as old:
        db.execute("BEGIN")
        expected = _count(old)
        kept = _copy_papers(old, db)
        for table in _WHOLE:
            _copy(old, db, table)
        for table in ("records", "names"):
            db.execute(f"DELETE FROM {table} WHERE number NOT IN (SELECT number FROM papers)")
        mend(db)
        _copy_facts(old, db)
        db.execute("COMMIT")
        return kept, expected


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _readable_copy(path: Path, target: Path) -> None:
    """The file and its log under another name; a first page without its mark gets it back."""
    shutil.copyfile(path, target)
    log = path.with_name(path.name + "-wal")
    if log.exists():
        shutil.copyfile(log, target.with_name(target.name + "-wal"))
    with target.open("r+b") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            file.seek(0)
            file.write(_MAGIC)


def _raw(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    with suppress(sqlite3.Error):
        db.execute("PRAGMA writable_schema = ON")  # opens in spite of what it finds amiss
    return db


def _count(old: sqlite3.Connection) -> int:
    """How many papers there were, by whichever table can still tell."""
    numbers = []
    for query in (
        "SELECT count(*) FROM papers",
        "SELECT count(*) FROM facets",
        "SELECT count(DISTINCT number) FROM records",
    ):
        with suppress(sqlite3.Error):
            numbers.append(int(old.execute(query).fetchone()[0]))
    return max(numbers, default=0)


def _copy_papers(old: sqlite3.Connection, db: sqlite3.Connection) -> int:
    """All papers that can be read and are as they were stored."""
    kept: dict[int, Sequence[Any]] = {}
    columns = f"number, {COLUMNS}, sum, added_at, updated_at"
    for row in _rows(old, "papers", columns, "number"):
        with suppress(Exception):  # anything may stand in a damaged row
            if checksum(row[1:-3]) == row[-3]:
                paper_of(row[1:-3])
                kept[row[0]] = row
    marks = ", ".join("?" * (len(COLUMNS.split(", ")) + 4))
    rows = [kept[number] for number in sorted(kept)]
    db.executemany(f"INSERT OR IGNORE INTO papers ({columns}) VALUES ({marks})", rows)
    return int(db.execute("SELECT count(*) FROM papers").fetchone()[0])


def _copy(old: sqlite3.Connection, db: sqlite3.Connection, table: str) -> None:
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    keys = [r[1] for r in db.execute(f"PRAGMA table_info({table})") if r[5]]
    add = f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(columns))})"
    for row in _rows(old, table, ", ".join(columns), ", ".join(keys)):
        with suppress(sqlite3.Error):
            db.execute(add, row)


def _copy_facts(old: sqlite3.Connection, db: sqlite3.Connection) -> None:
    for name, value in _rows(old, "facts", "name, value", "name"):
        if name in ("revision", "run") and isinstance(value, str) and value.isdecimal():
            later = "max(CAST(value AS INTEGER), CAST(? AS INTEGER) + 1)"
            db.execute(f"UPDATE facts SET value = {later} WHERE name = ?", (value, name))


def _rows(old: sqlite3.Connection, table: str, columns: str, key: str) -> Iterator[Any]:
    """Rows from the front up to the damage, then from the back down to it."""
    backwards = ", ".join(f"{column} DESC" for column in key.split(", "))
    for order in (key, backwards):
        try:
            yield from old.execute(f"SELECT {columns} FROM {table} ORDER BY {order}")
        except (sqlite3.Error, OverflowError, UnicodeDecodeError):
            continue
        return


__all__ = ["Salvaged", "check", "mend", "salvage"]
