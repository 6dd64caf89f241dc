"""Records into the library: which paper each belongs to, and what that paper then says.

A batch is looked up by a few queries, not one a record; what it changes is written at once.
Everything here happens inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from rag.library._identity import (
    contradict,
    identifiers,
    merge,
    names,
    paper_id,
    same_work,
    title_hash,
)
from rag.library._rows import (
    COLUMNS,
    UPDATE,
    facets,
    pack,
    paper_of,
    record_hash,
    row_of,
    squeeze,
    summed,
    unpack,
)
from rag.library._schema import NewPaper, insert_papers
from rag.types import Paper

Outcome = Literal["ingested", "unchanged", "replaced"]
_PART = 500  # stays far below SQLite's limit on bound variables


@dataclass(slots=True)
class _Seen:
    """One record of one paper, as an earlier or this run left it."""

    record: int
    address: int
    hash: int
    run: int


class Writer:
    """Stores one batch of (paper, address) pairs of one run."""

    def __init__(self, db: sqlite3.Connection, run: int) -> None:
        self._db = db
        self._run = run
        self._now = datetime.now(UTC).isoformat(timespec="seconds")
        self._addresses: dict[str, int] = {}
        self._bearers: dict[str, list[int]] = {}
        self._taken: set[str] = set()
        self._seen: dict[int, list[_Seen]] = {}
        self._touched: list[tuple[int, int]] = []
        self._waiting: list[NewPaper] = []
        self._new_records: list[tuple[int, ...]] = []
        self._bodies: list[tuple[int, bytes | None, bytes | None]] = []
        self._next_number = _next(db, "papers", "number")
        self._next_record = _next(db, "records", "record")

    def store(self, papers: Sequence[tuple[Paper, str]]) -> list[Outcome]:
        """One outcome each, in order."""
        known = [names(paper) for paper, _ in papers]
        self._look_up([name for found in known for name in found])
        self._look_up_ids([paper_id(paper) for paper, _ in papers])
        outcomes = [
            self._one(paper, self._address(source), found)
            for (paper, source), found in zip(papers, known, strict=True)
        ]
        self._flush()
        self._db.executemany("UPDATE records SET run = ? WHERE record = ?", self._touched)
        return outcomes

    def _look_up(self, wanted: Sequence[str]) -> None:
        for part in parts(list(dict.fromkeys(wanted))):
            query = f"SELECT name, number FROM names WHERE name IN ({marks(part)})"
            for name, number in self._db.execute(query, part):
                self._bearers.setdefault(name, []).append(number)
        numbers = list({n for found in self._bearers.values() for n in found})
        for part in parts(numbers):
            query = (
                f"SELECT number, record, address, hash, run FROM records "
                f"WHERE number IN ({marks(part)}) ORDER BY record"
            )
            for number, *rest in self._db.execute(query, part):
                self._seen.setdefault(number, []).append(_Seen(*rest))

    def _look_up_ids(self, wanted: Sequence[str]) -> None:
        for part in parts(wanted):
            query = f"SELECT id FROM papers WHERE id IN ({marks(part)})"
            self._taken.update(row[0] for row in self._db.execute(query, part))

    def _address(self, source: str) -> int:
        if source not in self._addresses:
            add = "INSERT OR IGNORE INTO sources (name) VALUES (?)"
            self._db.execute(add, (source,))
            find = "SELECT id FROM sources WHERE name = ?"
            self._addresses[source] = int(self._db.execute(find, (source,)).fetchone()[0])
        return self._addresses[source]

    def _one(self, paper: Paper, address: int, known: list[str]) -> Outcome:
        number = self._find(paper, address, known)
        row = row_of(paper)
        digest = record_hash(row)
        if number is None:
            self._insert(paper, row, address, digest, known)
            return "ingested"
        for seen in self._seen[number]:
            if seen.hash == digest and seen.address == address:
                self._touch(seen)
                return "unchanged"
        self._flush()
        return self._add(number, paper, address, digest)

    def _find(self, paper: Paper, address: int, known: list[str]) -> int | None:
        """The paper that this record is of, by the strongest name that both have."""
        for name in known:
            weak = name.startswith(("id:", "title:"))
            for number in self._bearers.get(name, ()):
                if not weak or self._fits(number, paper, address, name):
                    return number
        return None

    def _fits(self, number: int, paper: Paper, address: int, name: str) -> bool:
        """Whether a weak name, which others may bear too, means this paper."""
        self._flush()
        other = load(self._db, number)
        here = any(seen.address == address for seen in self._seen[number])
        if name.startswith("id:") and here:
            return True
        if contradict(paper, other):
            return False
        if name.startswith("id:"):
            same_title = title_hash(paper.title) == title_hash(other.title)
            return same_title or paper.abstract == other.abstract
        if here and paper.id and f"id:{paper.id}" not in self._names(number):
            return False  # its source calls it by another id
        return same_work(paper, other) or (here and _unnamed(paper) and _unnamed(other))

    def _names(self, number: int) -> set[str]:
        rows = self._db.execute("SELECT name FROM names WHERE number = ?", (number,))
        return {row[0] for row in rows}

    def _insert(
        self, paper: Paper, row: tuple[Any, ...], address: int, digest: int, known: list[str]
    ) -> None:
        number, own = self._next_number, self._free_id(paper)
        self._next_number += 1
        if own not in known and f"id:{own}" not in known:
            known = [*known, f"id:{own}"]
        for name in known:
            self._bearers.setdefault(name, []).append(number)
        row = (own, *row[1:])
        self._waiting.append(NewPaper(number, row, facets(paper), known, self._now, self._now))
        self._seen[number] = [self._record(number, paper, address, digest, None)]

    def _free_id(self, paper: Paper) -> str:
        """Its id; with a tail where another paper has it, as by another source's numbering."""
        wanted = found = paper_id(paper)
        tail = 1
        while found in self._taken:
            tail += 1
            found = f"{wanted}~{tail}"
            self._look_up_ids([found])
        self._taken.add(found)
        return found

    def _record(
        self, number: int, paper: Paper, address: int, digest: int, fields: bytes | None
    ) -> _Seen:
        seen = _Seen(self._next_record, address, digest, self._run)
        self._next_record += 1
        self._new_records.append((seen.record, number, address, digest, self._run))
        if paper.raw or fields:
            raw = squeeze(paper.raw) if paper.raw else None
            self._bodies.append((seen.record, raw, fields))
        return seen

    def _flush(self) -> None:
        """Write what is new: many rows in one call cost half of what they cost one by one."""
        insert_papers(self._db, self._waiting)
        self._db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", self._new_records)
        self._db.executemany("INSERT INTO bodies VALUES (?, ?, ?)", self._bodies)
        for done in (self._waiting, self._new_records, self._bodies):
            done.clear()

    def _add(self, number: int, paper: Paper, address: int, digest: int) -> Outcome:
        """A record that this paper did not have: of another source, of a mended file."""
        old = load(self._db, number)
        if _earlier(paper, old):
            self._keep_also(number, old, paper, address, digest)
            return "unchanged"
        stale = [s for s in self._seen[number] if s.address == address and s.run != self._run]
        kept = [s for s in self._seen[number] if s not in stale]
        forget_records(self._db, [s.record for s in stale])
        self._seen[number] = kept
        if kept:
            self._keep_also(number, old, paper, address, digest)
            new = merge(self._fields(number, old), old.id)
        else:
            self._seen[number] = [self._record(number, paper, address, digest, None)]
            new = replace(paper, id=old.id, key=paper.key or old.key, raw="")
        return "replaced" if self._change(number, old, new, paper) else "unchanged"

    def _keep_also(self, number: int, old: Paper, paper: Paper, address: int, digest: int) -> None:
        """Store a further record; from then on each of them carries its own fields."""
        for seen in self._seen[number]:
            keep_fields(self._db, seen.record, old)
        new = self._record(number, paper, address, digest, pack(paper))
        self._seen[number].append(new)
        self._flush()

    def _fields(self, number: int, old: Paper) -> list[Paper]:
        return [fields_of(self._db, seen.record) or old for seen in self._seen[number]]

    def _change(self, number: int, old: Paper, new: Paper, record: Paper) -> bool:
        wanted = {*names(new), *names(record)}
        if len(self._seen[number]) > 1:
            wanted |= {n for fields in self._fields(number, old) for n in names(fields)}
        self._rename(number, self._names(number), wanted)
        if new == old:
            return False
        update_paper(self._db, number, new, self._now)
        return True

    def _rename(self, number: int, old: set[str], new: set[str]) -> None:
        for name in old - new:
            self._db.execute("DELETE FROM names WHERE name = ? AND number = ?", (name, number))
            if number in self._bearers.get(name, ()):
                self._bearers[name].remove(number)
        for name in new - old:
            self._db.execute("INSERT INTO names VALUES (?, ?)", (name, number))
            self._bearers.setdefault(name, []).append(number)

    def _touch(self, seen: _Seen) -> None:
        if seen.run != self._run:
            seen.run = self._run
            self._touched.append((self._run, seen.record))


def _next(db: sqlite3.Connection, table: str, column: str) -> int:
    """The next number: of papers, also past those that were removed since."""
    rows = db.execute(f"SELECT max({column}) FROM {table}").fetchone()
    used = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return max(rows[0] or 0, used[0] if used else 0) + 1


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


def _earlier(paper: Paper, old: Paper) -> bool:
    return bool(paper.version and old.version and paper.version < old.version)


def _unnamed(paper: Paper) -> bool:
    """Whether nothing but its title names it."""
    return not identifiers(paper) and (not paper.id or paper.id.startswith("title:"))
