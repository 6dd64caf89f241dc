"""The indexes derived from a library: words (BM25) and vectors, open for reading.

`rag.manifest` names the current ones; what a killed build leaves behind is named by none, and is
swept away by the next build. The two are published apart: words are ready seconds after the papers
are stored, and are searched alone until there are vectors.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag._npy import parsing
from rag.chunking import chunks, context_text
from rag.errors import IndexFailure, IndexMissing
from rag.lexical import LexicalIndex
from rag.manifest import VECTORS, WORDS, Manifest, Recipe
from rag.registry import lookup
from rag.stores import STORES, VectorStore
from rag.types import Chunk, Paper

Rows = NDArray[np.int64]


class Index:
    """The current indexes, open for reading."""

    def __init__(self, root: Path, manifest: Manifest, stores: Mapping[str, str]) -> None:
        self.manifest = manifest
        self._root = root
        self._stores = stores

    @classmethod
    def open(cls, root: Path, recipe: Recipe, stores: Mapping[str, str] | None = None) -> Index:
        """Raises IndexMissing, IndexMismatch, or IndexFailure, each naming the fix."""
        manifest = Manifest.read(root)
        if manifest is None:
            raise IndexMissing("nothing is indexed yet. Run: footnoted ingest SOURCE")
        manifest.check(recipe)
        for part in (manifest.words, manifest.vectors):
            if part and not (root / part.folder).is_dir():
                raise IndexFailure(
                    f"the index folder {root / part.folder} is gone. "
                    f"Run: footnoted ingest --rebuild"
                )
        return cls(root, manifest, {**STORES, **(stores or {})})

    def load(self, *, vectors: bool) -> Index:
        """Read now what would be read when it is first used: from then on nothing can go away."""
        _ = self.lexical, self.paper_rows, self.dense if vectors else None
        return self

    @cached_property
    def lexical(self) -> LexicalIndex:
        """BM25 over papers; its ids are those of the papers."""
        try:
            return LexicalIndex.load(self._root / self.manifest.words.folder)
        except (OSError, ValueError, KeyError) as error:
            raise IndexFailure(
                f"the lexical index cannot be read ({error}). Run: footnoted ingest --rebuild"
            ) from error

    @cached_property
    def paper_rows(self) -> Rows:
        """The library's row number of each paper of `lexical`, rising."""
        return _load(self._root / self.manifest.words.folder / "rows.npy")

    @cached_property
    def dense(self) -> Dense | None:
        """The vectors; None until the first of them are there."""
        part = self.manifest.vectors
        if part is None:
            return None
        folder = self._root / part.folder
        store = open_store(self.manifest.recipe.store, folder, self._stores)
        if store.count() != part.chunks:
            raise IndexFailure(
                f"the vector index holds {store.count()} of {part.chunks} chunks. "
                f"Run: footnoted ingest --rebuild"
            )
        return Dense(store, read_chunks(folder))

    def close(self) -> None:
        if self.__dict__.get("dense"):
            self.__dict__["dense"].store.close()


@dataclass(frozen=True, slots=True)
class ChunkTable:
    """The chunks of a vector index, in the order of the library.

    `rows` are the library's row numbers of their papers, rising, `hashes` SHA-256 of the texts,
    shape (n, 32).
    """

    ids: list[str]
    rows: Rows
    hashes: NDArray[np.uint8]

    def of_papers(self, rows: Rows) -> list[str]:
        """Ids of the chunks of these papers; `rows` rising."""
        low = np.searchsorted(self.rows, rows)
        counts = np.searchsorted(self.rows, rows, side="right") - low
        return [self.ids[i] for i in spread(low, counts)]


