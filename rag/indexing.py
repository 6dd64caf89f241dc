"""Library -> indexes: words, then vectors, each brought up to the library's present state.

These are steps 2 to 4 of an ingest (`rag.ingest`). Each can be repeated: what is up to date is left
alone, what was embedded once is taken from the library.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from rag._codes import codes_key
from rag.chunking import context_text
from rag.embedding import Embedder, has_tokens
from rag.errors import IndexFailure, IndexMismatch
from rag.index import (
    ChunkTable,
    cut,
    new_folder,
    open_store,
    read_chunks,
    write_chunks,
    write_words,
)
from rag.ingest import Progress, silent
from rag.lexical import LexicalIndex
from rag.library import Library
from rag.manifest import VECTORS, WORDS, Manifest, Part, Recipe
from rag.stores import VectorStore

T = TypeVar("T")
_WINDOW = 8192  # chunks sorted by length together, so that a batch pads little
_COMMIT = 128  # chunks embedded between two commits: what a kill can cost, some seconds
_WRITE = 2048  # chunks handed to the vector store at once
_FIRST = 4096  # chunks embedded before the first vectors are indexed, then twice as many, ...


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
