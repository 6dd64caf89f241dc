"""Vectors in an embedded ChromaDB: our own vectors, cosine, no telemetry.

Beside it the same vectors lie in a flat file. Chroma's own filters cost 70 to 146 ms at 100,000
papers and its search within given ids as much; exact scores of the few that a filter admits cost
one, and lose nothing. What admits many is searched for deeper and then sifted. A folder that may
only be read is searched in that file alone: slower, and as well.

LlamaIndex's ChromaVectorStore opens what is written here (tests/contracts/test_stores.py), but
this goes below it: with its nodes, adding took 1.2 to 1.4 times as long and a query 2 to 3 times
(`benchmarks/llama_index_cost.py`).
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.errors import IndexFailure
from rag.stores.exact import ExactVectors
from rag.types import Chunk, Paper

_NAME = "abstracts"
_WIDE = 10  # a filter that admits more than one chunk in so many is searched through the index
_DEEPER = 1.5  # times the depth at which, on average, enough of them would be found
_BATCH = 5000  # Chroma refuses more than 5,461 in one call
# recall@10 against exact search needs more than Chroma's default breadth of 100.
_HNSW: Any = {"space": "cosine", "ef_construction": 200, "ef_search": 200, "max_neighbors": 16}


class ChromaStore:
    """One collection in one folder; opened when it is first used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._exact = ExactVectors(folder)
        self._changed = False
        self._collection: Any = None  # Chroma cannot read what it may not write
        if not folder.is_dir() or os.access(folder, os.W_OK):
            self._open()

    def _open(self) -> None:
        import chromadb
        from chromadb.config import Settings

        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            client = chromadb.PersistentClient(
                path=str(self._folder), settings=Settings(anonymized_telemetry=False)
            )
            self._collection = client.get_or_create_collection(
                _NAME, configuration={"hnsw": _HNSW}, embedding_function=None
            )
        except Exception as error:  # Chroma raises bare errors of many kinds
            raise _damaged(self._folder, error) from error
        # A replaced index is dropped while others may still search it: its files are let go
        # with the last of them. `close` is absent from the client's typed interface.
        self._close = weakref.finalize(self, getattr(client, "close", int))
        self._close.atexit = False

    def upsert(self, items: Sequence[tuple[Chunk, Paper]], vectors: NDArray[np.float32]) -> None:
        self._changed = True
        self._exact.upsert([chunk.id for chunk, _ in items], vectors)
        for start in range(0, len(items), _BATCH):
            part = items[start : start + _BATCH]
            self._collection.upsert(
                ids=[chunk.id for chunk, _ in part],
                embeddings=vectors[start : start + _BATCH],
                documents=[chunk.text for chunk, _ in part],
                metadatas=[_metadata(chunk, paper) for chunk, paper in part],
            )

    def delete(self, chunk_ids: Sequence[str]) -> None:
        self._changed = True
        self._exact.delete(chunk_ids)
        for start in range(0, len(chunk_ids), _BATCH):
            self._collection.delete(ids=list(chunk_ids[start : start + _BATCH]))

    def search(
        self, vector: NDArray[np.float32], k: int, allowed: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        total = len(self._exact)  # Chroma's own count takes as long as a search
        if k < 1 or not total:
            return []
        if allowed is None:
            if self._collection is None:
                return self._exact.search(vector, k, self._exact.names())
            return self._query(vector, min(k, total))
        allowed = allowed if isinstance(allowed, set | frozenset) else set(allowed)
        wide = self._collection is not None and len(allowed) * _WIDE > total
        deeper = int(_DEEPER * k * total / max(1, len(allowed)))
        if wide and deeper < total:
            found = [pair for pair in self._query(vector, deeper) if pair[0] in allowed]
            if len(found) >= k:
                return found[:k]
        return self._exact.search(vector, k, allowed)

    def vectors(self, chunk_ids: Sequence[str]) -> NDArray[np.float32]:
        return self._exact.get(chunk_ids)

    def _query(self, vector: NDArray[np.float32], k: int) -> list[tuple[str, float]]:
        try:
            found: Any = self._collection.query(
                query_embeddings=np.asarray(vector, np.float32)[None, :],
                n_results=k,
                include=["distances"],
            )
        except Exception as error:  # bare errors of many kinds
            raise _damaged(self._folder, error) from error
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return [(name, 1.0 - float(distance)) for name, distance in pairs]

    def count(self) -> int:
        if self._collection is None:
            return len(self._exact)
        return min(int(self._collection.count()), len(self._exact))  # equal, unless one is damaged

    def close(self) -> None:
        if self._changed:
            self._exact.save()
            self._changed = False
        if self._collection is not None:
            self._close()


def _metadata(chunk: Chunk, paper: Paper) -> dict[str, Any]:
    """What others who open the collection may want; lists would cost a fifth of an ingest."""
    data = {
        "paper_id": paper.id, "title": paper.title, "start": chunk.start, "end": chunk.end,
        "year": paper.year, "venue": paper.venue, "url": paper.url,
    }  # fmt: skip
    return {k: v for k, v in data.items() if v is not None}


def _damaged(folder: Path, error: Exception) -> IndexFailure:
    reason = str(error).split("\n", 1)[0][:200]
    return IndexFailure(
        f"the vector index in {folder} cannot be opened ({reason}). It can be made again from "
        f"the library, without embedding anew: footnoted ingest --rebuild"
    )
