"""Source -> papers -> chunks -> indexes, in steps that can each be repeated.

1. Papers go into the library, some hundred at a time: from then on they are safe.
2. Chunks that were never embedded by this model are, and their vectors are cached there too.
3. A new generation of the index is made aside and published by a rename.

A run that is interrupted goes on where it stopped: papers that are there are unchanged, vectors
that are there are not made again.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from rag.chunking import context_text
from rag.embedding import Embedder
from rag.errors import HomeLocked, IndexFailure, LibraryError
from rag.index import (
    Manifest,
    Recipe,
    cut,
    new_folder,
    open_store,
    read_chunk_hashes,
    write_chunk_hashes,
)
from rag.lexical import LexicalIndex
from rag.library import Library
from rag.stores import VectorStore
from rag.types import IngestReport, Paper, Record, Rejected

T = TypeVar("T")
Progress = Callable[[str, int, int | None], None]
"""Called as (stage, done so far, total or None); stages: reading, embedding, indexing."""

_PAPERS = 256  # in one transaction
_WINDOW = 8192  # chunks sorted by length together, so that a batch pads little
_COMMIT = 128  # chunks embedded between two commits: what a kill can cost, some seconds
_WRITE = 2048  # chunks handed to the vector store at once


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
    go_on: bool = False,
) -> IngestReport:
    """Step 1: (source, record) pairs into the library; rejects into a JSONL file of this run.

    `progress` is called once a batch is safe: what it says is read may be forgotten elsewhere.
    With `go_on` the rejects of a run that was interrupted stay in front of this one's.
    """
    report = IngestReport()
    part = rejects.with_name(rejects.name + ".part")
    with part.open("a" if go_on else "w", encoding="utf-8") as file:
        for batch in _batches(records, _PAPERS):
            bad = [record for _, record in batch if isinstance(record, Rejected)]
            good = [(record, source) for source, record in batch if isinstance(record, Paper)]
            file.writelines(json.dumps(r.to_dict(), ensure_ascii=True) + "\n" for r in bad)
            file.flush()
            outcomes = library.upsert(good)
            report = replace(
                report,
                ingested=report.ingested + outcomes.count("ingested"),
                unchanged=report.unchanged + outcomes.count("unchanged"),
                replaced=report.replaced + outcomes.count("replaced"),
                rejected=report.rejected + len(bad),
            )
            progress("reading", report.seen, None)
    if report.seen:
        part.replace(rejects)
    else:
        part.unlink()
    return report


def embed_missing(
    library: Library, embedder: Embedder, max_chars: int, progress: Progress = silent
) -> int:
    """Step 2: embed every chunk whose vector is not cached; the number embedded."""
    model = embedder.fingerprint
    known = library.known_hashes(model)
    total = sum(1 for _ in _unknown(library, max_chars, set(known)))
    done = 0
    for window in _batches(_unknown(library, max_chars, known), _WINDOW):
        window.sort(key=lambda item: -len(item[1]))
        for batch in _batches(window, _COMMIT):
            vectors = embedder.embed([text for _, text in batch])
            library.cache_vectors([key for key, _ in batch], vectors, model)
            done += len(batch)
            progress("embedding", done, total)
    return done


def build_index(
    library: Library,
    root: Path,
    recipe: Recipe,
    stores: Mapping[str, str],
    progress: Progress = silent,
    *,
    anew: bool = False,
) -> Manifest:
    """Step 3: bring the index up to the library's revision; nothing is done where it is.

    Raises IndexMismatch where the current index follows another recipe, unless `anew`.
    """
    current = _readable_manifest(root) if anew else Manifest.read(root)
    revision = library.revision()
    if current and not anew:
        current.check(recipe)
        if current.revision == revision:
            return current
    folder = root / new_folder(root, current)
    old = _start_from(root, None if anew else current, folder)
    store = open_store(recipe.store, folder, stores)
    try:
        if store.count() != len(old):  # vectors were lost: write each of them again
            old = dict.fromkeys(old, "")
        hashes = _write_vectors(library, store, recipe, old, progress)
    finally:
        store.close()
    texts = (context_text(p.title, c) for c, p, _ in cut(library.papers(), recipe.max_chars))
    LexicalIndex.build(list(hashes), texts).save(folder / "lexical")
    write_chunk_hashes(folder, hashes)
    manifest = Manifest(folder.name, recipe, revision, library.count(), len(hashes))
    manifest.publish(root)
    return manifest


def _readable_manifest(root: Path) -> Manifest | None:
    """The current manifest if it can be read: a rebuild must not stumble over what it mends."""
    try:
        return Manifest.read(root)
    except IndexFailure:
        return None


def _start_from(root: Path, current: Manifest | None, folder: Path) -> dict[str, str]:
    """Copy the current vectors, which nobody writes, and say which chunks they hold."""
    folder.mkdir(parents=True)
    if current is None or not (root / current.folder / "vectors").is_dir():
        return {}
    shutil.copytree(root / current.folder / "vectors", folder / "vectors")
    return read_chunk_hashes(root / current.folder)


def _write_vectors(
    library: Library, store: VectorStore, recipe: Recipe, old: dict[str, str], progress: Progress
) -> dict[str, str]:
    """Write what is new or changed, delete what is gone; the hashes of all chunks by id."""
    hashes: dict[str, str] = {}
    for batch in _batches(cut(library.papers(), recipe.max_chars), _WRITE):
        hashes.update((chunk.id, key.hex()) for chunk, _, key in batch)
        new = [item for item in batch if old.get(item[0].id) != item[2].hex()]
        if new:
            vectors = library.cached_vectors([key for _, _, key in new], recipe.embedding)
            store.upsert(
                [(chunk, paper) for chunk, paper, _ in new],
                np.stack([vectors[key] for _, _, key in new]),
            )
        progress("indexing", len(hashes), None)
    store.delete([chunk_id for chunk_id in old if chunk_id not in hashes])
    return hashes


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
