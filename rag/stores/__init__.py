"""Where vectors live: the VectorStore protocol and the registry of what implements it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.types import Chunk, Paper

STORES: dict[str, str] = {
    "chroma": "rag.stores.chroma:ChromaStore",
    "compact": "rag.stores.compact:CompactStore",
    "memory": "rag.stores.memory:MemoryStore",
}


class VectorStore(Protocol):
    """Chunks by vector, under cosine similarity. `folder` is given to the constructor.

    One writer at a time, on a folder of its own that no reader has open yet.
    """

    def upsert(self, items: Sequence[tuple[Chunk, Paper]], vectors: NDArray[np.float32]) -> None:
        """Add or replace chunks; vectors of shape (len(items), dimension), unit length."""
        ...

    def delete(self, chunk_ids: Sequence[str]) -> None: ...

    def search(
        self, vector: NDArray[np.float32], k: int, allowed: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """The k nearest chunk ids with cosine similarity, best first, among `allowed` if given."""
        ...

    def vectors(self, chunk_ids: Sequence[str]) -> NDArray[np.float32]:
        """The vectors of these chunks, shape (len(chunk_ids), dimension), unit length."""
        ...

    def count(self) -> int: ...

    def close(self) -> None: ...
