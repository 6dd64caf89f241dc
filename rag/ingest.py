"""Source -> papers -> chunks -> indexes, in steps that can each be repeated.

1. Papers go into the library, some hundred at a time: from then on they are safe.
2. Their words are indexed, which takes seconds: from then on they are found.
3. Chunks that were never embedded by this model are, and their vectors are cached in the library.
4. The vectors are indexed, now and then while more of them are made, and at the end.

Step 1 is here, with the lock that a writer holds; `rag.indexing` does the others.

A run that is interrupted goes on where it stopped: papers that are there are unchanged, vectors
that are there are not made again.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from rag.errors import HomeLocked, LibraryError
from rag.library import Library, normalised_title
from rag.types import IngestReport, Paper, Record, Rejected

T = TypeVar("T")
Progress = Callable[[str, int, int | None], None]
"""Called as (stage, done so far, total or None); stages: reading, words, embedding, indexing."""

_PAPERS = 2048  # in one transaction: more is no faster
_PATIENCE = 2.0  # seconds after which a transaction is closed, however few papers it holds
_SHOWN = 5  # rejects that a rehearsal keeps


def silent(stage: str, done: int, total: int | None) -> None:
    """Show no progress."""


@contextmanager
def writing(home: Path) -> Iterator[None]:
    """Hold the home's only writer lock. Raises HomeLocked, saying who holds it and since when."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise LibraryError(
            f"the home {home} cannot be written ({error.strerror}). Choose another with --home."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            raise HomeLocked(
                f"{home} is being written by {holder}. Wait until it is done."
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        lock.flush()
        yield


def store_records(
    library: Library,
    records: Iterable[tuple[str, Record]],
    rejects: Path,
    progress: Progress = silent,
    *,
    prune: bool = False,
    go_on: bool = False,
) -> IngestReport:
    """Step 1: (source, record) pairs into the library; rejects into a JSONL file of this run.

    `progress` is called once a batch is safe: what it says is read may be forgotten elsewhere.
    With `go_on` the rejects of a run that was interrupted stay in front of this one's.
    With `prune`, papers that a source gave before and no longer gives lose that source, and are
    removed where it was their only one; `IngestReport.removed` counts these.
    """
    run = library.begin_run()
    counts: Counter[str] = Counter()
    part = rejects.with_name(rejects.name + ".part")
    read = _Read(prune)
    with part.open("a" if go_on else "w", encoding="utf-8") as file:
        for batch in _timely(records):
            bad = [record for _, record in batch if isinstance(record, Rejected)]
            good = [(r, address(source)) for source, r in batch if isinstance(r, Paper)]
            read.note(batch)
            file.writelines(json.dumps(r.to_dict(), ensure_ascii=True) + "\n" for r in bad)
            file.flush()
            counts.update(library.upsert(good, run))
            counts["rejected"] += len(bad)
            progress("reading", counts.total(), None)
    if counts.total():
        part.replace(rejects)
    else:
        part.unlink()
    removed = sum(_prune(library, source, run, read) for source in read.whole())
    return IngestReport(**counts, removed=removed)


def rehearse(
    home: Path, records: Iterable[tuple[str, Record]], progress: Progress, *, prune: bool
) -> tuple[IngestReport, list[Rejected]]:
    """What step 1 would do, done to a copy of the library; and the first rejects."""
    with TemporaryDirectory(prefix="footnoted-") as name:
        copy, shown = Path(name) / "library.sqlite", list[Rejected]()
        if (home / "library.sqlite").is_file():
            Library.copy(home / "library.sqlite", copy)
        library = Library(copy)
        try:
            watched = _watched(records, shown)
            rejects = Path(name) / "rejected.jsonl"
            return store_records(library, watched, rejects, progress, prune=prune), shown
        finally:
            library.close()


@lru_cache(maxsize=1000)
def address(source: str) -> str:
    """A source by the one name that it has from every folder; a query, or `-`, is its own."""
    path = Path(source).expanduser()
    try:
        return str(path.resolve()) if path.exists() and source != "-" else source
    except (OSError, ValueError, RuntimeError):
        return source


class _Read:
    """What a run saw of each source, for pruning: whether it was whole, and what it rejected."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._whole: dict[str, bool] = {}
        self._rejected: dict[str, list[str]] = {}

    def note(self, batch: Sequence[tuple[str, Record]]) -> None:
        if not self._wanted:
            return
        for source, record in batch:
            where = address(source)
            self._whole.setdefault(where, True)
            if isinstance(record, Rejected):
                self._whole[where] &= bool(record.raw)  # else a part of it could not be read
                self._rejected.setdefault(where, []).append(normalised_title(record.raw))

    def whole(self) -> list[str]:
        """Sources of which nothing was left unread; standard input is never twice the same."""
        return [source for source, whole in self._whole.items() if whole and source != "-"]

    def rejected(self, source: str, paper: Paper) -> bool:
        """Whether a reject holds the paper's title: then it is there still, only damaged."""
        title = normalised_title(paper.title)
        return any(title in raw for raw in self._rejected.get(source, ()))


def _prune(library: Library, source: str, run: int, read: _Read) -> int:
    gone = [p.id for p in library.missing(source, run) if not read.rejected(source, p)]
    return library.forget(gone, source)


def _watched(
    records: Iterable[tuple[str, Record]], shown: list[Rejected]
) -> Iterator[tuple[str, Record]]:
    for source, record in records:
        if isinstance(record, Rejected) and len(shown) < _SHOWN:
            shown.append(record)
        yield source, record


def _timely(items: Iterable[T]) -> Iterator[list[T]]:
    """Batches by number, and by time: what a slow source gave is safe within seconds."""
    batch: list[T] = []
    began = time.monotonic()
    for item in items:
        batch.append(item)
        if len(batch) >= _PAPERS or time.monotonic() - began > _PATIENCE:
            yield batch
            batch, began = [], time.monotonic()
    if batch:
        yield batch
