"""A vector store in a numpy array: exact, for tests and for judging other stores."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag._npy import parsing
from rag.types import Chunk, Paper

_FILE = "vectors.npz"


class MemoryStore:
    """Exact search; written to its folder when it is closed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._vectors: dict[str, NDArray[np.float32]] = {}
        if self._path.is_file():
            with parsing, np.load(self._path) as saved:
                names = [str(name) for name in saved["ids"]]
                self._vectors = dict(zip(names, saved["vectors"], strict=True))

    def upsert(self, items: Sequence[tuple[Chunk, Paper]], vectors: NDArray[np.float32]) -> None:
        self._vectors.update(
            (chunk.id, vector) for (chunk, _), vector in zip(items, vectors, strict=True)
        )

    def delete(self, chunk_ids: Sequence[str]) -> None:
        for chunk_id in chunk_ids:
            self._vectors.pop(chunk_id, None)

    def search(
        self, vector: NDArray[np.float32], k: int, allowed: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        names = [n for n in self._vectors if allowed is None or n in allowed]
        if not names or k < 1:
            return []
        scores = np.stack([self._vectors[n] for n in names]) @ vector
        order = np.argsort(-scores, kind="stable")[:k]
        return [(names[i], float(scores[i])) for i in order]

    def vectors(self, chunk_ids: Sequence[str]) -> NDArray[np.float32]:
        found = [self._vectors[name] for name in chunk_ids]
        return np.stack(found) if found else np.zeros((0, 1), np.float32)

    def count(self) -> int:
        return len(self._vectors)

    def close(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        names = list(self._vectors)
        vectors = np.stack(list(self._vectors.values())) if names else np.zeros((0, 1), np.float32)
        np.savez(self._path, ids=np.array(names, dtype=str), vectors=vectors)
