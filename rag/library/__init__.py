"""The paper store (SQLite, WAL): the source of truth. Everything else is rebuilt from it.

Nothing outside this package knows that it is SQLite. Vectors are kept here too, by hash of the
text and by model, so that a rebuilt index never embeds the same text twice.

A paper comes from one or several records, each from one source: `_identity` says which records
are one paper and what it then says, `_write` stores them, `_near` finds the preprint and the
published version of one work under two ids, `_schema` holds the tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Error
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.errors import LibraryError
from rag.library._check import Salvaged, check, mend, salvage
from rag.library._identity import normalised_title, paper_id
from rag.library._people import by_name, surname
from rag.library._rows import (
    COLUMNS,
    FOLDING,
    beginning,
    content_hash,
    fold,
    fold_case,
    paper_of,
    storable_text,
    unsqueeze,
)
from rag.library._schema import FOLDED, FORMAT, connect, copy_file, format_of, readable, unreadable
from rag.library._tables import drop_records, marks, parts, remove_paper
from rag.library._twins import Twins
from rag.library._write import Outcome, Writer, storable
from rag.types import Filters, Paper

_HEAD = 400  # bytes of a packed record, in which its first characters stand
_REMEMBERED = 32  # answers to filters that are kept; at 75,000 papers at most 0.6 MB each


class Library:
    """Papers and cached vectors of one home. One thread at a time; open one for each thread."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open, making or migrating the file where it may be written. Raises LibraryError."""
        self.path = path
        self._twins: tuple[tuple[int, int], dict[str, tuple[str, ...]]] | None = None
        self._remembered: dict[tuple[Filters, int, bool], NDArray[np.int64]] = {}
        try:
            self._db = connect(path, read_only=read_only)
        except Error as error:
            raise readable(error, path) from error

    @staticmethod
    def is_current(path: Path) -> bool:
        """Whether there is a library of this format, or a newer one, which opening will refuse."""
        found = format_of(path)
        return found is not None and found >= FORMAT

    @staticmethod
    def copy(path: Path, target: Path) -> None:
        """A copy as of one moment, also while another process writes. Raises LibraryError."""
        try:
            copy_file(path, target)
        except Error as error:
            raise readable(error, path) from error

    @staticmethod
    def salvage(path: Path) -> Salvaged:
        """Save what can be read of a damaged file into a new one. Raises LibraryError."""
        try:
            return salvage(path)
        except (Error, OSError) as error:
            raise LibraryError(
                f"nothing can be saved of {path} ({error}). Restore a snapshot (footnoted "
                f"restore), or move it away and ingest again."
            ) from error

    def check(self) -> list[str]:
        """Read everything and compare it; what is wrong, in plain words."""
        try:
            return check(self._db)
        except Error as error:
            return [f"the file is damaged: {error}"]

    def mend(self) -> list[str]:
        """Make anew what is derived from the papers; ids of papers to be ingested again.

        Raises LibraryError where a paper cannot be read at all: then `salvage` is left.
        """
        with self._transaction():
            try:
                return mend(self._db)
            except (ValueError, TypeError, AttributeError) as error:
                raise unreadable(error, self.path) from error

    def close(self) -> None:
        self._db.close()

    def begin_run(self) -> int:
        """A new number for one ingest: records of one source and run belong to one file."""
        with self._transaction():
            self._db.execute("UPDATE facts SET value = value + 1 WHERE name = 'run'")
        return self._fact("run")

    def upsert(self, papers: Sequence[tuple[Paper, str]], run: int | None = None) -> list[Outcome]:
        """Store (paper, source) pairs in one transaction; one outcome each, in order.

        A record replaces what the same source said of that paper in an earlier run; records of
        other sources, and of this run, are merged with it, field by field.
        """
        run = self.begin_run() if run is None else run
        try:
            return self._store(papers, run)
        except (UnicodeEncodeError, OverflowError):
            return self._store([(storable(paper), source) for paper, source in papers], run)

    def delete(self, ids: Iterable[str]) -> int:
        """Remove papers; the number that were there."""
        with self._transaction():
            numbers = {n for i in ids if (n := self._number(i)) is not None}
            for number in numbers:
                remove_paper(self._db, number)
            if numbers:
                self._bump_revision()
        return len(numbers)

    def missing(self, source: str, run: int) -> list[Paper]:
        """Papers that a source gave in an earlier run, and did not give in this one."""
        query = (
            "SELECT DISTINCT number FROM records JOIN sources ON sources.id = records.address "
            "WHERE sources.name = ?1 AND number NOT IN (SELECT number FROM records "
            "JOIN sources ON sources.id = records.address WHERE sources.name = ?1 AND run = ?2)"
        )
        numbers = [row[0] for row in self._read(query, (source, run))]
        return list(self.by_row(numbers).values())

    def forget(self, ids: Iterable[str], source: str) -> int:
        """Take a source's records off these papers; papers without another are removed.

        Returns how many were.
        """
        removed = 0
        with self._transaction():
            for number in [n for i in ids if (n := self._number(i)) is not None]:
                rows = self._db.execute(
                    "SELECT record FROM records JOIN sources ON sources.id = records.address "
                    "WHERE number = ? AND sources.name = ?",
                    (number, source),
                )
                removed += drop_records(self._db, number, {row[0] for row in rows})
            self._bump_revision()
        return removed

    def count(self) -> int:
        return int(next(self._read("SELECT count(*) FROM papers"))[0])

    def by_year(self) -> dict[str, int]:
        """Papers by year, newest first; "unknown" for those without."""
        query = (
            "SELECT coalesce(year, 'unknown'), count(*) FROM facets GROUP BY year ORDER BY -year"
        )
        return {str(year): int(number) for year, number in self._read(query)}

    def by_venue(self) -> dict[str, int]:
        """Papers by venue, the fullest first; "unknown" for those without."""
        query = (
            "SELECT coalesce(venue, 'unknown'), count(*) AS n FROM papers GROUP BY venue "
            "ORDER BY n DESC, venue"
        )
        return {str(venue): int(number) for venue, number in self._read(query)}

    def by_source(self) -> dict[str, int]:
        """Papers by source, the fullest first; a paper of two sources counts for both."""
        query = (
            "SELECT sources.name, count(DISTINCT number) AS n FROM records "
            "JOIN sources ON sources.id = records.address GROUP BY 1 ORDER BY n DESC, 1"
        )
        return {str(source): int(number) for source, number in self._read(query)}

    def sources(self, paper_id: str) -> list[str]:
        """Where a paper came from, the first source first."""
        query = (
            "SELECT DISTINCT sources.name FROM records JOIN sources "
            "ON sources.id = records.address WHERE number = ? ORDER BY record"
        )
        return [row[0] for row in self._read(query, (self._number(paper_id),))]

    def raw(self, paper_id: str) -> list[str]:
        """The records of a paper as they stood in their sources, where these keep them."""
        query = (
            "SELECT raw FROM bodies JOIN records USING (record) WHERE number = ? "
            "AND raw IS NOT NULL ORDER BY record"
        )
        return [unsqueeze(row[0]) for row in self._read(query, (self._number(paper_id),))]

    def is_folded(self) -> bool:
        """Whether filters find "Müller" by "muller": opening an older file for writing sees to it.

        A file that may only be read stays as it is, and is asked in the way in which it was made.
        """
        return int(next(self._read(FOLDED), (1,))[0]) >= FOLDING

    def heads(self, ids: Sequence[str] | None = None) -> Iterator[tuple[str, str]]:
        """Id and the first characters of each raw record, in the order in which they came."""
        query = (
            f"SELECT papers.id, substr(raw, 1, {_HEAD}) FROM papers JOIN records USING (number) "
            "JOIN bodies USING (record) WHERE raw IS NOT NULL"
        )
        if ids is None:
            rows = self._read(f"{query} ORDER BY record")
        else:
            rows = (
                row
                for part in parts([storable_text(i) for i in ids])
                for row in self._read(
                    f"{query} AND papers.id IN ({marks(part)}) ORDER BY record", part
                )
            )
        for name, packed in rows:
            yield name, beginning(packed)

    def revision(self) -> int:
        """Rises with every change of the papers: an index records the one it was made from."""
        return self._fact("revision")

    def papers(self) -> Iterator[Paper]:
        """All papers, in the order in which they came, which is that of `rows`."""
        for row in self._read(f"SELECT {COLUMNS} FROM papers ORDER BY number"):
            yield paper_of(row)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Title and abstract of all papers, in the order of `papers`."""
        yield from self._read("SELECT title, abstract FROM papers ORDER BY number")

    def get(self, ids: Sequence[str]) -> dict[str, Paper]:
        """Papers by the ids that were asked for, those unknown left out."""
        found: dict[str, Paper] = {}
        for part in parts([storable_text(i) for i in ids]):
            query = f"SELECT {COLUMNS} FROM papers WHERE id IN ({marks(part)})"
            found.update((row[0], paper_of(row)) for row in self._read(query, part))
        return found

    def select(self, filters: Filters) -> set[str]:
        """Ids of the papers that the filters admit. For many papers `rows` is faster."""
        clauses, values = _where(filters, accents=not self.is_folded())
        query = f"SELECT id FROM facets JOIN papers USING (number) WHERE {clauses}"
        return {row[0] for row in self._read(query, values)}

    def rows(self, filters: Filters | None = None) -> NDArray[np.int64]:
        """Row numbers of the papers that the filters admit, rising; all without filters.

        A paper keeps its number for ever, and none is given out twice. Remembered until a
        paper changes: a conversation asks with the same filters again and again.
        """
        key = filters or Filters(), self.revision(), self.is_folded()
        if key not in self._remembered:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = self._scan(key[0], accents=not key[2])
        return self._remembered[key]

    def written_by(self, name: str) -> NDArray[np.int64]:
        """Row numbers of the papers by an author of this name, rising; initials will do."""
        folded = self.is_folded()
        if not (word := surname(name, fold if folded else fold_case)):
            return np.zeros(0, np.int64)
        query = "SELECT number, authors FROM facets WHERE instr(authors, ?) ORDER BY number"
        rows = self._read(query, (word,))
        rows = rows if folded else ((number, fold(authors)) for number, authors in rows)
        return np.array(list(by_name(rows, name)), np.int64)

    def published_in(self, venue: str) -> NDArray[np.int64]:
        """Row numbers of the papers whose venue holds this one as whole words, rising."""
        text = (fold if self.is_folded() else fold_case)(venue)
        whole = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")
        query = (  # of 75,000 papers there are far fewer venues to look at
            "SELECT venue, group_concat(number) FROM facets WHERE instr(venue, ?) GROUP BY venue"
        )
        found = [rows for name, rows in self._read(query, (text,)) if whole.search(name)]
        return np.sort(_numbers(",".join(found)))

    def years(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row numbers of the papers with a year, and these years, in the same order."""
        query = "SELECT group_concat(number), group_concat(year) FROM facets WHERE year IS NOT NULL"
        numbers, years = next(self._read(query))
        return _numbers(numbers), _numbers(years)

    def lacking(self) -> dict[str, int]:
        """How many papers have no "year", no "venue" and no "authors" in their records."""
        query = "SELECT total(year IS NULL), total(venue IS NULL), total(authors = '') FROM facets"
        return dict(
            zip(("year", "venue", "authors"), map(int, next(self._read(query))), strict=True)
        )

    def row_ids(self) -> tuple[NDArray[np.int64], list[str]]:
        """Row numbers and ids of all papers, in the order of `papers`."""
        pairs = list(self._read("SELECT number, id FROM papers ORDER BY number"))
        return np.array([n for n, _ in pairs], np.int64), [i for _, i in pairs]

    def by_row(self, rows: Sequence[int] | NDArray[np.int64]) -> dict[int, Paper]:
        """Papers by row number, those unknown left out."""
        found: dict[int, Paper] = {}
        for part in parts([int(row) for row in rows]):
            query = f"SELECT number, {COLUMNS} FROM papers WHERE number IN ({marks(part)})"
            found.update((row[0], paper_of(row[1:])) for row in self._read(query, part))
        return found

    def link_twins(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """Compare papers that are new or changed with all others; the pairs found.

        See `rag.library._twins` for what makes two papers one work.
        """
        with self._transaction():
            return Twins(self._db).link(progress)

    def same_as(self, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The other ids of the work, for those of these papers that have any."""
        state = next(self._read("PRAGMA data_version"))[0], self._db.total_changes
        if self._twins is None or self._twins[0] != state:
            self._twins = state, Twins(self._db).others()
        others = self._twins[1]
        return {i: others[i] for i in ids if i in others}

    def duplicates(self) -> list[tuple[str, ...]]:
        """Ids of the papers that are one work, a tuple for each work, the first ingested first."""
        return Twins(self._db).groups()

    def cached_vectors(
        self, hashes: Sequence[bytes], model: str
    ) -> dict[bytes, NDArray[np.float32]]:
        """The vectors known for these texts and this model, by hash of the text."""
        found: dict[bytes, NDArray[np.float32]] = {}
        for part in parts(hashes):
            query = (
                f"SELECT text_hash, vector FROM vectors "
                f"WHERE model = ? AND text_hash IN ({marks(part)})"
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
        self._cache(hashes, np.asarray(vectors, np.float32), model)

    def cached_codes(self, hashes: Sequence[bytes], model: str) -> dict[bytes, NDArray[np.uint8]]:
        """Token codes known for these texts, flat, by hash; `model` names the codes, too."""
        found = self.cached_vectors(hashes, model)
        return {key: vector.view(np.uint8) for key, vector in found.items()}

    def cache_codes(
        self, hashes: Sequence[bytes], codes: Sequence[NDArray[np.uint8]], model: str
    ) -> None:
        """Keep token codes beside vectors; each of a whole number of float32's bytes."""
        self._cache(hashes, codes, model)

    def _cache(self, hashes: Sequence[bytes], arrays: Iterable[NDArray[Any]], model: str) -> None:
        with self._transaction():
            self._db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                [(key, model, a.tobytes()) for key, a in zip(hashes, arrays, strict=True)],
            )

    def _scan(self, filters: Filters, *, accents: bool) -> NDArray[np.int64]:
        clauses, values = _where(filters, accents=accents)
        # One text of all numbers: 75,000 rows through Python's cursor would take twice as long.
        query = f"SELECT group_concat(number) FROM facets WHERE {clauses}"
        rows = np.sort(_numbers(next(self._read(query, values))[0]))
        rows.flags.writeable = False
        return rows

    def _store(self, papers: Sequence[tuple[Paper, str]], run: int) -> list[Outcome]:
        with self._transaction():
            outcomes = Writer(self._db, run).store(papers)
            if any(outcome != "unchanged" for outcome in outcomes):
                self._bump_revision()
        return outcomes

    def _fact(self, name: str) -> int:
        return int(next(self._read("SELECT value FROM facts WHERE name = ?", (name,)))[0])

    def _number(self, paper_id: str) -> int | None:
        name = storable_text(paper_id)
        row = next(self._read("SELECT number FROM papers WHERE id = ?", (name,)), None)
        return int(row[0]) if row else None

    def _read(self, query: str, values: Sequence[Any] = ()) -> Iterator[Any]:
        """Rows one by one: a damaged page shows only when it is reached."""
        try:
            for row in self._db.execute(query, values):  # noqa: UP028 - it would close the cursor
                yield row
        except Error as error:
            raise readable(error, self.path) from error

    def _bump_revision(self) -> None:
        self._db.execute("UPDATE facts SET value = value + 1 WHERE name = 'revision'")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                yield
        except Error as error:
            raise readable(error, self.path) from error


def _numbers(text: str | None) -> NDArray[np.int64]:
    """The numbers of a group_concat, which is NULL where there are none."""
    return np.fromstring(text or "", np.int64, sep=",")


def _where(filters: Filters, *, accents: bool) -> tuple[str, list[Any]]:
    """The narrowest columns first: what they exclude is not looked at further."""
    folded = fold_case if accents else fold
    clauses, values = ["1"], list[Any]()
    low, high = filters.year or (None, None)
    for sign, bound in ((">=", low), ("<=", high)):
        if bound is not None:
            clauses.append(f"facets.year {sign} ?")
            values.append(bound)
    wanted = {
        "venue": filters.venue, "categories": filters.category, "authors": filters.author,
    }  # fmt: skip
    for column, text in wanted.items():
        if text:  # not LIKE, for which '%' is more than a sign and 'Ö' not 'ö'
            clauses.append(f"instr(facets.{column}, ?)")
            values.append(folded(text))
    return " AND ".join(clauses), values


__all__ = [
    "FORMAT",
    "Library",
    "LibraryError",
    "Outcome",
    "content_hash",
    "fold",
    "normalised_title",
    "paper_id",
]
