"""How far a live query came, kept in a small file until the query is finished.

A page counts as done only when the library holds its records. The reader cannot see that: what it
gave out may still wait for a full batch. So it leaves a note with the desk after each page, and
whoever stores the records says how many are stored; the notes up to there are then carried out.
A kill between two of these steps costs a page read again, whose papers are then unchanged.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from rag.errors import LibraryError
from rag.sources._meter import Progress

T = TypeVar("T")
FORMAT = 1


class Cursor:
    """The file of one query. Without a folder nothing is kept, and each run starts anew."""

    def __init__(self, folder: Path | None, key: Mapping[str, str]) -> None:
        self.key = dict(key)
        name = f"{self.key.get('source', 'query')}-{_seal(self.key)}"
        self.path = folder / f"{name}.json" if folder else None
        self.done = 0  # records given out, with those of the runs before this one
        self.began = self.failed = False

    def load(self) -> dict[str, Any]:
        """The state last saved, {} where there is none; a damaged file is as good as none."""
        if self.path is None:
            return {}
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            seal = kept.pop("seal")
            if kept["format"] == FORMAT and kept["query"] == self.key and seal == _seal(kept):
                self.done = int(kept["done"])
                return dict(kept["state"])
        return {}

    def save(self, state: Mapping[str, Any], done: int) -> None:
        """Whole or not at all: written beside, then renamed."""
        if self.path is None:
            return
        kept = {
            "format": FORMAT,
            "query": self.key,
            "state": state,
            "done": done,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        try:
            _write(self.path, json.dumps({**kept, "seal": _seal(kept)}, indent=1))
        except OSError as error:
            raise LibraryError(
                f"{self.path.parent} cannot be written ({error.strerror}). Set connectors.cursors "
                "in footnoted.toml to a folder that can."
            ) from error

    def clear(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _seal(value: Mapping[str, Any]) -> str:
    """Changed by whatever changes the value: a state that somebody edited is not to be trusted."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


class Desk:
    """What the live queries of one ingest share with whoever stores their records."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        sources: int = 1,
        limit: int | None = None,
        whole: bool = False,
    ) -> None:
        self._folder = folder
        self._sources = sources
        self._limit = limit
        self._whole = whole  # start each query anew: who prunes must have seen all of it
        self._passed = self._stored = 0
        self._progress: Progress | None = None
        self._cursors: list[Cursor] = []
        self._notes: deque[tuple[int, Callable[[], None]]] = deque()
        self._totals: dict[Cursor, int] = {}
        self.skipped = 0  # records that earlier, interrupted runs of these queries have stored

    @property
    def resumed(self) -> bool:
        """Whether a query goes on where an earlier run was interrupted."""
        return self.skipped > 0

    def open(self, key: Mapping[str, str]) -> tuple[Cursor, dict[str, Any]]:
        """The cursor of a query, and the state that an interrupted run has left of it."""
        cursor = Cursor(self._folder, key)
        state = {} if self._whole else cursor.load()
        self.skipped += cursor.done
        self._cursors.append(cursor)
        return cursor, state

    def expect(self, cursor: Cursor, total: int | None) -> None:
        """Say how many records a query has, those skipped included; None: nobody knows."""
        if total is None:
            self._totals.pop(cursor, None)
        else:
            self._totals[cursor] = total
        if self._progress:
            self._progress("reading", self._stored, None)

    def after(self, action: Callable[[], None]) -> None:
        """Carry out `action` once all that was given out so far is stored."""
        self._notes.append((self._passed, action))
        self.stored(self._stored)

    def counted(self, records: Iterable[T]) -> Iterator[T]:
        """Give the records out, counting; no more than the limit, skipped ones included."""
        for record in () if self._full() else records:
            self._passed += 1
            yield record
            if self._full():
                return

    def stored(self, count: int) -> None:
        """The first `count` records given out are safe."""
        self._stored = count
        while self._notes and self._notes[0][0] <= count:
            self._notes.popleft()[1]()

    def watching(self, progress: Progress) -> Progress:
        """`progress`, told the total where it is known; "reading" counts what is stored."""

        def report(stage: str, done: int, total: int | None) -> None:
            if stage == "reading":
                self.stored(done)
                done, total = done + self.skipped, total if self._total is None else self._total
            progress(stage, done, total)

        self._progress = report
        return report

    def close(self) -> None:
        """The run has come to its end, perhaps by a limit: only what failed goes on next time."""
        self.stored(self._passed)
        for cursor in self._cursors:
            if cursor.began and not cursor.failed:
                cursor.clear()

    def _full(self) -> bool:
        return self._limit is not None and self._passed + self.skipped >= self._limit

    @property
    def _total(self) -> int | None:
        if len(self._totals) < self._sources:
            return None
        total = sum(self._totals.values())
        return total if self._limit is None else min(total, self._limit)
