"""Records into the library: which paper each belongs to, and what that paper then says.

A batch is looked up by a few queries, not one a record; what it changes is written at once.
Everything here happens inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal

from rag.library._identity import (
    contradict,
    crowd_name,
    identifiers,
    merge,
    names,
    paper_id,
    same_work,
    title_hash,
)
from rag.library._rows import facets, pack, record_hash, row_of, squeeze
from rag.library._schema import NewPaper, insert_papers
from rag.library._tables import (
    fields_of,
    forget_records,
    keep_fields,
    load,
    marks,
    parts,
    update_paper,
)
from rag.types import Paper

Outcome = Literal["ingested", "unchanged", "replaced"]


_CROWD = 20  # papers of one title that are looked at one by one


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
        self._exact: dict[tuple[int, int], _Seen] = {}
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
        numbers: set[int] = set()
        for part in parts(list(dict.fromkeys(wanted))):
            query = f"SELECT name, number FROM names WHERE name IN ({marks(part)})"
            for name, number in self._db.execute(query, part):
                self._bearers.setdefault(name, []).append(number)
                numbers.add(number)
        for part in parts(list(numbers - self._seen.keys())):
            query = (
                f"SELECT number, record, address, hash, run FROM records "
                f"WHERE number IN ({marks(part)}) ORDER BY record"
            )
            for number, *rest in self._db.execute(query, part):
                self._remember(number, _Seen(*rest))

    def _remember(self, number: int, seen: _Seen) -> None:
        self._seen.setdefault(number, []).append(seen)
        self._exact[seen.address, seen.hash] = seen

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
        row = row_of(paper)
        digest = record_hash(row)
        if seen := self._exact.get((address, digest)):
            self._touch(seen)
            return "unchanged"
        number = self._find(paper, address, known)
        if number is None:
            self._insert(paper, row, address, digest, known)
            return "ingested"
        self._flush()
        return self._add(number, paper, address, digest)

    def _find(self, paper: Paper, address: int, known: list[str]) -> int | None:
        """The paper that this record is of, by the strongest name that both have."""
        for name in known:
            weak = name.startswith(("id:", "title:"))
            for number in self._bearers.get(name, ())[:_CROWD]:
                if not weak or self._fits(number, paper, address, name):
                    return number
        return self._in_crowd(paper, address, known)

    def _in_crowd(self, paper: Paper, address: int, known: list[str]) -> int | None:
        """One of many papers of the same title, each without a name of its own."""
        if len(self._bearers.get(known[-1], ())) < _CROWD:
            return None
        name = crowd_name(paper)
        if name not in self._bearers:
            self._look_up([name])
        fitting = (n for n in self._bearers.get(name, ())[:_CROWD])
        return next((n for n in fitting if self._fits(n, paper, address, known[-1])), None)

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
        if same_work(paper, other):
            return True
        # A mended record of a source that names its papers by their titles alone.
        again = here and all(seen.run != self._run for seen in self._seen[number])
        return again and _unnamed(paper) and _unnamed(other)

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
        if len(self._bearers.get(f"title:{title_hash(paper.title)}", ())) >= _CROWD:
            known = [*known, crowd_name(paper)]
        for name in known:
            self._bearers.setdefault(name, []).append(number)
        row = (own, *row[1:])
        self._waiting.append(NewPaper(number, row, facets(paper), known, self._now, self._now))
        self._record(number, paper, address, digest, None)

    def _free_id(self, paper: Paper) -> str:
        """Its id; with a tail where another paper has it, as by another source's numbering."""
        wanted = found = paper_id(paper)
        tail = crowd_name(paper)[-8:]  # by what it says, so that it is the same another time
        while found in self._taken:
            found = f"{wanted}~{tail}"
            self._look_up_ids([found])
            tail += "x"
        self._taken.add(found)
        return found

    def _record(
        self, number: int, paper: Paper, address: int, digest: int, fields: bytes | None
    ) -> None:
        seen = _Seen(self._next_record, address, digest, self._run)
        self._next_record += 1
        self._new_records.append((seen.record, number, address, digest, self._run))
        if paper.raw or fields:
            raw = squeeze(paper.raw) if paper.raw else None
            self._bodies.append((seen.record, raw, fields))
        self._remember(number, seen)

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
        for seen in stale:
            self._exact.pop((seen.address, seen.hash), None)
        self._seen[number] = kept
        if kept:
            self._keep_also(number, old, paper, address, digest)
            new = merge(self._fields(number, old), old.id)
        else:
            self._record(number, paper, address, digest, None)
            new = replace(paper, id=old.id, key=paper.key or old.key, raw="")
        return "replaced" if self._change(number, old, new, paper) else "unchanged"

    def _keep_also(self, number: int, old: Paper, paper: Paper, address: int, digest: int) -> None:
        """Store a further record; from then on each of them carries its own fields."""
        for seen in self._seen[number]:
            keep_fields(self._db, seen.record, old)
        self._record(number, paper, address, digest, pack(paper))
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
        for name in {name for name in old - new if not name.startswith("crowd:")}:
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


def storable(paper: Paper) -> Paper:
    """Without what no database takes: lone surrogates, and numbers of more than 64 bits."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(plain, value))
        if isinstance(value, str):
            return value.encode("utf-8", "replace").decode()
        return value if value is None or abs(value) < 2**63 else None

    values = {f.name: plain(getattr(paper, f.name)) for f in fields(paper) if f.name != "raw"}
    return replace(paper, **values)


def _next(db: sqlite3.Connection, table: str, column: str) -> int:
    """The next number: of papers, also past those that were removed since."""
    rows = db.execute(f"SELECT max({column}) FROM {table}").fetchone()
    used = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    return max(rows[0] or 0, used[0] if used else 0) + 1


def _earlier(paper: Paper, old: Paper) -> bool:
    return bool(paper.version and old.version and paper.version < old.version)


def _unnamed(paper: Paper) -> bool:
    """Whether nothing but its title names it."""
    return not identifiers(paper) and (not paper.id or paper.id.startswith("title:"))
