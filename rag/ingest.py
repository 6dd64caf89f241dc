"""Source -> papers -> chunks -> indexes, in steps that can each be repeated.

1. Papers go into the library, some hundred at a time: from then on they are safe.
2. Their words are indexed, which takes seconds: from then on they are found.
3. Chunks that were never embedded by this model are, and their vectors are cached in the library.
4. The vectors are indexed, now and then while more of them are made, and at the end.

A run that is interrupted goes on where it stopped: papers that are there are unchanged, vectors
that are there are not made again.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from rag._codes import codes_key
from rag.chunking import context_text
from rag.embedding import Embedder, has_tokens
from rag.errors import HomeLocked, IndexFailure, IndexMismatch, LibraryError
from rag.index import (
    VECTORS,
    WORDS,
    ChunkTable,
    Manifest,
    Part,
    Recipe,
    cut,
    new_folder,
    open_store,
    read_chunks,
    write_chunks,
    write_words,
)
from rag.lexical import LexicalIndex
from rag.library import Library, normalised_title
from rag.stores import VectorStore
from rag.types import IngestReport, Paper, Record, Rejected

T = TypeVar("T")
Progress = Callable[[str, int, int | None], None]
"""Called as (stage, done so far, total or None); stages: reading, words, embedding, indexing."""

_PAPERS = 2048  # in one transaction: more is no faster
_PATIENCE = 2.0  # seconds after which a transaction is closed, however few papers it holds
_SHOWN = 5  # rejects that a rehearsal keeps
_WINDOW = 8192  # chunks sorted by length together, so that a batch pads little
_COMMIT = 128  # chunks embedded between two commits: what a kill can cost, some seconds
_WRITE = 2048  # chunks handed to the vector store at once
_FIRST = 4096  # chunks embedded before the first vectors are indexed, then twice as many, ...


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


def embed_missing(
    library: Library,
    embedder: Embedder,
    max_chars: int,
    progress: Progress = silent,
    *,
    codes: bool = False,
) -> Iterator[int]:
    """Step 3: embed every chunk whose vector is not cached; keep its token `codes` as well.

    Yields the number embedded whenever enough are new to be worth indexing, and at the end, if
    there were any.
    """
    model = embedder.fingerprint
    known = library.known_hashes(model)
    total = sum(1 for _ in _unknown(library, max_chars, set(known)))
    done, due = 0, _FIRST
    for window in _batches(_unknown(library, max_chars, known), _WINDOW):
        window.sort(key=lambda item: -len(item[1]))
        for batch in _batches(window, _COMMIT):
            keys, texts = [key for key, _ in batch], [text for _, text in batch]
            if codes and has_tokens(embedder):
                vectors, found = embedder.embed_with_tokens(texts)
                library.cache_codes(
                    keys, found, codes_key(model)
                )  # first: vectors say that both are there
            else:
                vectors = embedder.embed(texts)
            library.cache_vectors(keys, vectors, model)
            done += len(batch)
            progress("embedding", done, total)
        if done >= due and done < total:
            due = 2 * done
            yield done
    if done:
        yield done


def build_words(
    library: Library, root: Path, recipe: Recipe, progress: Progress = silent, *, anew: bool = False
) -> Manifest:
    """Step 2: bring the lexical index up to the library's revision; nothing is done where it is.

    Raises IndexMismatch where the current index follows another recipe, unless `anew`.
    """
    current = _current(root, recipe, anew)
    revision = library.revision()
    if current and current.words.revision == revision and not anew:
        return current
    folder = new_folder(root, WORDS, current)
    rows, ids = library.row_ids()
    texts = _noted(library.texts(), len(ids), progress)
    write_words(root / folder, LexicalIndex.build(ids, texts), rows)
    vectors = current.vectors if current and not anew else None
    manifest = Manifest(recipe, Part(folder, revision, len(ids)), vectors)
    manifest.publish(root, folder)
    return manifest


def build_vectors(
    library: Library,
    root: Path,
    recipe: Recipe,
    stores: Mapping[str, str],
    progress: Progress = silent,
) -> Manifest:
    """Step 4: index the vectors that there are; nothing is done where that has been done."""
    current = Manifest.read(root)
    if current is None or not current.behind(library.revision()):
        return current or build_words(library, root, recipe, progress)
    revision, folder = library.revision(), new_folder(root, VECTORS, current)
    old = _start_from(root, current.vectors, root / folder)
    store = open_store(recipe.store, root / folder, stores)
    try:
        if store.count() != len(old):  # vectors were lost: write each of them again
            store.delete(list(old))
            old = {}
        table, missing = _write_vectors(library, store, recipe, old, progress)
    finally:
        store.close()
    write_chunks(root / folder, table)
    part = Part(folder, revision, library.count(), len(table.ids), missing)
    manifest = replace(current, vectors=part)
    manifest.publish(root, folder)
    return manifest


def _current(root: Path, recipe: Recipe, anew: bool) -> Manifest | None:
    """The current manifest; where all is made anew, whatever of it can be read."""
    try:
        current = Manifest.read(root)
        if current and not anew:
            current.check(recipe)
        return current
    except (IndexFailure, IndexMismatch):
        if not anew:
            raise
        return None


def _noted(texts: Iterable[tuple[str, str]], total: int, progress: Progress) -> Iterator[str]:
    for done, (title, abstract) in enumerate(texts, 1):
        yield f"{title}. {abstract}"
        if done % _WRITE == 0 or done == total:
            progress("words", done, total)


def _start_from(root: Path, current: Part | None, folder: Path) -> dict[str, bytes]:
    """Copy the current vectors, which nobody writes, and say which chunks they hold."""
    folder.mkdir(parents=True)
    if current is None or not (root / current.folder / "vectors").is_dir():
        return {}
    try:
        table = read_chunks(root / current.folder)
    except IndexFailure:
        return {}
    shutil.copytree(root / current.folder / "vectors", folder / "vectors")
    return dict(zip(table.ids, map(bytes, table.hashes), strict=True))


def _write_vectors(
    library: Library, store: VectorStore, recipe: Recipe, old: dict[str, bytes], progress: Progress
) -> tuple[ChunkTable, int]:
    """Write what is new or changed and has a vector, delete what is gone.

    Gives the table of what the store holds, and how many chunks still lack their vector.
    """
    ids: list[str] = []
    rows: list[int] = []
    hashes: list[bytes] = []
    row_of = dict(zip(*reversed(library.row_ids()), strict=True))
    seen = 0
    for batch in _batches(cut(library.papers(), recipe.max_chars), _WRITE):
        seen += len(batch)
        vectors = library.cached_vectors([key for _, _, key in batch], recipe.embedding)
        held = [item for item in batch if item[2] in vectors]
        new = [item for item in held if old.get(item[0].id) != item[2]]
        if new:
            store.upsert(
                [(chunk, paper) for chunk, paper, _ in new],
                np.stack([vectors[key] for _, _, key in new]),
            )
        ids += [chunk.id for chunk, _, _ in held]
        rows += [int(row_of[paper.id]) for _, paper, _ in held]
        hashes += [key for _, _, key in held]
        progress("indexing", len(ids), None)
    kept = set(ids)
    store.delete([chunk_id for chunk_id in old if chunk_id not in kept])
    table = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)
    return ChunkTable(ids, np.array(rows, np.int64), table), seen - len(ids)


def _unknown(library: Library, max_chars: int, known: set[bytes]) -> Iterator[tuple[bytes, str]]:
    """Texts without a vector, each once; `known` is consumed: it grows by what is given out."""
    for chunk, paper, key in cut(library.papers(), max_chars):
        if key not in known:
            known.add(key)
            yield key, context_text(paper.title, chunk)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
