"""From sources to an index: what `Chatbot.ingest` composes of `rag.ingest` and `rag.indexing`."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from rag import llama
from rag._collection import Collection
from rag.errors import SourceError, SourceUnreadable
from rag.indexing import build_vectors, build_words, embed_missing
from rag.ingest import Progress, store_records
from rag.library import Library
from rag.sample import resolve
from rag.sources import Meter, open_source
from rag.sources.live import Desk, Live, open_live
from rag.types import IngestReport, Record, Rejected

Source = str | Path | Iterable[Any]


class Reading:
    """Sources as one stream of records, with what it knows of how far it came.

    They are opened at once, so that a name that is wrong is told before anything is stored.
    Raises SourceError for such a name.
    """

    def __init__(
        self,
        collection: Collection,
        sources: Sequence[Source],
        desk: Desk,
        *,
        format: str | None,
        fields: Mapping[str, str] | None,
        since: date | None,
        limit: int | None,
    ) -> None:
        settings = collection.settings
        self.desk = desk
        self._format, self._fields, self._limit = format, fields, limit
        self._extra = settings.plugins.sources
        self._live = Live(settings.connectors, since, desk)
        self._meter = Meter()
        self._opened = [
            (str(s), self._open(str(s), alone=len(sources) == 1))
            if isinstance(s, str | Path)
            else ("LlamaIndex documents", llama.records(s))
            for s in sources
        ]

    def records(self) -> Iterator[tuple[str, Record]]:
        """(source, record) pairs, no more than the limit."""
        return self.desk.counted(_read(self._opened))

    def watched(self, progress: Progress) -> Progress:
        """`progress`, told the share that is read, and telling the desk what is stored."""
        return self.desk.watching(self._meter.watched(progress, self._limit))

    def _open(self, address: str, *, alone: bool) -> Iterator[Record]:
        """One unreadable file among several is a reject; a name that is wrong is an error."""
        try:
            query = None if self._format else open_live(address, self._live)
            if query is not None:
                self._meter.expect(None)
                return query
            return open_source(
                resolve(address), self._format, self._extra, self._fields, self._meter
            )
        except SourceUnreadable as error:
            if alone:
                raise
            return iter([Rejected(address, 0, str(error), "")])


def cursors(collection: Collection) -> Path:
    """Where it is kept how far live queries came."""
    given = collection.settings.connectors.cursors
    return Path(given).expanduser() if given else collection.home / "cursors"


def ingest_words(
    collection: Collection,
    library: Library,
    reading: Reading | None,
    progress: Progress,
    *,
    rebuild: bool,
    prune: bool,
) -> IngestReport:
    """Store what is read, if anything is, and index the words of all papers."""
    manifest = None if rebuild else collection.manifest()
    if manifest:
        manifest.check(collection.recipe)
    report = IngestReport()
    if reading is not None:
        rejects, desk = collection.home / "rejected.jsonl", reading.desk
        records, watched = reading.records(), reading.watched(progress)
        report = store_records(library, records, rejects, watched, prune=prune, go_on=desk.resumed)
        desk.close()
    if library.count() or manifest:
        build_words(library, collection.root, collection.recipe, progress, anew=rebuild)
        library.link_twins(lambda done: progress("comparing", done, None))
    return report


def ingest_vectors(collection: Collection, library: Library, progress: Progress) -> None:
    """Make the vectors that are missing, and index them as they come."""
    if collection.manifest() is None:
        return
    arguments = (library, collection.root, collection.recipe, collection.stores, progress)
    settings = collection.settings
    for _ in embed_missing(
        library,
        collection.embedder,
        settings.chunking.max_chars,
        progress,
        codes=settings.rank.late,
    ):
        build_vectors(*arguments)
    build_vectors(*arguments)


class Filling(threading.Thread):
    """Makes vectors while others ask; what goes wrong is raised where it is waited for."""

    def __init__(self, collection: Collection, progress: Progress) -> None:
        super().__init__(name="footnoted-vectors", daemon=True)
        self._collection, self._progress = collection, progress
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            with self._collection.writing() as library:
                ingest_vectors(self._collection, library, self._progress)
        except Exception as error:  # told by `finish`, in the thread that waits
            self._error = error

    def finish(self) -> None:
        self.join()
        if self._error:
            raise self._error


def _read(opened: list[tuple[str, Iterator[Record]]]) -> Iterator[tuple[str, Record]]:
    for name, stream in opened:
        seen = 0
        try:
            for record in stream:
                seen += 1
                yield name, record
        except SourceError as error:
            if len(opened) == 1 and not seen:
                raise
            yield name, Rejected(name, 0, str(error), "")
