"""The file: its tables, how it is opened, how an older one is brought up to date.

papers      one row a paper, as it is shown; `number` is never given out twice
names       identifier or hashed title -> papers that bear it
records     which source gave which record for a paper, and in which run it was last seen
bodies      the raw text of a record, and its fields where a paper has several records
facets      what filters look at, folded, in rows narrow enough to be scanned
sketches    a paper's MinHash; absent where it is yet to be compared with the others
twins       pairs of papers that are one work under two ids
vectors     embeddings by hash of the text and by model
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from rag.errors import LibraryError
from rag.library._identity import names
from rag.library._rows import COLUMNS, FOLDING, MARKS, facets, paper_of, row_of, summed

FORMAT = 2

_PAPERS = """
CREATE TABLE papers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, abstract TEXT NOT NULL, authors TEXT NOT NULL,
    year INTEGER, venue TEXT, url TEXT, categories TEXT NOT NULL, doi TEXT, arxiv_id TEXT,
    pmid TEXT, openalex_id TEXT, version INTEGER, key TEXT, language TEXT, license TEXT,
    sum INTEGER NOT NULL, added_at TEXT NOT NULL, updated_at TEXT NOT NULL
) STRICT;
CREATE TABLE names (
    name TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (name, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX names_number ON names (number);
CREATE TABLE sources (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE records (
    record INTEGER PRIMARY KEY, number INTEGER NOT NULL, address INTEGER NOT NULL,
    hash INTEGER NOT NULL, run INTEGER NOT NULL
) STRICT;
CREATE INDEX records_number ON records (number);
CREATE TABLE bodies (record INTEGER PRIMARY KEY, raw BLOB, fields BLOB) STRICT;
CREATE TABLE facets (
    number INTEGER PRIMARY KEY, year INTEGER, venue TEXT, categories TEXT NOT NULL,
    authors TEXT NOT NULL
) STRICT;
CREATE TABLE sketches (number INTEGER PRIMARY KEY, keys BLOB NOT NULL) STRICT;
CREATE TABLE twins (
    number INTEGER NOT NULL, other INTEGER NOT NULL, PRIMARY KEY (number, other)
) STRICT, WITHOUT ROWID;
"""
_VECTORS = """
CREATE TABLE vectors (
    text_hash BLOB NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (text_hash, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO facts VALUES ('revision', '0');
"""
FOLDED = "SELECT value FROM facts WHERE name = 'folding'"
_RUN = f"INSERT INTO facts VALUES ('run', '0'), ('folding', '{FOLDING}');"


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open the file, of the current format; an older one is migrated, but not by a reader.

    Raises LibraryError, and sqlite3.Error for what `readable` puts into words.
    """
    if read_only and not path.is_file():
        raise LibraryError(f"there is no library at {path}. Run: footnoted ingest SOURCE")
    db = _open(path, "rw" if read_only else "rwc")
    try:
        if not read_only:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")  # what was reported as ingested stays
        db.execute("PRAGMA cache_size = -16000")
        _settle(db, path, read_only=read_only)
        if not read_only and folding(db) < FOLDING:
            try:
                refold(db)
            except (ValueError, TypeError, AttributeError) as error:
                raise unreadable(error, path) from error
        if read_only:
            db.execute("PRAGMA query_only = ON")
    except BaseException:
        db.close()
        raise
    return db


def folding(db: sqlite3.Connection) -> int:
    """By which `_rows.FOLDING` the facets were made; 1 is letters without their case."""
    row = db.execute(FOLDED).fetchone()
    return int(row[0]) if row else 1


def refold(db: sqlite3.Connection) -> None:
    """Make the facets of all papers anew; no paper changes, and no index falls behind."""
    db.execute("BEGIN IMMEDIATE")
    try:
        rows = db.execute(f"SELECT number, {COLUMNS} FROM papers")
        db.execute("DELETE FROM facets")
        db.executemany(
            "INSERT INTO facets VALUES (?, ?, ?, ?, ?)",
            ((number, *facets(paper_of(row))) for number, *row in rows),
        )
        db.execute("INSERT OR REPLACE INTO facts VALUES ('folding', ?)", (str(FOLDING),))
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def format_of(path: Path) -> int | None:
    """The format of a library file, 0 for one still empty, None where there is no file."""
    if not path.is_file():
        return None
    try:
        db = _open(path, "rw")
        try:
            return int(db.execute("PRAGMA user_version").fetchone()[0])
        finally:
            db.close()
    except sqlite3.Error as error:
        raise readable(error, path) from error


_DAMAGED = (
    "The file is damaged: move it away and ingest again, or restore a snapshot. "
    "To save what can be read, run: footnoted doctor --repair"
)


def readable(error: sqlite3.Error, path: Path, damaged: str = _DAMAGED) -> LibraryError:
    """What SQLite says, with what to do about it; `damaged` where the file itself is broken."""
    reason = str(error)
    if "not a database" in reason or "malformed" in reason:
        fix = damaged
    elif "readonly" in reason or "unable to open" in reason:
        fix = "Check that the folder exists and may be written, or choose another --home."
    elif "full" in reason or "disk I/O" in reason:
        fix = "The disk may be full: free some space and run the same command again."
    elif "locked" in reason:
        fix = "Another process is writing: wait until it is done."
    else:
        fix = "Run the same command again; if it stays, run: footnoted doctor"
    return LibraryError(f"{path}: {reason}. {fix}")


def unreadable(error: Exception, path: Path) -> LibraryError:
    """What to do about a paper whose fields are no longer what was stored."""
    return LibraryError(f"{path}: a paper cannot be read ({error}). {_DAMAGED}")


def _open(path: Path, mode: str) -> sqlite3.Connection:
    """A reader needs mode "rw" as well: after a kill, it is the first one in that recovers."""
    if mode == "rw" and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        mode = "ro" if _sidecar(path, "-wal").exists() else "ro&immutable=1"
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30, check_same_thread=False)


def _sidecar(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _settle(db: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version == FORMAT:
        return
    if version > FORMAT:
        raise LibraryError(
            f"{path} is of format {version}, made by a newer Footnoted; this one knows up to "
            f"format {FORMAT}. Upgrade Footnoted (pip install --upgrade footnoted), or choose "
            f"another --home."
        )
    if read_only:
        raise LibraryError(
            f"{path} holds nothing yet. Run: footnoted ingest SOURCE"
            if version == 0
            else f"{path} is of format {version}; this Footnoted keeps format {FORMAT}. "
            f"Run: footnoted ingest, which brings it up to date after a copy."
        )
    if version == 0:
        script = f"{_PAPERS} {_VECTORS} {_RUN}"
        db.executescript(f"BEGIN; {script} PRAGMA user_version = {FORMAT}; COMMIT;")
    else:
        copy_file(path, _sidecar(path, f".format-{version}"))
        _migrate(db)


def copy_file(path: Path, target: Path) -> None:
    """Copy a database as of one moment, whoever writes to it: whole and on disk, or not at all."""
    part = _sidecar(target, ".part")
    part.unlink(missing_ok=True)
    with closing(_open(path, "rw")) as db, closing(sqlite3.connect(part)) as copy:
        db.backup(copy)
    handle = os.open(part, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    part.replace(target)


def _migrate(db: sqlite3.Connection) -> None:
    """Format 1 -> 2, in one transaction; ids and order stay as they are."""
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute("ALTER TABLE papers RENAME TO papers_1")
        db.execute("DROP INDEX papers_year")
        for statement in (*_PAPERS.split(";"), _RUN):
            db.execute(statement)
        addresses: dict[str, int] = {}
        rows = db.execute(
            "SELECT rowid, id, title, abstract, authors, year, venue, url, categories, doi, "
            "arxiv_id, added_at, updated_at, source FROM papers_1 ORDER BY rowid"
        )
        for number, *fields, added, updated, source in rows:
            address = addresses.setdefault(source, len(addresses) + 1)
            paper = paper_of([*fields, None, None, None, None, None, None])
            row = row_of(paper)
            new = NewPaper(number, row, facets(paper), names(paper), added, updated)
            insert_papers(db, [new])
            db.execute("INSERT INTO records VALUES (?, ?, ?, 0, 0)", (number, number, address))
        db.executemany("INSERT INTO sources VALUES (?, ?)", ((n, a) for a, n in addresses.items()))
        db.execute("DROP TABLE papers_1")
        db.execute(f"PRAGMA user_version = {FORMAT}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


class NewPaper(NamedTuple):
    """A paper's rows, the number and the names that it gets, and when it came and was changed."""

    number: int
    row: Sequence[Any]
    facets: Sequence[Any]
    names: Sequence[str]
    added: str
    updated: str


def insert_papers(db: sqlite3.Connection, new: Sequence[NewPaper]) -> None:
    """New rows with their names and facets."""
    if not new:
        return
    db.executemany(
        f"INSERT INTO papers (number, {COLUMNS}, sum, added_at, updated_at) "
        f"VALUES (?, {MARKS}, ?, ?, ?)",
        [(n.number, *summed(n.row), n.added, n.updated) for n in new],
    )
    db.executemany(
        "INSERT INTO facets VALUES (?, ?, ?, ?, ?)", [(n.number, *n.facets) for n in new]
    )
    db.executemany(
        "INSERT INTO names VALUES (?, ?)", [(name, n.number) for n in new for name in n.names]
    )
