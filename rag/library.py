"""The paper store (SQLite, WAL): the source of truth. Everything else is rebuilt from it.

Nothing outside this file knows that it is SQLite. Vectors are kept here too, by hash of the text
and by model, so that a rebuilt index never embeds the same text twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rag.errors import LibraryError
from rag.types import Filters, Paper

Outcome = Literal["ingested", "unchanged", "replaced"]
FORMAT = 1
_TOKENS = "#tokens"  # after a model's name: its token codes, where vectors are kept
_BATCH = 500  # stays far below SQLite's limit on bound variables

_SCHEMA = """
CREATE TABLE papers (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, abstract TEXT NOT NULL, authors TEXT NOT NULL,
    year INTEGER, venue TEXT, url TEXT, categories TEXT NOT NULL, doi TEXT, arxiv_id TEXT,
    content_hash TEXT NOT NULL, source TEXT NOT NULL, added_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX papers_year ON papers (year);
CREATE TABLE vectors (
    text_hash BLOB NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (text_hash, model)
) STRICT, WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO facts VALUES ('revision', '0');
"""
_COLUMNS = "id, title, abstract, authors, year, venue, url, categories, doi, arxiv_id"


def paper_id(paper: Paper) -> str:
    """The stable id: DOI, else arXiv id, else the source's own id, else the title's hash.

    A DOI that arXiv gave is an arXiv id in other words: with and without it is one paper.
    """
    if paper.doi and not (paper.arxiv_id and paper.doi.startswith("10.48550/arxiv.")):
        return f"doi:{paper.doi}"
    if paper.arxiv_id:
        return f"arxiv:{paper.arxiv_id}"
    if paper.id:
        return paper.id
    return "title:" + hashlib.sha256(normalised_title(paper.title).encode()).hexdigest()[:16]


def normalised_title(title: str) -> str:
    """Letters and digits in lower case, so that punctuation and spacing make no new paper."""
    folded = unicodedata.normalize("NFKC", title).casefold()
    return re.sub(r"[\W_]+", "", folded) or folded


def content_hash(paper: Paper) -> str:
    """Hash of all that a reader sees of a paper."""
    parts = (
        paper.title, paper.abstract, paper.authors, paper.year, paper.venue, paper.url,
        paper.categories,
    )  # fmt: skip
    text = json.dumps(parts, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Library:
    """Papers and cached vectors of one home. One thread at a time; open one for each thread."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        try:
            self._db = _connect(path, read_only)
            self._check_format(read_only)
        except sqlite3.Error as error:
            raise _readable(error, path) from error

    def close(self) -> None:
        self._db.close()

    def upsert(self, papers: Sequence[tuple[Paper, str]]) -> list[Outcome]:
        """Store (paper, source) pairs in one transaction; one outcome each, in order."""
        with self._transaction():
            outcomes = [self._upsert_one(paper, source) for paper, source in papers]
            if any(outcome != "unchanged" for outcome in outcomes):
                self._bump_revision()
        return outcomes

    def delete(self, ids: Iterable[str]) -> int:
        """Remove papers; the number that were there."""
        with self._transaction():
            removed = sum(
                self._db.execute("DELETE FROM papers WHERE id = ?", (i,)).rowcount for i in ids
            )
            if removed:
                self._bump_revision()
        return removed

    def count(self) -> int:
        return int(next(self._read("SELECT count(*) FROM papers"))[0])

    def by_year(self) -> dict[str, int]:
        """Papers by year, newest first; "unknown" for those without."""
        rows = self._db.execute(
            "SELECT coalesce(year, 'unknown'), count(*) FROM papers GROUP BY year ORDER BY -year"
        )
        return {str(year): int(number) for year, number in rows}

    def revision(self) -> int:
        """Rises with every change of the papers: an index records the one it was made from."""
        return int(next(self._read("SELECT value FROM facts WHERE name = 'revision'"))[0])

    def papers(self) -> Iterator[Paper]:
        """All papers, in the order in which they came."""
        for row in self._read(f"SELECT {_COLUMNS} FROM papers ORDER BY rowid"):
            yield _paper(row)

    def get(self, ids: Sequence[str]) -> dict[str, Paper]:
        found: dict[str, Paper] = {}
        for part in _parts([i.encode("utf-8", "replace").decode() for i in ids]):
            marks = ",".join("?" * len(part))
            query = f"SELECT {_COLUMNS} FROM papers WHERE id IN ({marks})"
            found.update((row[0], _paper(row)) for row in self._read(query, part))
        return found

    def select(self, filters: Filters) -> set[str]:
        """Ids of the papers that the filters admit."""
        clauses, values = _where(filters)
        query = f"SELECT id FROM papers WHERE {clauses}"
        return {row[0] for row in self._read(query, values)}

    def rows(self, filters: Filters | None = None) -> NDArray[np.int64]:
        """Row numbers of the papers that the filters admit, rising: those of `papers()`."""
        clauses, values = _where(filters or Filters())
        found = self._read(f"SELECT rowid FROM papers WHERE {clauses} ORDER BY rowid", values)
        return np.fromiter((row[0] for row in found), np.int64)

    def row_ids(self) -> tuple[NDArray[np.int64], list[str]]:
        """Row numbers and ids of all papers, in the order of `papers()`."""
        pairs = list(self._read("SELECT rowid, id FROM papers ORDER BY rowid"))
        return np.array([row for row, _ in pairs], np.int64), [name for _, name in pairs]

    def by_row(self, rows: Sequence[int] | NDArray[np.int64]) -> dict[int, Paper]:
        """Papers by row number; rows that are gone are left out."""
        found: dict[int, Paper] = {}
        for part in _parts([int(row) for row in rows]):
            marks = ",".join("?" * len(part))
            query = f"SELECT {_COLUMNS}, rowid FROM papers WHERE rowid IN ({marks})"
            found.update((row[-1], _paper(row)) for row in self._read(query, part))
        return found

    def cached_vectors(
        self, hashes: Sequence[bytes], model: str
    ) -> dict[bytes, NDArray[np.float32]]:
        """The vectors known for these texts and this model, by hash of the text."""
        found: dict[bytes, NDArray[np.float32]] = {}
        for part in _parts(hashes):
            marks = ",".join("?" * len(part))
            query = (
                f"SELECT text_hash, vector FROM vectors WHERE model = ? AND text_hash IN ({marks})"
            )
            for key, blob in self._read(query, (model, *part)):
                found[key] = np.frombuffer(blob, np.float32)
        return found

    def known_hashes(self, model: str) -> set[bytes]:
        rows = self._read("SELECT text_hash FROM vectors WHERE model = ?", (model,))
        return {row[0] for row in rows}

    def cache_vectors(
        self, hashes: Sequence[bytes], vectors: NDArray[np.float32], model: str
    ) -> None:
        rows = zip(hashes, (v.tobytes() for v in np.asarray(vectors, np.float32)), strict=True)
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                [(key, model, blob) for key, blob in rows],
            )

    def cached_codes(self, hashes: Sequence[bytes], model: str) -> dict[bytes, NDArray[np.uint8]]:
        """Token codes known for these texts and this model, flat, by hash of the text."""
        found = self.cached_vectors(hashes, model + _TOKENS)
        return {key: vector.view(np.uint8) for key, vector in found.items()}

    def cache_codes(
        self, hashes: Sequence[bytes], codes: Sequence[NDArray[np.uint8]], model: str
    ) -> None:
        """Keep token codes beside the vectors; each of a whole number of float32's bytes."""
        rows = zip(hashes, (code.tobytes() for code in codes), strict=True)
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                [(key, model + _TOKENS, blob) for key, blob in rows],
            )

    def _upsert_one(self, paper: Paper, source: str) -> Outcome:
        paper = replace(paper, id=paper_id(paper))
        digest = content_hash(paper)
        old = self._db.execute(
            "SELECT content_hash FROM papers WHERE id = ?", (paper.id,)
        ).fetchone()
        if old and old[0] == digest:
            return "unchanged"
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._db.execute(
            f"""INSERT INTO papers ({_COLUMNS}, content_hash, source, added_at, updated_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (id) DO UPDATE SET title = excluded.title, abstract = excluded.abstract,
            authors = excluded.authors, year = excluded.year, venue = excluded.venue,
            url = excluded.url, categories = excluded.categories, doi = excluded.doi,
            arxiv_id = excluded.arxiv_id, content_hash = excluded.content_hash,
            source = excluded.source, updated_at = excluded.updated_at""",
            (*_row(paper), digest, source, now, now),
        )
        return "replaced" if old else "ingested"

    def _read(self, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Rows one by one: a damaged page shows only when it is reached."""
        try:
            for row in self._db.execute(query, values):  # noqa: UP028 - it would close the cursor, too late
                yield row
        except sqlite3.Error as error:
            raise _readable(error, self.path) from error

    def _bump_revision(self) -> None:
        self._db.execute("UPDATE facts SET value = value + 1 WHERE name = 'revision'")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                yield
        except sqlite3.Error as error:
            raise _readable(error, self.path) from error

    def _check_format(self, read_only: bool) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not read_only:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")
        elif version == 0:
            raise LibraryError(f"{self.path} holds nothing yet. Run: footnoted ingest SOURCE")
        elif version != FORMAT:
            raise LibraryError(
                f"{self.path} is of format {version}, this Footnoted reads format {FORMAT}. "
                f"Upgrade Footnoted, or ingest into a new home (--home)."
            )


def _connect(path: Path, read_only: bool) -> sqlite3.Connection:
    if read_only and not path.is_file():
        raise LibraryError(f"there is no library at {path}. Run: footnoted ingest SOURCE")
    db = _open(path, "rw" if read_only else "rwc")
    db.create_function("holds", 2, _holds, deterministic=True)
    if read_only:
        db.execute("PRAGMA query_only = ON")
    else:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # what was reported as ingested stays
    return db


def _open(path: Path, mode: str) -> sqlite3.Connection:
    """A reader needs mode "rw" as well: after a kill, it is the first one in that recovers."""
    if mode == "rw" and not os.access(path, os.W_OK):
        mode = "ro"
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30, check_same_thread=False)


def _readable(error: sqlite3.Error, path: Path) -> LibraryError:
    reason = str(error)
    if "not a database" in reason or "malformed" in reason:
        fix = "The file is damaged: move it away and ingest again, or restore a copy."
    elif "readonly" in reason or "unable to open" in reason:
        fix = "Check that the folder exists and may be written, or choose another --home."
    elif "full" in reason:
        fix = "The disk is full: free some space and run the same command again."
    elif "locked" in reason:
        fix = "Another process is writing: wait until it is done."
    else:
        fix = "Run the same command again; if it stays, ingest into a new home."
    return LibraryError(f"{path}: {reason}. {fix}")


def _row(paper: Paper) -> tuple[Any, ...]:
    return (
        paper.id, paper.title, paper.abstract, json.dumps(paper.authors, ensure_ascii=False),
        paper.year, paper.venue, paper.url, json.dumps(paper.categories, ensure_ascii=False),
        paper.doi, paper.arxiv_id,
    )  # fmt: skip


def _paper(row: Sequence[Any]) -> Paper:
    return Paper(
        id=row[0], title=row[1], abstract=row[2], authors=tuple(json.loads(row[3])), year=row[4],
        venue=row[5], url=row[6], categories=tuple(json.loads(row[7])), doi=row[8],
        arxiv_id=row[9],
    )  # fmt: skip


def _where(filters: Filters) -> tuple[str, list[Any]]:
    clauses, values = ["1"], list[Any]()
    low, high = filters.year or (None, None)
    for sign, bound in ((">=", low), ("<=", high)):
        if bound is not None:
            clauses.append(f"year {sign} ?")
            values.append(bound)
    if filters.venue:
        clauses.append("holds(venue, ?)")
        values.append(filters.venue.casefold())
    for column, value in (("authors", filters.author), ("categories", filters.category)):
        if value:
            clauses.append(f"EXISTS (SELECT 1 FROM json_each({column}) WHERE holds(value, ?))")
            values.append(value.casefold())
    return " AND ".join(clauses), values


def _holds(text: str | None, folded: str) -> bool:
    """What LIKE would be, if it knew that 'Ö' and 'ö' are one letter and '%' only a sign."""
    return text is not None and folded in text.casefold()


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