class Dense:
    """A vector store and what its chunks belong to."""

    def __init__(self, store: VectorStore, table: ChunkTable) -> None:
        self.store = store
        self.table = table

    def search(
        self, vector: NDArray[np.float32], k: int, allowed: Rows | None = None
    ) -> list[tuple[str, float]]:
        """The k nearest chunks with their cosine similarity; `allowed`: rows of papers, rising."""
        names = None if allowed is None else set(self.table.of_papers(allowed))
        return self.store.search(vector, k, names)

    def hashes(self, row: int) -> list[bytes]:
        """Hashes of the texts of a paper's chunks; `row` is its row number in the library."""
        low, high = np.searchsorted(self.table.rows, [row, row + 1])
        return [bytes(digest) for digest in self.table.hashes[low:high]]

    def similarities(
        self, vector: NDArray[np.float32], rows: Rows
    ) -> tuple[list[str | None], NDArray[np.float32]]:
        """The nearest chunk of each paper and its cosine; None and NaN where there is no vector.

        `rows` are the papers' row numbers in the library.
        """
        low = np.searchsorted(self.table.rows, rows)
        counts = np.searchsorted(self.table.rows, rows, side="right") - low
        if not counts.any():
            return [None] * len(rows), np.full(len(rows), np.nan, np.float32)
        ends, at = np.cumsum(counts), spread(low, counts)
        scores = self.store.vectors([self.table.ids[i] for i in at]) @ vector
        best, cosines = list[str | None](), np.full(len(rows), np.nan, np.float32)
        for paper, (end, count) in enumerate(zip(ends, counts, strict=True)):
            part = scores[end - count : end]
            best.append(self.table.ids[at[end - count + int(part.argmax())]] if count else None)
            cosines[paper] = part.max() if count else np.nan
        return best, cosines


def spread(starts: Rows, counts: Rows) -> Rows:
    """The numbers of ranges, one after another: starts[0], starts[0] + 1, ..., starts[1], ..."""
    ends = np.cumsum(counts)
    return np.repeat(starts - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)


def paper_of(chunk_id: str) -> str:
    return chunk_id.rpartition("#")[0]


def cut(papers: Iterable[Paper], max_chars: int) -> Iterator[tuple[Chunk, Paper, bytes]]:
    """Each chunk with its paper and the hash of the text that stands for it in the index."""
    for paper in papers:
        for chunk in chunks(paper, max_chars):
            text = context_text(paper.title, chunk)
            yield chunk, paper, text_hash(text)


def text_hash(text: str) -> bytes:
    """By which the vector and the token codes of a text are cached."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def open_store(name: str, folder: Path, stores: Mapping[str, str]) -> VectorStore:
    store: VectorStore = lookup("store", name, stores)(folder / "vectors")
    return store


def new_folder(root: Path, kind: str, current: Manifest | None) -> str:
    """A fresh name for a part of this kind; leftovers of killed builds are removed.

    The one that is replaced next stays until the build after: a reader may be about to open it.
    """
    root.mkdir(parents=True, exist_ok=True)
    parts = (current.words, current.vectors) if current else ()
    kept = {part.folder for part in parts if part}
    other = {WORDS: VECTORS, VECTORS: WORDS}[kind]
    for path in root.iterdir():
        if path.is_dir() and path.name not in kept and not path.name.startswith(other):
            shutil.rmtree(path, ignore_errors=True)
    numbers = [int(name.rpartition("-")[2]) for name in kept if name.startswith(kind)]
    return f"{kind}-{max(numbers, default=0) + 1:06d}"


def write_words(folder: Path, index: LexicalIndex, rows: Rows) -> None:
    index.save(folder)
    np.save(folder / "rows.npy", rows)


def read_chunks(folder: Path) -> ChunkTable:
    try:
        ids = json.loads((folder / "chunks.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(folder / "chunks.json", error) from error
    return ChunkTable(ids, _load(folder / "rows.npy"), _load(folder / "hashes.npy"))


def write_chunks(folder: Path, table: ChunkTable) -> None:
    (folder / "chunks.json").write_text(json.dumps(table.ids), encoding="utf-8")
    np.save(folder / "rows.npy", table.rows)
    np.save(folder / "hashes.npy", table.hashes)


def _load(path: Path) -> NDArray[Any]:
    try:
        with parsing:
            return np.asarray(np.load(path))
    except (OSError, ValueError, EOFError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> IndexFailure:
    return IndexFailure(f"{path} cannot be read ({error}). Run: footnoted ingest --rebuild")
